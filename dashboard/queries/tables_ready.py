"""The tables of the monitoring pages are opened in the background, once: the first visitor does not wait for them."""

import logging
import threading

from dashboard.errors import QueryFailed
from dashboard.garbage_collection import leave_what_is_imported_alone
from dashboard.queries.lake import newest, select
from lakehouse.errors import LakehouseError

_log = logging.getLogger(__name__)

TABLES = (
    "metrics_hour",
    "metrics_15min",
    "metrics_minute",
    "request_metrics",
    "metrics_daily_requester",
    "notable_requests",
    "inference_table",
)
"""In the order in which pages ask for them."""

_starting = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Begin, unless it has begun in this process. Never waits."""
    global _thread
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=_open_in_background, name="tables-opening", daemon=True)
            _thread.start()


def open_tables() -> None:
    """Read the logs, what stands at the ends of the files, and the rows of the small files, which are then kept."""
    for name in TABLES:
        try:
            select(newest(name), "SELECT 1 FROM this LIMIT 0")
        except (LakehouseError, QueryFailed) as error:
            # A page that needs the table says so itself.
            _log.warning("The table %s was not opened ahead: %s", name, error)


def _open_in_background() -> None:
    try:
        open_tables()
        # The first comparison of two versions would wait for it.
        import scipy.special  # noqa: F401
    # Whatever it is: this thread has no page to fail on, and pages do without it.
    except Exception:  # noqa: BLE001
        _log.exception("The tables were not opened ahead.")
    finally:
        leave_what_is_imported_alone()
