"""Links from one page to another. They keep the moment that the visitor looks back at."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.moment import chosen_moment

if TYPE_CHECKING:
    from dashboard.queries.requests import RequestFilter

_PAGES = Path(__file__).resolve().parent.parent / "pages"


def page_link(page: str, label: str, icon: str, **query: str | list[str]) -> None:
    """A link to the page in the file `pages/<page>.py`, with parameters of its address; `icon` is a Material name."""
    moment = chosen_moment()
    kept = {"as_of": moment.strftime("%Y-%m-%dT%H:%M:%SZ")} if moment else {}
    given = [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]
    st.page_link(
        _PAGES / f"{page}.py",
        label=label,
        icon=f":material/{icon}:",
        query_params=[(name, value) for name, value in [*given, *kept.items()] if value],
    )


def requests_query(wanted: "RequestFilter", zone: str) -> dict[str, str | list[str]]:
    """The parameters with which the Requests page shows the requests of a filter. Times are minutes in `zone`."""
    local = [time.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") for time in (wanted.start, wanted.end)]
    return {
        "range": "Custom",
        "from": local[0],
        "to": local[1],
        "endpoint": wanted.endpoint,
        "version": list(wanted.versions),
        "requester": list(wanted.requesters),
        "status": list(wanted.statuses),
        "score": wanted.score,
        "at_least": "" if wanted.at_least is None else repr(wanted.at_least),
        "below": "" if wanted.below is None else repr(wanted.below),
    }


def page_address(page: str, query: dict[str, str | list[str]]) -> str:
    """The address of a page with its parameters, from the dashboard's root: for tables, whose cells are Markdown."""
    given = {name: value for name, value in query.items() if value}
    return f"/{page}?{urlencode(given, doseq=True)}"
