"""Panels of the Traffic page: the period in numbers, requests and tokens over time, and when people ask."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard import traffic_charts
from dashboard.moment import time_now
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.panels.traffic_numbers import by_bin, chosen_bin, numbers, part_names, redrawn_alone
from dashboard.periods import Period
from dashboard.queries import changes, traffic_over_time
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_over_time import MOST_PARTS, OTHERS, Figure, Stack
from dashboard.queries.traffic_rhythm import WEEKDAYS, Rhythm, rhythm
from dashboard.queries.traffic_windows import TOKENS_IN, TOKENS_OUT
from dashboard.time_range import TimeRange
from dashboard.widgets import choice, chosen_point, clickable_chart, empty, local, time_zone
from dashboard.wording import NOTHING, milliseconds, number, percent

if TYPE_CHECKING:
    import pandas as pd

SPLITS = {"version": "Version", "requester": "Requester", "status": "Status"}
TOKENS = {TOKENS_IN: "Tokens in", TOKENS_OUT: "Tokens out"}

_MOST_TIMES = 10
_LEAST_SAID = 0.01
_NO_CHANGE, _NOTHING_BEFORE = _WITHOUT_ARROW = ("no change", "nothing before")


def split_control() -> str:
    """By what requests and tokens are split; links keep it as `by`."""
    return choice("Split by", SPLITS, "version", key="by")


def tiles(endpoint: str, asked: TimeRange) -> bool:
    """The period in eight numbers, each beside the period before. False and a sentence where there was no request."""
    found = traffic_over_time.summary(endpoint, asked.period)
    if not found.requests.value:
        before = f" In the time before there were {number(found.requests.previous)}." if found.requests.previous else ""
        empty(
            f"No request to this endpoint was logged and scored in this time.{before} Choose a longer time range, or "
            "look at the Jobs page to see whether requests wait to be scored."
        )
        return False
    busiest = "minute" if found.peak_minutes == 1 else f"minute of the busiest {found.peak_minutes}"
    peaks = f"peak {number(found.peak.value)} ({_before(found.peak)}), the busiest {busiest}"
    with st.grid(4, min_column_width=160):
        _tile("Requests", number(found.requests.value), _relative(found.requests), "that were logged", "off")
        _tile("Requests per minute", _small(found.per_minute.value), _relative(found.per_minute), peaks, "off")
        _tile("Tokens in", _short(found.tokens_in.value), _relative(found.tokens_in), "of all prompts", "off")
        _tile("Tokens out", _short(found.tokens_out.value), _relative(found.tokens_out), "of all answers", "off")
        _tile("Errors", percent(found.error_share.value, 2), _points(found.error_share), "% of requests, 4xx and 5xx")
        for name, words in (("p50", "half are quicker"), ("p95", "95 % are quicker"), ("p99", "99 % are quicker")):
            latency = found.latency[name]
            _tile(f"Latency, {name}", milliseconds(latency.value), _relative(latency), f"{words}, within 1 %")
    st.caption(f"{asked.label.capitalize()}, compared with the same length of time before.")
    return True


@redrawn_alone("Requests over time")
def requests_over_time(endpoint: str, asked: TimeRange, by: str) -> None:
    """Requests over time, in parts."""
    _stack(endpoint, asked, by, REQUESTS, "requests", "Requests over time")


@redrawn_alone("Tokens over time")
def tokens_over_time(endpoint: str, asked: TimeRange, by: str, metric: str) -> None:
    """Tokens over time, in parts. metric: one of `TOKENS`."""
    _stack(endpoint, asked, by, metric, "tokens", f"{TOKENS[metric]} over time")


@redrawn_alone("Rhythm of the week")
def rhythm_of_week(endpoint: str, asked: TimeRange) -> None:
    """At which hours of which weekdays people ask."""
    found = rhythm(endpoint, asked.period, time_zone())
    busiest = np.unravel_index(int(np.nanargmax(found.per_hour)), found.per_hour.shape)
    said = f"{WEEKDAYS[busiest[0]]}, {busiest[1]}:00 to {busiest[1] + 1}:00"
    alt = f"Requests by weekday and hour of day; most on {said}"
    points = clickable_chart(traffic_charts.rhythm(found), key="rhythm", alt=alt)
    st.caption(
        f"Most on {said}: {number(float(found.per_hour[busiest]), 1)} per hour. Hours of {time_zone()}; an empty cell "
        "is an hour that the time range does not have."
    )
    numbers(lambda: _by_weekday(found), "traffic by weekday and hour", alt=alt)
    cell = chosen_point(points, "hour")
    if cell is not None and (cell[1], cell[2]) in found.last:
        start = found.last[cell[1], cell[2]]
        st.caption(f"The last such hour, {local(start):%A %d %b %H:%M}:")
        rows_behind(RequestFilter(start, start + timedelta(hours=1), endpoint), ("execution_duration_ms", TOKENS_OUT))


def _under_way(amounts: Stack) -> None:
    """Where the last bar is not over, so that nobody takes it for a fall."""
    end = datetime.fromtimestamp(int(amounts.times[-1]) / 1000 + amounts.seconds, UTC)
    if end - time_now() > timedelta(seconds=amounts.seconds / 10):
        st.caption(f"The last bar is under way until {local(end):%d %b, %H:%M}.")


def _by_weekday(found: Rhythm) -> "pd.DataFrame":
    import pandas as pd

    hours = [f"{hour:02d}:00" for hour in range(24)]
    return pd.DataFrame(found.per_hour, list(WEEKDAYS), hours).rename_axis("weekday").reset_index()


def _stack(endpoint: str, asked: TimeRange, by: str, metric: str, unit: str, title: str) -> None:
    amounts = traffic_over_time.stack(endpoint, asked.period, by, metric)
    if not amounts.parts:
        empty("Nothing was counted in this time.")
        return
    names = part_names(by, endpoint, list(amounts.parts))
    marked = changes.markers(asked.period, endpoint)
    # Days are those of UTC, in which the table by requester counts.
    zone = "UTC" if by == "requester" else time_zone()
    figure = traffic_charts.stacked(amounts, by, names, unit, zone, marked)
    whole = sum(float(values.sum()) for values in amounts.parts.values())
    alt = f"{title} by {SPLITS[by].lower()}: {number(whole)} {unit} in all"
    points = clickable_chart(figure, key=f"{metric} {by}", alt=alt)
    if by == "requester" and metric == REQUESTS:
        st.caption(_about_requesters(amounts.parts))
    _under_way(amounts)
    columns = {f"{names[key]}, {unit}": values for key, values in amounts.parts.items()}
    numbers(by_bin(amounts.times, columns, zone), f"{title.lower()} by {by}", alt=alt, export=by != "requester")
    if metric == REQUESTS:
        marked_line(marked, asked.query.get("range", ""))
    opened_change(points)
    bar = chosen_bin(points, list(amounts.parts), amounts.times)
    if bar is not None:
        _behind(endpoint, asked.period, by, *bar, amounts.seconds)


def _behind(endpoint: str, period: Period, by: str, key: str, start: datetime, seconds: int) -> None:
    """The requests of one bar."""
    end = start + timedelta(seconds=seconds)
    if by != "requester":
        start, end = max(start, period.start), min(end, period.end)
    only: dict[str, Any] = {
        "version": {"versions": (key,)},
        "requester": {} if key == OTHERS else {"requesters": (key,)},
        "status": {} if key == "none" else {"statuses": (key,)},
    }[by]
    rows_behind(RequestFilter(start, end, endpoint, **only), ("execution_duration_ms", TOKENS_IN, TOKENS_OUT))


def _about_requesters(parts: Any) -> str:
    others = f" The {MOST_PARTS} with most requests have a colour; all others are one." if OTHERS in parts else ""
    return (
        "By requester there are whole UTC days only, those that the time range touches." + others + " Names are not "
        "exported here: the Requests page does that for who may."
    )


def _tile(label: str, value: str, delta: str, unit: str, color: Any = "inverse") -> None:
    arrow = delta not in _WITHOUT_ARROW
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.metric(label, value, delta, delta_color=color if arrow else "off", delta_arrow="auto" if arrow else "off")
        st.caption(unit)


def _before(figure: Figure) -> str:
    return f"before {number(figure.previous)}" if np.isfinite(figure.previous) else _NOTHING_BEFORE


def _relative(figure: Figure) -> str:
    if not (np.isfinite(figure.value) and np.isfinite(figure.previous) and figure.previous):
        return _NOTHING_BEFORE
    change = figure.value / figure.previous - 1
    if change < _MOST_TIMES:
        return _delta(change * 100, 0, " %")
    # Where there was next to nothing before, a share of it says nothing.
    return f"from {_short(figure.previous)}" if figure.previous >= _LEAST_SAID else "from almost none"


def _points(figure: Figure) -> str:
    if not (np.isfinite(figure.value) and np.isfinite(figure.previous)):
        return _NOTHING_BEFORE
    return _delta((figure.value - figure.previous) * 100, 2, " points")


def _delta(change: float, decimals: int, unit: str) -> str:
    """A change as `st.metric` understands it: an ASCII minus sign points the arrow down."""
    return f"{change:+,.{decimals}f}{unit}" if round(change, decimals) else _NO_CHANGE


def _small(value: float) -> str:
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _short(value: float) -> str:
    """A count in three or four digits."""
    if not np.isfinite(value):
        return NOTHING
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= size:
            shown = value / (size if letter != "k" else 1e3)
            return f"{number(shown, 0 if shown >= 100 else 1 if shown >= 10 else 2)}\u202f{letter}"
    return number(value, 0 if value >= 10 or value == round(value) else 2)
