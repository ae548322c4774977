"""What was spent over time, by version and by requester, and the hours far above the usual."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from dashboard import cost_charts as charts
from dashboard.actions.cost_exports import export_requesters
from dashboard.auth import current_actor
from dashboard.chart_times import time_of
from dashboard.colors import NEUTRAL, version_color
from dashboard.cost_charts import Part
from dashboard.downloads import download
from dashboard.links import page_address, requests_query
from dashboard.money import money, money_decimals
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.periods import Period
from dashboard.queries import changes, cost, cost_days
from dashboard.queries.cost import OTHERS, RequesterSpend, Spend
from dashboard.queries.cost_days import SpendSpike
from dashboard.queries.request_filters import RequestFilter
from dashboard.widgets import choice, chosen_point, clickable_chart, empty, local, table, time_zone, version_names
from dashboard.wording import NOTHING, duration, number, percent, plain, plural, told_apart

if TYPE_CHECKING:
    import pandas as pd

BEHIND = ("cost_usd", "prompt_tokens", "completion_tokens")
"""What is shown of a request behind a bar."""

_BY = {"version": "Version", "requester": "Requester"}
_MOST_SPIKES = 8
_MOST_LISTED = 12


def over_time(endpoint: str, period: Period) -> None:
    """Spend over time and in all, by version or by requester."""
    by = choice("By", _BY, "version", key="by")
    if by == "requester":
        _by_requester(endpoint, period)
    else:
        _by_version(endpoint, period)


def _by_version(endpoint: str, period: Period) -> None:
    found = cost.spend(endpoint, period, time_zone())
    keys = [str(key) for key in found.versions["version"]]
    names = version_names(endpoint, keys)
    if np.isnan(found.now["usd"]):
        empty("No request of this time has a price. **Conversations and prices** says how to set one.")
        _versions(found, names)
        return
    lines = _lines(found.steps, "version", keys, found.starts)
    parts = [
        Part(key, names[key], version_color(key.rpartition("/")[2]), line)
        for key, line, usd in zip(keys, lines, found.versions["usd"].tolist(), strict=True)
        if np.isfinite(usd)
    ]
    spikes = cost_days.spend_spikes(endpoint, period)
    marked = changes.markers(period, endpoint)
    each = "day" if found.by_day else duration(period.bin_seconds)
    figure = charts.spend_over_time(
        found.starts,
        found.ends,
        parts,
        time_zone(),
        f"US dollars per {each}",
        by_day=found.by_day,
        spikes=spikes,
        markers=marked,
    )
    points = clickable_chart(figure, key="spend", alt=_spoken(parts, each))
    edges = f"Days are those of {plain(time_zone())}; the first and the last may be cut off. " if found.by_day else ""
    st.caption(f"{edges}Click a bar for its requests, the most expensive first.")
    marked_line(marked)
    opened_change(points)
    _chosen(endpoint, period, points, "version")
    _as_table(endpoint, (found.starts, found.ends), parts, by_day=found.by_day, exported="spend by version")
    _versions(found, names)
    _spikes(endpoint, spikes)


def _by_requester(endpoint: str, period: Period) -> None:
    found = cost.requester_spend(endpoint, period)
    if not found.count or not np.isfinite(found.usd):
        empty("No request of these days has a price.")
        return
    told = [str(name) for name in found.requesters["requester"][: cost.MOST_LINES]]
    if found.count > len(told):
        told.append(OTHERS)
    parts = [
        Part(
            key,
            _called(key),
            NEUTRAL if key == OTHERS else charts.requester_color(place),
            line,
        )
        for place, (key, line) in enumerate(
            zip(told, _lines(found.steps, "requester", told, found.starts), strict=True)
        )
    ]
    whole = Period(time_of(found.starts[0]), time_of(found.ends[-1]), period.bin_seconds)
    marked = changes.markers(whole, endpoint)
    figure = charts.spend_over_time(
        found.starts, found.ends, parts, "UTC", "US dollars per UTC day", by_day=True, markers=marked
    )
    points = clickable_chart(figure, key="spend by requester", alt=_spoken(parts, "UTC day"))
    st.caption("Requesters are summed by days of UTC, so the range is widened to whole ones. Click a bar.")
    marked_line(marked)
    opened_change(points)
    _chosen(endpoint, whole, points, "requester")
    _as_table(endpoint, (found.starts, found.ends), parts, by_day=True, zone="UTC")
    _requesters(found, whole, endpoint)


def _chosen(endpoint: str, period: Period, points: Sequence[dict[str, Any]], of: str) -> None:
    """The requests behind the bar or the diamond that was chosen, the most expensive first."""
    spike, bar = chosen_point(points, "spike"), chosen_point(points, "bin")
    if spike is not None:
        rows_behind(_hour(endpoint, int(spike[1])), BEHIND, order="cost_usd")
    elif bar is not None and bar[3] == OTHERS:
        st.caption("These are several requesters together: the table below names those that cost most.")
    elif bar is not None:
        start, end = max(time_of(bar[1]), period.start), min(time_of(bar[2]), period.end)
        key = (str(bar[3]),)
        wanted = RequestFilter(start, end, endpoint, **{f"{of}s": key})  # type: ignore[arg-type]
        rows_behind(wanted, BEHIND, order="cost_usd")


def _as_table(
    endpoint: str, steps: tuple[Any, Any], parts: Sequence[Part], *, by_day: bool, zone: str = "", exported: str = ""
) -> None:
    """The same as the chart for a screen reader and the keyboard; as files, too, where it holds nobody's name."""
    with st.container(horizontal=True, gap="small"):
        # Drawn when it is opened: a month has dozens of rows with links.
        opened = st.expander("As a table", on_change="rerun", key=f"table {exported or 'of requesters'}")
        with opened:
            if opened.open:
                _steps_table(endpoint, steps, parts, by_day=by_day, zone=zone or time_zone())
        if exported:
            download(lambda: _steps_frame(steps[0], parts), exported)


def _steps_frame(starts: Any, parts: Sequence[Part]) -> "pd.DataFrame":
    import pandas as pd

    columns = {f"usd {part.key}": part.usd for part in parts}
    return pd.DataFrame({"start_utc": np.asarray(starts, dtype="datetime64[ms]"), **columns})


def _steps_table(endpoint: str, steps: tuple[Any, Any], parts: Sequence[Part], *, by_day: bool, zone: str) -> None:
    form = "%d %b %Y" if by_day else "%d %b %H:%M"
    decimals = money_decimals(usd for part in parts for usd in part.usd.tolist()) + 1
    spans = [(time_of(start), time_of(end)) for start, end in zip(*steps, strict=True)]
    addresses = [
        page_address("requests", requests_query(RequestFilter(start, end, endpoint), time_zone()))
        for start, end in spans
    ]
    table(
        {
            "From": [
                f"[{start.astimezone(ZoneInfo(zone)):{form}}]({address})"
                for (start, _), address in zip(spans, addresses, strict=True)
            ],
            **{
                plain(heading): [plain(money(usd, decimals)) for usd in part.usd.tolist()]
                for heading, part in zip(told_apart((part.label for part in parts), ["From"]), parts, strict=True)
            },
        },
        alt="The numbers of the chart in US dollars, each time with a link to its requests",
    )


def _versions(found: Spend, names: dict[str, str]) -> None:
    """The versions of the range: how much they were asked, and what that cost."""
    sums = [found.versions[name].tolist() for name in ("version", "tokens_in", "tokens_out")]
    rows = list(zip(*sums, strict=True))
    tokens = [_two(f"{number(tokens_in)} in", f"{number(tokens_out)} out") for _, tokens_in, tokens_out in rows]
    versions = [f"**{plain(names[str(version)])}**" for version, *_ in rows]
    table({"Version": versions, **_figures(found.versions), "Tokens": tokens}, alt="Versions")
    download(found.versions, "cost of versions")


def _requesters(found: RequesterSpend, period: Period, endpoint: str) -> None:
    """The requesters that cost most, each with a link to its requests."""
    rows = found.requesters[:_MOST_LISTED]
    zone, named = time_zone(), []
    for requester in rows["requester"].tolist():
        wanted = RequestFilter(period.start, period.end, endpoint, requesters=(requester,))
        named.append(f"[{plain(_called(requester))}]({page_address('requests', requests_query(wanted, zone))})")
    table({"Requester": named, **_figures(rows, found.usd)}, alt="Requesters")
    _export_of_names(found, period, endpoint)
    if found.count > len(rows):
        rest = found.usd - float(np.nansum(rows["usd"].to_numpy(float)))
        st.caption(f"And {plural(found.count - len(rows), 'requester')} more for {plain(money(rest))} together.")


def _export_of_names(found: RequesterSpend, period: Period, endpoint: str) -> None:
    """The same as files: they hold people's names, so the role is asked and the ledger has it."""
    if not current_actor().may("export"):
        return
    with st.popover("Export", icon=":material/download:"):
        for form, word in (("csv", "CSV"), ("parquet", "Parquet")):
            content = export_requesters(found.requesters, endpoint, period, form)
            st.download_button(word, content, f"cost of requesters.{form}", key=f"requesters {form}", on_click="ignore")


def _figures(rows: "pd.DataFrame", whole: float | None = None) -> dict[str, list[str]]:
    usd, priced, requests = (rows[name].tolist() for name in ("usd", "priced", "requests"))
    each = [value / count * 1000 if count else float("nan") for value, count in zip(usd, priced, strict=True)]
    whole = float(np.nansum(usd)) if whole is None else whole
    shares = [percent(value / whole, 0) if whole and np.isfinite(value) else "" for value in usd]
    # Few columns, so that the table fits a phone.
    return {
        "Spend": [_two(plain(money(value, money_decimals(usd))), shares[place]) for place, value in enumerate(usd)],
        "Per 1,000": [plain(money(value, money_decimals(each))) for value in each],
        "Requests": [
            _two(number(count), f"{number(count - known)} unpriced" if count > known else "")
            for count, known in zip(requests, priced, strict=True)
        ],
    }


def _two(first: str, second: str) -> str:
    """A cell with a smaller second figure."""
    return f"{first} :small[:gray[{second}]]" if second else first


def _spikes(endpoint: str, spikes: Sequence[SpendSpike]) -> None:
    """The hours that cost far more than usual, each with a link to its requests."""
    if not spikes:
        st.caption("No hour cost far more than the same hour of other days.")
        return
    zone = time_zone()
    largest = sorted(spikes, key=lambda spike: spike.expected - spike.usd)[:_MOST_SPIKES]
    decimals = money_decimals(spike.usd for spike in largest)
    st.markdown(f"**{plural(len(spikes), 'hour')} far above the usual**")
    addresses = [page_address("requests", requests_query(_hour(endpoint, spike.time), zone)) for spike in largest]
    table(
        {
            "Hour": [
                f"[{local(time_of(spike.time)):%a %d %b %H:%M}]({address})"
                for spike, address in zip(largest, addresses, strict=True)
            ],
            "Spent": [plain(money(spike.usd, decimals)) for spike in largest],
            "Usual": [plain(money(spike.expected, decimals)) for spike in largest],
            "Times": [number(spike.usd / spike.expected, 1) if spike.expected else NOTHING for spike in largest],
        },
        alt="Hours that cost far more than usual",
    )
    st.caption("Usual is the median of the same hour of other days, times the level of those days.")


def _lines(
    rows: "pd.DataFrame", column: str, keys: Sequence[str], starts: Any
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The spend of each key for each step, NaN where there is none: [len(keys), len(starts)]."""
    line = {key: place for place, key in enumerate(keys)}
    values = np.full((len(keys), len(starts)), np.nan)
    places = np.searchsorted(starts, rows["start"].to_numpy(np.int64)).tolist()
    for key, place, usd in zip(rows[column].tolist(), places, rows["usd"].tolist(), strict=True):
        values[line[key], place] = usd
    return values


def _spoken(parts: Sequence[Part], each: str) -> str:
    sums = ", ".join(f"{part.label} {money(float(np.nansum(part.usd)))}" for part in parts)
    return f"Spend per {each}: {sums}"


def _hour(endpoint: str, start: int) -> RequestFilter:
    return RequestFilter(time_of(start), time_of(start) + timedelta(hours=1), endpoint)


def _called(requester: str) -> str:
    return "others" if requester == OTHERS else requester or "not known"
