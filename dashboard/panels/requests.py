"""Panels of the Requests page: when the requests that fit were asked, a page of them, and taking them along."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.actions import exports
from dashboard.chart_times import time_of
from dashboard.links import open_page, request_link, request_query
from dashboard.measures import MEASURES
from dashboard.panels.marked import marked_line
from dashboard.panels.recorded_export import recorded_export
from dashboard.panels.requests_filters import COLUMN_TITLES, Wanted, ever, narrow_to
from dashboard.periods import LONGEST, Period, between
from dashboard.queries import changes
from dashboard.queries.request_counts import count_requests, counts_over_time
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.requests import requests
from dashboard.requests_charts import counts_over_time as counts_figure
from dashboard.widgets import chosen_point, clickable_chart, empty, local, table, time_zone
from dashboard.wording import NOTHING, duration, number, plain, plural

if TYPE_CHECKING:
    import pandas as pd

PAGE_SIZE = 25
_PAGE, _ASKED = "requests_page", "requests asked for"
_SHOWN = (
    "request_time",
    "entity_version",
    "status_code",
    "requester",
    "execution_duration_ms",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "response_perplexity",
    "response_fk_grade",
    "response_toxicity",
    "prompt_toxicity",
)
_FORMATS = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}


def listed(wanted: Wanted) -> None:
    """The requests that fit: how many, when, a page of them, and the export."""
    asked = wanted.filter
    counts = _counts(wanted)
    total = count_requests(asked) if counts is None else int(counts["n"].sum())
    if not total and asked.request_ids:
        asked = ever(asked)
        total = count_requests(asked)
        if total:
            st.info("Not in this time: found by looking at all of it.", icon=":material/date_range:")
            around = _around(asked)
            # Ids that lie more than a year apart are listed without the strip over time.
            near = around[1] - around[0] <= LONGEST
            wanted = replace(wanted, filter=asked, period=between(*around) if near else None)
            counts = _counts(wanted)
    if not total:
        empty("No request fits. A longer time or fewer filters may help; new requests are scored within minutes.")
        return
    if counts is not None and wanted.period is not None:
        _over_time(counts, wanted.period, asked.endpoint)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plural(total, 'request')}**", width="content")
        export_button(asked)
    place = st.container()
    pages = -(-total // PAGE_SIZE)
    if st.session_state.get(_ASKED, wanted.question) != wanted.question:
        # The third page of another question is not what somebody wants who has changed a filter.
        st.session_state[_PAGE] = 1
    st.session_state[_ASKED] = wanted.question
    at = st.pagination(pages, key=_PAGE, bind="query-params") if pages > 1 else 1
    with place:
        _page_of(wanted, asked, min(at, pages))


def export_button(asked: RequestFilter, text: str = "") -> None:
    """Numbers and names of the requests of a filter as files; that they were taken stands in the ledger."""
    with st.popover("Export", icon=":material/download:"):
        st.caption(
            f"Numbers, scores and requesters, without anybody's words: the newest {number(exports.MOST_ROWS)} "
            "at most. The export itself is recorded."
        )
        for form, (title, mime) in _FORMATS.items():
            why_not, data = recorded_export(lambda form=form: exports.export_requests(asked, form, text))  # type: ignore[misc]
            st.download_button(
                title,
                data,
                file_name=f"requests-{datetime.now(UTC):%Y%m%d-%H%M}.{form}",
                mime=mime,
                disabled=bool(why_not),
                help=why_not or None,
                on_click="ignore",
                key=f"export {form}",
            )


def rows_table(rows: "pd.DataFrame", key: str, shown: tuple[str, ...] = _SHOWN, **more: Any) -> None:
    """Requests as a table whose chosen row is opened, and once more as a plain one with links.

    rows: as `queries.requests.requests` gives them. more: columns of text, by their title.
    """
    titles = {name: _title(name) for name in shown}
    frame = rows[list(shown)].rename(columns=titles).assign(**more)
    chosen: Any = st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=min(36 * len(frame) + 40, 620),
        column_config={titles[name]: _column(name) for name in shown},
        placeholder=NOTHING,
        on_select="rerun",
        selection_mode="single-row",
        alt="Requests, one a row; the same with links stands below, under As a table",
    )
    if chosen.selection.rows:
        row = rows.iloc[chosen.selection.rows[0]]
        open_page("requests", **request_query(str(row["databricks_request_id"]), row["request_date"]))
    st.caption("Tick a row to open its request. A click on a column's name sorts this page of them.")
    with st.expander("As a table"):
        _plain_table(rows, shown, more)


def _around(asked: RequestFilter) -> tuple[datetime, datetime]:
    """The time around the requests of a few ids."""
    times = requests(asked, limit=len(asked.request_ids) + 1).rows["request_time"]
    return times.min().to_pydatetime() - timedelta(minutes=30), times.max().to_pydatetime() + timedelta(minutes=30)


def _counts(wanted: Wanted) -> "pd.DataFrame | None":
    """The requests that fit in each bin of the strip over time; None where there is no strip."""
    period = wanted.period
    if period is None:
        return None
    # Of a few ids all that there are may be asked for, and the strip has an end.
    inside = replace(
        wanted.filter, start=max(wanted.filter.start, period.start), end=min(wanted.filter.end, period.end)
    )
    return counts_over_time(inside, period)


def _over_time(counts: "pd.DataFrame", period: Period, endpoint: str) -> None:
    """The strip above the table; a bar that is chosen becomes the time range."""
    marked = changes.markers(period, endpoint)
    # The time is part of the key, so that what was chosen in one time is not chosen in the next.
    points = clickable_chart(
        counts_figure(counts, time_zone(), period.bin_seconds, marked),
        key=f"requests over time {period.start:%Y%m%d%H%M} {period.bin_seconds}",
        alt=f"Requests that fit, one bar for each {duration(period.bin_seconds)}, by status class",
    )
    st.caption(f"One bar is {duration(period.bin_seconds)}. Choose a bar to narrow the time to it.")
    marked_line(marked)
    chosen = chosen_point(points, "bin")
    if chosen is not None:
        start = time_of(chosen[1])
        end = start + timedelta(seconds=period.bin_seconds)
        if (start, end) != (period.start, period.end):
            narrow_to(start, end)


def _page_of(wanted: Wanted, asked: RequestFilter, at: int) -> None:
    more = [name for name in (asked.score, wanted.order) if name]
    shown = tuple(dict.fromkeys([*_SHOWN[:4], *more, *_SHOWN[4:]]))
    page = requests(
        asked,
        order=wanted.order,
        descending=wanted.descending,
        limit=PAGE_SIZE,
        offset=(at - 1) * PAGE_SIZE,
        columns=("databricks_request_id", "request_date", *shown),
    )
    rows_table(page.rows, f"rows {wanted.question} {at}", shown)


def _title(name: str) -> str:
    measure = MEASURES.get(name)
    # "Tokens in, tokens" would say its unit twice.
    return f"{measure.title}, {measure.unit}" if measure and measure.unit != "tokens" else COLUMN_TITLES[name]


def _column(name: str) -> Any:
    if name == "request_time":
        return st.column_config.DatetimeColumn(format="DD MMM YYYY, HH:mm:ss", timezone=time_zone(), pinned=True)
    measure = MEASURES.get(name)
    if name == "status_code":
        return st.column_config.NumberColumn(format="%d", width="small")
    if measure is None:
        return st.column_config.TextColumn()
    return st.column_config.NumberColumn(format=f"%.{measure.decimals}f", help=measure.meaning)


def _plain_table(rows: "pd.DataFrame", shown: tuple[str, ...], more: dict[str, Any]) -> None:
    records = rows.to_dict("records")
    cells: dict[str, list[str]] = {
        "Time": [
            request_link(
                row["databricks_request_id"], f"{local(row['request_time']):%d %b %H:%M:%S}", row["request_date"]
            )
            for row in records
        ]
    }
    for name in shown:
        measure = MEASURES.get(name)
        if measure:
            cells[_title(name)] = [number(row[name], measure.decimals) for row in records]
        elif name != "request_time":
            cells[_title(name)] = [_cell(row[name]) for row in records]
    for title, values in more.items():
        cells[title] = [plain(value) for value in values]
    table(cells, alt="The same requests, each with a link to itself")


def _cell(value: Any) -> str:
    if value is None or value != value or value == "":
        return NOTHING
    return plain(int(value) if isinstance(value, float) else value)
