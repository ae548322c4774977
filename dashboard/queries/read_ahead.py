"""What pages are made of is read before somebody asks: of each endpoint that is used most, after every run of the job.

The first visitor after a run, and who looks at another endpoint, would wait for it. It is begun when a page has been
drawn, so that nothing is read for nobody; figures of a snapshot replace those of the one before (`shared_arrays`).
"""

import atexit
import logging
import threading
import time

import pyarrow as pa
from streamlit import config, runtime

from dashboard.measures import MEASURES
from dashboard.periods import period
from dashboard.queries import changes, requests, traffic, traffic_over_time
from dashboard.queries.cost_sums import METRICS as OF_COST
from dashboard.queries.cost_sums import requester_sums
from dashboard.queries.figure_windows import HISTOGRAMS as OF_INCIDENTS
from dashboard.queries.figure_windows import MEANS
from dashboard.queries.lake import Snapshot, coarsest_rollup, newest, snapshot_key
from dashboard.queries.quality_sides import METRICS as OF_QUALITY
from dashboard.queries.rollup_windows import rollup_windows
from dashboard.queries.shared_arrays import is_nearly_full
from dashboard.queries.traffic_windows import COUNTED, TOKENS_IN
from lakehouse.rollup_tables import METRICS_15MIN, METRICS_DAILY_REQUESTER

SUMS = tuple(dict.fromkeys((*COUNTED, *OF_COST, *MEANS, *MEASURES)))
HISTOGRAMS = tuple(dict.fromkeys((*OF_INCIDENTS, *traffic.TOXICITIES, *OF_QUALITY, TOKENS_IN)))
"""The metrics that monitoring pages show over time, those first that most pages need."""
MOST_ENDPOINTS = 3
"""Endpoints whose figures are read before anybody asks."""

_LOOK_SECONDS, _AFTER_FAILURE_SECONDS = 1.0, 60.0
"""How often it is looked whether there is anything new."""
_END_SECONDS = 10.0

_log = logging.getLogger(__name__)
_starting = threading.Lock()
_ending = threading.Event()
_thread: threading.Thread | None = None
_next_look = 0.0
_read = ""


def look() -> None:
    """Look in the background whether the rollups have changed, and if so read ahead. Never waits.

    Nothing happens outside of a running dashboard, where no visitor comes next.
    """
    global _thread, _next_look
    if not _is_a_dashboard() or time.monotonic() < _next_look or not _starting.acquire(blocking=False):
        return
    try:
        if _thread is None or not _thread.is_alive():
            _next_look = time.monotonic() + _LOOK_SECONDS
            _thread = threading.Thread(target=_in_background, name="reading-ahead", daemon=True)
            _thread.start()
    finally:
        _starting.release()


def read() -> None:
    """Read what the monitoring pages show of weeks and months, and of days; as much as is kept.

    Raises: QueryFailed, LakehouseError.
    """
    endpoints = traffic.endpoints()[:MOST_ENDPOINTS]
    for endpoint in endpoints:
        traffic_over_time.read_ahead(endpoint)
        changes.markers(period("30d"), endpoint)
        traffic.versions(endpoint)
        requests.requesters(endpoint, period("30d"))
        requester_sums(newest(METRICS_DAILY_REQUESTER.name), endpoint, *period("30d").utc_days)
    for snapshot in _snapshots():
        span = (snapshot.newest, snapshot.newest)
        for endpoint in endpoints:
            rollup_windows(snapshot, endpoint, span, sums=SUMS)
            # One by one: a page that needs one of them does not wait for the others.
            for metric in HISTOGRAMS:
                if _ending.is_set() or is_nearly_full():
                    return
                rollup_windows(snapshot, endpoint, span, histograms=[metric])


def _is_a_dashboard() -> bool:
    # A page under test has a runtime, too, and nobody waits for the end of its threads.
    return bool(runtime.exists() and not config.get_option("global.appTest"))


def _snapshots() -> list[Snapshot]:
    """Of hours and of quarters, of which one read holds all ranges that end now."""
    hours, quarters = coarsest_rollup(live=True), newest(METRICS_15MIN.name)
    return [snapshot for snapshot in dict.fromkeys((hours, quarters)) if snapshot.files and snapshot.is_local]


def _in_background() -> None:
    global _read, _next_look
    try:
        found = "|".join(snapshot_key(snapshot) for snapshot in _snapshots())
        if found != _read:
            read()
            _read = found
            # What Arrow needed on the way and would keep for the next time.
            pa.default_memory_pool().release_unused()
    # Whatever it is: this thread has no page, pages do without it, and one that needs the tables says so itself.
    except Exception:  # noqa: BLE001
        _log.warning("Figures were not read ahead.", exc_info=True)
        _next_look = time.monotonic() + _AFTER_FAILURE_SECONDS


@atexit.register
def _end() -> None:
    """A thread that is inside of DuckDB when the process ends would take it down."""
    _ending.set()
    if _thread is not None:
        _thread.join(_END_SECONDS)
