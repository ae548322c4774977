"""The panel of the Traffic page that flags sudden rises: when, how large, who asked, and the requests behind them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard import traffic_charts
from dashboard.links import page_address, requests_query
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import opened_change
from dashboard.panels.traffic_numbers import by_bin, numbers, redrawn_alone
from dashboard.queries import changes
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.spikes import MOST_ROWS, Askers, Spikes, TrafficSpike, askers, traffic_spikes
from dashboard.queries.traffic_windows import LATENCY, TOKENS_IN, TOKENS_OUT
from dashboard.time_range import TimeRange
from dashboard.widgets import choice, chosen_point, clickable_chart, empty, local, table, time_zone, version_names
from dashboard.wording import NOTHING, number, percent, plain, plural
from metrics.spikes import LEAST_SEASONS

SERIES = {"requests": "Requests", "tokens": "Tokens"}
MOST_LISTED = 8
"""Spikes that are listed, the largest ones."""


@redrawn_alone("Spikes")
def spikes(endpoint: str, asked: TimeRange) -> None:
    """Sudden rises of requests or tokens."""
    of = choice("Series", SERIES, "requests", key="rises")
    found = traffic_spikes(endpoint, asked.period)
    if not len(found.times):
        empty("This time range is too short to look for spikes in: choose an hour or more.")
        return
    alt = f"{SERIES[of]} over time with their spikes"
    marked = changes.markers(asked.period, endpoint)
    points = clickable_chart(
        traffic_charts.spikes(found, of, SERIES[of].lower(), time_zone(), marked), key=f"rises {of}", alt=alt
    )
    st.caption(_how(found))
    numbers(by_bin(found.times, {f"{of}": found.series[of]}), f"{of} for spikes", alt=alt)
    opened_change(points)
    listed = found.found[:MOST_LISTED]
    if not listed:
        st.markdown(":material/check: No spike of requests or tokens in this time.")
        return
    _list(listed, endpoint)
    if len(found.found) > MOST_LISTED:
        st.caption(f"The {MOST_LISTED} largest of {number(len(found.found))}.")
    _behind(listed, chosen_point(points, "spike"), of, endpoint)


def _list(listed: Sequence[TrafficSpike], endpoint: str) -> None:
    who = [askers(endpoint, spike) for spike in listed]
    versions = version_names(endpoint, [each.version.name for each in who if each.version])
    table(
        {
            "Time": [f"[{_time(spike)}]({_address(spike, endpoint)})" for spike in listed],
            "Was": [f"**{number(spike.value)}** {spike.of}" for spike in listed],
            "Expected": [_expected(spike) for spike in listed],
            "Most by": [_who(each, versions) for each in who],
        },
        alt="Spikes of requests and tokens, the largest first",
    )
    if any(each.rows >= MOST_ROWS for each in who):
        st.caption(f"Who asked is told from {number(MOST_ROWS)} requests of a spike at most.")


def _behind(listed: Sequence[TrafficSpike], clicked: list[object] | None, of: str, endpoint: str) -> None:
    """The requests of the spike that was chosen in the chart, or in the list."""
    at = [place for place, spike in enumerate(listed) if clicked and spike.of == of and _start(spike) == clicked[1]]
    place = st.selectbox(
        "The requests behind it",
        range(len(listed)),
        index=at[0] if at else None,
        format_func=lambda number: f"{SERIES[listed[number].of]}, {_time(listed[number])}",
        placeholder="Choose a spike, or click on one",
        # A spike that is clicked is the choice until another one is made.
        key=f"spike {at[0] if at else ''}",
        width=320,
    )
    if place is not None and place < len(listed):
        rows_behind(_filter(listed[place], endpoint), (TOKENS_IN, TOKENS_OUT, LATENCY))


def _how(found: Spikes) -> str:
    if found.history_days >= LEAST_SEASONS:
        judged = (
            f"Compared with the same hour of other days ({plural(round(found.history_days), 'day')} in all), at the "
            "level of the time around it"
        )
    else:
        judged = f"There are only {number(found.history_days, 1)} days to judge by: compared with the time around it"
    return f"{judged}, by medians. A spike is far outside of what varies there, and at least half more than expected."


def _filter(spike: TrafficSpike, endpoint: str) -> RequestFilter:
    return RequestFilter(spike.start, spike.end, endpoint)


def _address(spike: TrafficSpike, endpoint: str) -> str:
    return page_address("requests", requests_query(_filter(spike, endpoint), time_zone()))


def _time(spike: TrafficSpike) -> str:
    return f"{local(spike.start):%d %b %H:%M} to\u00a0{local(spike.end):%H:%M}"


def _start(spike: TrafficSpike) -> int:
    return int(spike.start.timestamp() * 1000)


def _expected(spike: TrafficSpike) -> str:
    times = f" ({number(spike.value / spike.expected, 1)}\u00a0×)" if spike.expected >= 1 else ""
    return f"{number(spike.expected)}{times}"


def _who(each: Askers, versions: Mapping[str, str]) -> str:
    """The requester and the version with most of a spike, and their shares."""
    if each.requester is None or each.version is None:
        return NOTHING
    requester, version = plain(each.requester.name or "no requester"), plain(versions[each.version.name])
    return f"{requester} {percent(each.requester.share, 0)}, {version} {percent(each.version.share, 0)}"
