"""Links from one page to another. They keep the moment that the visitor looks back at."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.moment import chosen_moment

if TYPE_CHECKING:
    from dashboard.queries.request_filters import RequestFilter

NO_REQUESTER = "(none)"
"""How an address and a control name the requests whose requester is not known."""

_PAGES = Path(__file__).resolve().parent.parent / "pages"


def page_link(page: str, label: str, icon: str, **query: str | list[str]) -> None:
    """A link to the page in the file `pages/<page>.py`, with parameters of its address; `icon` is a Material name."""
    st.page_link(_PAGES / f"{page}.py", label=label, icon=f":material/{icon}:", query_params=_pairs(query))


def open_page(page: str, **query: str | list[str]) -> None:
    """Go to a page at once, with nothing but these parameters in its address. The script ends here."""
    st.switch_page(_PAGES / f"{page}.py", query_params=_pairs(query))


def requests_query(wanted: "RequestFilter", zone: str) -> dict[str, str | list[str]]:
    """The parameters with which the Requests page shows the requests of a filter.

    Times are whole minutes in `zone`: the first minute that has a part of the time, and the one after the last.
    """
    return {
        "range": "Custom",
        "from": _minute(wanted.start, zone),
        "to": _minute(wanted.end + timedelta(minutes=1, microseconds=-1), zone),
        "endpoint": wanted.endpoint,
        "version": list(wanted.versions),
        "requester": [name or NO_REQUESTER for name in wanted.requesters],
        "status": list(wanted.statuses),
        "id": list(wanted.request_ids),
        "score": wanted.score,
        "at_least": "" if wanted.at_least is None else repr(float(wanted.at_least)),
        "below": "" if wanted.below is None else repr(float(wanted.below)),
    }


def request_query(request_id: str, day: object = "") -> dict[str, str | list[str]]:
    """The parameters with which the Requests page opens one request. `day`: its `request_date`, which is found sooner
    where it is known."""
    return {"request": request_id, "day": str(day)[:10] if day else ""}


def page_address(page: str, query: dict[str, str | list[str]]) -> str:
    """The address of a page with its parameters, from the server's root: for tables, whose cells are Markdown."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{f'/{base}' if base else ''}/{page}?{urlencode(_pairs(query))}"


def request_link(request_id: str, label: str, day: object) -> str:
    """Markdown that opens a request on the Requests page. label: a few words of ours.

    The id goes through the address's own encoding, never as Markdown.
    """
    return f"[{label}]({page_address('requests', request_query(request_id, day))})"


def _pairs(query: dict[str, str | list[str]]) -> list[tuple[str, str]]:
    """Names and values as an address has them, without empty ones, and the moment that the visitor looks back at."""
    moment = chosen_moment()
    kept = {"as_of": moment.strftime("%Y-%m-%dT%H:%M:%SZ")} if moment else {}
    given = [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]
    return [(name, value) for name, value in [*given, *kept.items()] if value]


def _minute(time: datetime, zone: str) -> str:
    return time.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
