"""What pages are made of is read before somebody asks: of each endpoint that is used most, after every run of the job.

The first visitor after a run, and who looks at another endpoint, would wait for it. It is begun when a page has been
drawn, so that nothing is read for nobody; figures of a snapshot replace those of the one before (`shared_arrays`).
"""

import logging
import threading

import pyarrow as pa
from streamlit import runtime

from dashboard.errors import QueryFailed
from dashboard.measures import MEASURES
from dashboard.periods import period
from dashboard.queries import changes, requests, traffic, traffic_over_time
from dashboard.queries.cost_sums import METRICS as OF_COST
from dashboard.queries.figure_windows import HISTOGRAMS as OF_INCIDENTS
from dashboard.queries.figure_windows import MEANS
from dashboard.queries.lake import Snapshot, coarsest_rollup, newest, snapshot_key
from dashboard.queries.quality_sides import METRICS as OF_QUALITY
from dashboard.queries.rollup_windows import rollup_windows
from dashboard.queries.traffic_windows import COUNTED
from lakehouse.errors import LakehouseError
from lakehouse.rollup_tables import METRICS_15MIN

SUMS = tuple(dict.fromkeys((*COUNTED, *OF_COST, *MEANS, *MEASURES)))
HISTOGRAMS = tuple(dict.fromkeys((*OF_INCIDENTS, *traffic.TOXICITIES, *OF_QUALITY)))
"""The metrics that monitoring pages show over time, those first that most pages need."""
MOST_ENDPOINTS = 3
"""Endpoints whose figures are read before anybody asks."""

_log = logging.getLogger(__name__)
_starting = threading.Lock()
_thread: threading.Thread | None = None
_read = ""


def look() -> None:
    """Begin to read in the background if the rollups have changed since the last time. Never waits.

    Nothing happens outside of a running dashboard, where no visitor comes next.
    """
    global _thread, _read
    if not _is_a_dashboard():
        return
    with _starting:
        if _thread is not None and _thread.is_alive():
            return
        try:
            found = "|".join(snapshot_key(snapshot) for snapshot in _snapshots())
        except (LakehouseError, QueryFailed) as error:
            # A page that needs the table says so itself.
            _log.warning("The rollups could not be looked at: %s", error)
            return
        if found != _read:
            _read = found
            _thread = threading.Thread(target=_in_background, name="reading-ahead", daemon=True)
            _thread.start()


def read() -> None:
    """Read what the monitoring pages show of weeks and months, and of days. Raises: QueryFailed, LakehouseError."""
    endpoints = traffic.endpoints()[:MOST_ENDPOINTS]
    for endpoint in endpoints:
        traffic_over_time.read_ahead(endpoint)
        changes.markers(period("30d"), endpoint)
        traffic.versions(endpoint)
        requests.requesters(endpoint, period("30d"))
    for snapshot in _snapshots():
        span = (snapshot.newest, snapshot.newest)
        for endpoint in endpoints:
            rollup_windows(snapshot, endpoint, span, sums=SUMS)
            # One by one: a page that needs one of them does not wait for the others.
            for metric in HISTOGRAMS:
                rollup_windows(snapshot, endpoint, span, histograms=[metric])
    # What Arrow needed on the way and would keep for the next time.
    pa.default_memory_pool().release_unused()


def _is_a_dashboard() -> bool:
    running: bool = runtime.exists()
    return running


def _snapshots() -> list[Snapshot]:
    """Of hours and of quarters, of which one read holds all ranges that end now."""
    hours, quarters = coarsest_rollup(live=True), newest(METRICS_15MIN.name)
    return [snapshot for snapshot in dict.fromkeys((hours, quarters)) if snapshot.files and snapshot.is_local]


def _in_background() -> None:
    try:
        read()
    except (LakehouseError, QueryFailed) as error:
        _log.warning("Figures were not read ahead: %s", error)
    # Whatever it is: this thread has no page, and pages do without it.
    except Exception:  # noqa: BLE001
        _log.exception("Figures were not read ahead.")
