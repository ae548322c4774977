"""The tables of the monitoring pages are opened in the background, once: the first visitor does not wait for them."""

import logging
import threading

from dashboard.errors import QueryFailed
from dashboard.queries.lake import newest, select
from lakehouse.errors import LakehouseError

_log = logging.getLogger(__name__)

TABLES = ("metrics_15min", "metrics_minute", "request_metrics", "metrics_daily_requester", "inference_table")
"""In the order in which pages ask for them."""

_starting = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Begin, unless it has begun in this process. Never waits."""
    global _thread
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=open_tables, name="tables-opening", daemon=True)
            _thread.start()


def open_tables() -> None:
    """Read the logs, what stands at the ends of the files, and the rows of the small files, which are then kept."""
    for name in TABLES:
        try:
            select(newest(name), "SELECT 1 FROM this LIMIT 0")
        except (LakehouseError, QueryFailed) as error:
            # A page that needs the table says so itself.
            _log.warning("The table %s was not opened ahead: %s", name, error)
