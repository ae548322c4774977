"""Panels of the Traffic page about errors: those that were logged, and those that the endpoint counts itself."""

from datetime import timedelta
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import traffic_charts
from dashboard.moment import chosen_moment
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.panels.traffic_numbers import by_bin, chosen_bin, numbers, redrawn_alone
from dashboard.queries import changes, endpoint_errors
from dashboard.queries.endpoint_errors import LastMinute
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.rollup_windows import FAILED
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_over_time import stack
from dashboard.queries.traffic_windows import LATENCY
from dashboard.time_range import TimeRange
from dashboard.widgets import clickable_chart, empty, local, refreshing, table, time_zone, version_names
from dashboard.wording import NOTHING, age, milliseconds, number, percent, plain, sentence

if TYPE_CHECKING:
    import pandas as pd

MOST_CODES = 8
"""Rows of the table of status codes."""

_REFRESH_SECONDS = 5.0


@redrawn_alone("Errors over time")
def over_time(endpoint: str, asked: TimeRange) -> None:
    """The failed requests that were logged, over time."""
    requests = stack(endpoint, asked.period, "status", REQUESTS)
    parts = {name: values for name, values in requests.parts.items() if name in FAILED}
    if not parts:
        whole = int(sum(values.sum() for values in requests.parts.values()))
        st.markdown(f":material/check: None of {number(whole)} logged requests failed." if whole else "")
        return
    marked = changes.markers(asked.period, endpoint)
    said = ", ".join(f"{number(values.sum())} with {name}" for name, values in parts.items())
    alt = f"Failed requests over time: {said}"
    figure = traffic_charts.errors(parts, requests.times, requests.seconds, time_zone(), marked)
    points = clickable_chart(figure, key="errors", alt=alt)
    columns = {f"{name}, requests": values for name, values in parts.items()}
    numbers(by_bin(requests.times, columns), "failed requests over time", alt=alt)
    marked_line(marked, asked.query.get("range", ""))
    opened_change(points)
    bar = chosen_bin(points, list(parts), requests.times)
    if bar is not None:
        status, start = bar
        end = start + timedelta(seconds=requests.seconds)
        rows_behind(RequestFilter(start, end, endpoint, statuses=(status,)), (LATENCY,))


def logged(endpoint: str, asked: TimeRange) -> None:
    """The failed requests of the inference table, by version and by status code."""
    counted = endpoint_errors.by_version(endpoint, asked.period)
    if not counted:
        empty("No request was logged in this time.")
        return
    names = version_names(endpoint, [one.version for one in counted])
    table(
        {
            "Version": [f"**{plain(names[one.version])}**" for one in counted],
            "Requests": [number(one.requests) for one in counted],
            "4xx": [number(one.errors_4xx) for one in counted],
            "5xx": [number(one.errors_5xx) for one in counted],
            "Failed": [percent(one.failed / one.requests, 2) for one in counted],
        },
        alt="Failed requests by version, as they were logged",
    )
    if any(one.failed for one in counted):
        _codes(endpoint_errors.status_codes(endpoint, asked.period), endpoint)
    st.caption(
        "**Sees** every request of the inference table, for as long as it is kept: who, when, which version, which "
        "answer. **Does not see** what was never logged: on Databricks requests that were turned away or failed early "
        "(401, 403, 429, 500) may be missing, and rows can come an hour late."
    )


def counted_by_endpoint(endpoint: str) -> None:
    """What the endpoint itself counts, again every few seconds."""
    refreshing(lambda: _last_minute(endpoint_errors.last_minute(endpoint)), _REFRESH_SECONDS)
    st.caption(
        "**Sees** every request that reached the endpoint in the last minute, those included that were never logged. "
        "**Does not see** the time before, who asked, or which status code it was."
    )


def _codes(found: "pd.DataFrame", endpoint: str) -> None:
    """The most frequent status codes."""
    if found.empty:
        return
    shown = found.head(MOST_CODES)
    names = version_names(endpoint, list(shown["version"]))
    table(
        {
            "Status code": [f"**{number(code)}**" for code in shown["status_code"]],
            "Version": [plain(names[key]) for key in shown["version"]],
            "Requests": [number(n) for n in shown["n"]],
            "Last": [f"{local(last):%d %b %H:%M}" for last in shown["last"]],
        },
        alt="The most frequent status codes of failed requests",
    )
    if len(found) > MOST_CODES:
        st.caption(f"The {MOST_CODES} most frequent of {number(len(found))} combinations.")


def _last_minute(found: LastMinute) -> None:
    if chosen_moment() is not None:
        st.caption("Of now, also while you look back: the endpoint keeps no past.")
    if found.state == "asking":
        empty("Asking the endpoint …")
        return
    if found.state != "known":
        st.warning(f"{sentence(found.message)} What was logged does not depend on it.", icon=":material/cloud_off:")
        return
    if not found.entities:
        empty("The endpoint says nothing about what it serves.")
        return
    table(
        {
            "Served entity": [f"**{plain(entity.name or 'all')}**" for entity in found.entities],
            "Requests": [number(entity.requests_per_minute) for entity in found.entities],
            "4xx": [number(entity.errors_4xx) for entity in found.entities],
            "5xx": [number(entity.errors_5xx) for entity in found.entities],
            "Failed": [
                _share(entity.errors_4xx, entity.errors_5xx, entity.requests_per_minute) for entity in found.entities
            ],
            "p95": [milliseconds(entity.p95_ms) for entity in found.entities],
        },
        alt="What the endpoint counted in the last minute",
    )
    st.caption(f"Seen {age(found.seen_at)}.")


def _share(errors_4xx: int | None, errors_5xx: int | None, requests: int | None) -> str:
    """A share is only told where all of it is: what an endpoint does not count is not zero."""
    if errors_4xx is None or errors_5xx is None or not requests:
        return NOTHING
    return percent((errors_4xx + errors_5xx) / requests, 1)
