"""The requests behind a point, a bar or a flag of a chart."""

from typing import Any

import streamlit as st

from dashboard.links import page_link, request_link, requests_query
from dashboard.measures import MEASURES
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.requests import requests
from dashboard.widgets import empty, local, table, time_zone
from dashboard.wording import NOTHING, number, plain, plural

ROWS = 10


def rows_behind(wanted: RequestFilter, columns: tuple[str, ...] = (), order: str = "request_time") -> None:
    """The first of the requests that `wanted` describes, each with a link to itself, and a link to all of them.

    columns: of `MEASURES`, shown beside time, version and status.
    """
    page = requests(wanted, order=order, limit=ROWS)
    if not page.total:
        empty("No request is behind this.")
        return
    zone = time_zone()
    rows = page.rows.to_dict("records")
    cells = {
        "Time": [_link(row) for row in rows],
        "Version": [f"v{plain(row['entity_version'])}" if row["entity_version"] else NOTHING for row in rows],
        "Status": [number(row["status_code"]) for row in rows],
    }
    for column in columns:
        measure = MEASURES[column]
        cells[f"{measure.title}, {measure.unit}"] = [number(row[column], measure.decimals) for row in rows]
    table(cells, alt="The requests behind what was chosen")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shown = f"the first {ROWS} of " if page.total > ROWS else ""
        st.caption(f"{shown}{plural(page.total, 'request')}".capitalize(), width="content")
        page_link("requests", "Open them all", "list_alt", **requests_query(wanted, zone))


def _link(row: dict[Any, Any]) -> str:
    label = f"{local(row['request_time']):%d %b %H:%M:%S}"
    return request_link(row["databricks_request_id"], label, row["request_date"])
