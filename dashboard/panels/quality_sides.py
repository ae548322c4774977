"""The controls of the Quality page that say what is compared with what: versions, times, or parts of the traffic."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.periods import Period, between_local
from dashboard.queries import traffic
from dashboard.queries.quality_sides import STATUS_CLASSES, Side
from dashboard.queries.requests import requesters
from dashboard.queries.traffic import VersionSeen
from dashboard.widgets import choice, local, time_zone, version_control, version_label
from dashboard.wording import plain

MODES = {"versions": "Two versions", "times": "Two times", "sides": "Any two sides"}
_SAME, _OWN = "same", "own"
_EARLIER = {"before": None, "day": timedelta(days=1), "week": timedelta(days=7), "weeks": timedelta(days=28)}
_TIMES = {
    "before": "the range before",
    "day": "a day earlier",
    "week": "a week earlier",
    "weeks": "4 weeks earlier",
    _OWN: "another range",
}
_EVERYONE, _ANY = "everyone", "any"
_WIDTH = 230


def mode_control() -> str:
    """What is compared: one of `MODES`; links keep it as `compare`."""
    return choice("Compare", MODES, "versions", key="compare")


def sides_control(endpoint: str, period: Period, mode: str) -> tuple[Side, Side] | str:
    """The two sides to compare, or a sentence that says why there are no two."""
    versions = traffic.versions(endpoint)
    if mode == "times" and versions:
        sides = _two_times(versions, period)
    elif mode == "sides" and versions:
        sides = _any_sides(endpoint, versions, period)
    else:
        sides = _two_versions(versions, period)
    if isinstance(sides, str):
        return sides
    a, b = sides
    if replace(a, label="") == replace(b, label=""):
        what = "versions" if mode == "versions" else "sides"
        return f"Choose two different {what} to compare them."
    return _named(a, b)


def sides_line(a: Side, b: Side) -> None:
    """What each side is, where that is more than a version."""
    if a.period == b.period and not (a.status or b.status or a.requester or b.requester):
        return
    st.caption("  \n".join(_described(side) for side in (a, b)))


def _two_versions(versions: Sequence[VersionSeen], period: Period) -> tuple[Side, Side] | str:
    if len(versions) < 2:
        return f"A comparison needs two versions that have answered on this endpoint; so far there are {len(versions)}."
    a = version_control("Version", "a", versions, default=1)
    b = version_control("Compared with", "b", versions, default=0)
    return _side(a, period), _side(b, period)


def _two_times(versions: Sequence[VersionSeen], period: Period) -> tuple[Side, Side] | str:
    version = version_control("Version", "b", versions, default=0)
    earlier = _time_control("Beside", "a_time", period, same=False)
    if isinstance(earlier, str):
        return earlier
    return _side(version, earlier), _side(version, period)


def _any_sides(endpoint: str, versions: Sequence[VersionSeen], period: Period) -> tuple[Side, Side] | str:
    names = [name for name in requesters(endpoint, period) if name]
    found = []
    for key, title in (("a", "Side A"), ("b", "Side B")):
        with st.container(border=True), st.container(horizontal=True, vertical_alignment="top"):
            version = version_control(f"{title}: version", key, versions, default=1 if key == "a" else 0)
            time = _time_control("Time", f"{key}_time", period, same=True)
            status = _choice("Status", f"{key}_status", [_ANY, *STATUS_CLASSES], width=110)
            requester = _choice("Requester", f"{key}_requester", [_EVERYONE, *names], width=200)
        if isinstance(time, str):
            return time
        found.append(
            replace(
                _side(version, time),
                status="" if status == _ANY else status,
                requester="" if requester == _EVERYONE else requester,
            )
        )
    st.caption(
        "Status classes slice every score. A requester slices toxicity, tokens out and cost, in whole UTC days; "
        "perplexity, readability and latency are not summed by requester, so they cannot be sliced so. "
        "A failed request has no answer, so of 4xx and 5xx only the latency is known."
    )
    return found[0], found[1]


def _choice(label: str, key: str, options: Sequence[str], width: int) -> str:
    chosen = st.selectbox(label, options, key=key, bind="query-params", width=width)
    return str(chosen) if chosen in options else options[0]


def _time_control(label: str, key: str, period: Period, *, same: bool) -> Period | str:
    """A period beside the page's own; a sentence where it cannot be."""
    times = {**({_SAME: "the range above"} if same else {}), **_TIMES}
    chosen = st.selectbox(
        label, list(times), format_func=lambda name: times[name], key=key, bind="query-params", width=170
    )
    if chosen == _OWN:
        return _own_range(key.removesuffix("_time"), period)
    if chosen not in _EARLIER:
        return period if same else period.previous
    shift = _EARLIER[chosen] or period.length
    return Period(period.start - shift, period.end - shift, period.bin_seconds)


def _own_range(side: str, period: Period) -> Period | str:
    zone = ZoneInfo(time_zone())
    previous = [time.astimezone(zone).replace(tzinfo=None) for time in (period.previous.start, period.previous.end)]
    start = st.datetime_input("From", value=previous[0], key=f"{side}_from", bind="query-params", width=190)
    end = st.datetime_input("To", value=previous[1], key=f"{side}_to", bind="query-params", width=190)
    if start is None or end is None:
        return "Choose both ends of the time range."
    try:
        return between_local(start, end, time_zone())
    except ValueError as error:
        return str(error)


def _side(version: VersionSeen, period: Period) -> Side:
    return Side(version.entity_name, version.entity_version, period)


def _named(a: Side, b: Side) -> tuple[Side, Side]:
    """The sides with short names that tell them apart."""
    seen = [VersionSeen(side.entity_name, side.entity_version, 0, *side.span) for side in (a, b)]
    names = [version_label(one, seen) for one in seen]
    if a.period.start != b.period.start:
        earlier = a.period.start < b.period.start
        times = ("earlier", "later") if earlier else ("later", "earlier")
        names = [f"{name} {time}" for name, time in zip(names, times, strict=True)]
    parts = [[name, side.status, _cut(side.requester)] for name, side in zip(names, (a, b), strict=True)]
    names = [", ".join(part for part in own if part) for own in parts]
    if names[0] == names[1]:
        names = [f"{name} ({letter})" for name, letter in zip(names, "AB", strict=True)]
    return replace(a, label=names[0]), replace(b, label=names[1])


def _described(side: Side) -> str:
    start, end = (local(time) for time in side.span)
    parts = [f"{start:%d %b %H:%M} to {end:%d %b %H:%M}"]
    if side.status:
        parts.append(f"status {side.status}")
    if side.requester:
        parts.append(f"requests of {plain(side.requester)}, whole UTC days")
    return f"**{plain(side.label)}**: version {plain(side.entity_version)}, {', '.join(parts)}."


def _cut(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
