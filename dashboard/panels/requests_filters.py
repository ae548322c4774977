"""The controls of the Requests page. Their values stand in the address as other pages' links write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.links import NO_REQUESTER
from dashboard.measures import MEASURES
from dashboard.periods import Period, local_span
from dashboard.queries import traffic
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.requests import SORTED, requesters
from dashboard.queries.text_search import LONGEST_NEEDLE
from dashboard.time_range import CUSTOM, TimeRange
from dashboard.widgets import guarded, time_zone
from dashboard.wording import plain

COLUMN_TITLES = {
    "request_time": "Time",
    "databricks_request_id": "Request id",
    "endpoint_name": "Endpoint",
    "entity_name": "Model",
    "entity_version": "Version",
    "requester": "Requester",
    "status_code": "Status",
    "toxicity_scorer": "Toxicity scorer",
    "perplexity_scorer": "Perplexity scorer",
    **{name: measure.title for name, measure in MEASURES.items()},
}
"""How people call the columns of a page of requests."""

_NARROWED = "narrowed to"
_STATUSES = ("2xx", "4xx", "5xx", "400", "401", "403", "404", "408", "413", "429", "500", "502", "503", "504")
_STATUS = re.compile(r"[1-9]xx|[1-9][0-9]{2}")
_MOST_CHOSEN = 200
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIONS = {"highest": "Highest first", "lowest": "Lowest first"}


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for. `period` has the time in whole bins; `text` is searched for in people's words."""

    filter: RequestFilter
    period: Period | None
    """Of the strip over time; None where there is none."""
    text: str = ""
    order: str = "request_time"
    descending: bool = True
    question: str = ""
    """The same for as long as nobody changes a control, although a range up to now moves with the clock."""


def narrow_to(start: datetime, end: datetime) -> None:
    """Make a span of time the time range. The script ends here and begins anew."""
    st.session_state[_NARROWED] = (start, end)
    st.rerun()


def take_narrowed() -> None:
    """Set the time range to what `narrow_to` was given; to be called before the time range is drawn.

    A link would not do: the controls of this very page keep what they have, whatever a link says.
    """
    narrowed = st.session_state.pop(_NARROWED, None)
    if narrowed is None:
        return
    zone = ZoneInfo(time_zone())
    ends = [time.astimezone(zone).replace(tzinfo=None) for time in narrowed]
    st.session_state.update({"range": CUSTOM, "from": ends[0], "to": ends[1]})
    for name, end in zip(("from", "to"), ends, strict=True):
        # Controls that were not there before do not write what they are given into the address themselves.
        if name not in st.query_params:
            st.query_params[name] = f"{end:%Y-%m-%dT%H:%M}"


def filters(chosen: TimeRange, endpoint: str) -> Wanted:
    """The controls below the time range, and what they ask for together with it."""
    typed = _typed_ends(chosen)
    start, end = typed or (chosen.period.start, chosen.period.end)
    with st.grid(4, min_column_width=210):
        versions = _versions(endpoint)
        asked_by = _requesters(endpoint, chosen.period)
        statuses = _statuses()
        text = _words()
    used = any(st.query_params.get(name) for name in ("score", "id", "sort", "order"))
    with st.expander("Score, ids and order", expanded=used), st.grid(4, min_column_width=210):
        score = linked_choice(
            "Score", "score", {"": "Any", **{name: measure.title for name, measure in MEASURES.items()}}
        )
        at_least, below = _limits(score)
        ids = _ids()
        for_order, for_direction = st.columns(2, gap="small")
        with for_order:
            order = linked_choice("Sort by", "sort", {name: COLUMN_TITLES[name] for name in SORTED}, "request_time")
        with for_direction:
            direction = linked_choice("Order", "order", _DIRECTIONS, "highest")
    wanted = RequestFilter(
        start,
        end,
        endpoint,
        versions=tuple(versions),
        requesters=tuple("" if name == NO_REQUESTER else name for name in asked_by),
        statuses=tuple(statuses),
        request_ids=ids,
        score=score,
        at_least=at_least if score else None,
        below=below if score else None,
    )
    moving = replace(wanted, start=_EVER, end=_EVER) if typed is None else wanted
    question = repr((chosen.label, moving, text, order, direction))
    return Wanted(wanted, chosen.period, text, order, direction == "highest", question)


def _words() -> str:
    text = st.text_input(
        "Words in prompt or answer",
        key="text",
        bind="query-params",
        max_chars=LONGEST_NEEDLE,
        placeholder="Any text",
        icon=":material/search:",
    )
    return " ".join((text or "").split())


def _ids() -> tuple[str, ...]:
    ids = st.multiselect(
        "Request ids",
        [],
        key="id",
        bind="query-params",
        accept_new_options=True,
        max_selections=_MOST_CHOSEN,
        placeholder="Paste an id",
        help="The endpoint's id, or the one that the client gave.",
    )
    return tuple(name.strip() for name in ids)


def ever(wanted: RequestFilter) -> RequestFilter:
    """The same at any time: for ids, which people have without knowing when they were given."""
    return replace(wanted, start=_EVER, end=datetime.now(UTC) + timedelta(days=1), endpoint="")


def linked_choice(label: str, name: str, titles: Mapping[str, str], default: str = "") -> str:
    """A choice whose value, not its title, stands in the address under `name`: `bind` would write the title."""
    key, seen = f"chosen {name}", f"address {name}"
    given = st.query_params.get(name, "")
    if st.session_state.get(seen) != given or key not in st.session_state:
        # Somebody came by a link, or went back.
        st.session_state[seen] = given
        st.session_state[key] = given if given in titles else default

    def write() -> None:
        value = st.session_state[key]
        if value == default:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value
        st.session_state[seen] = st.query_params.get(name, "")

    chosen = st.selectbox(
        label,
        list(titles),
        format_func=lambda value: titles[value],
        key=key,
        on_change=write,
    )
    return str(chosen) if chosen in titles else default


def _typed_ends(chosen: TimeRange) -> tuple[datetime, datetime] | None:
    """From and to as they were typed, where they were: the period is widened to whole bins."""
    if not {"from", "to"} <= chosen.query.keys():
        return None
    start, end = (datetime.fromisoformat(chosen.query[name]) for name in ("from", "to"))
    return local_span(start, end, time_zone())


def _versions(endpoint: str) -> list[str]:
    options: list[str] = []
    with guarded("Versions"):
        options = [version.key for version in traffic.versions(endpoint)]
    chosen = st.multiselect(
        "Version",
        options,
        key="version",
        bind="query-params",
        accept_new_options=True,
        max_selections=_MOST_CHOSEN,
        placeholder="All",
    )
    # A link from another page may have named a version in another way: without its model it is none of these.
    return [key for key in chosen if "/" in key]


def _requesters(endpoint: str, period: Period) -> list[str]:
    options: list[str] = []
    with guarded("Requesters"):
        options = [name or NO_REQUESTER for name in requesters(endpoint, period)]
    return list(
        st.multiselect(
            "Requester",
            options,
            key="requester",
            bind="query-params",
            accept_new_options=True,
            max_selections=_MOST_CHOSEN,
            placeholder="Everybody",
        )
    )


def _statuses() -> list[str]:
    chosen = st.multiselect(
        "Status",
        _STATUSES,
        key="status",
        bind="query-params",
        accept_new_options=True,
        max_selections=_MOST_CHOSEN,
        placeholder="Any",
        help="A class such as 4xx, or a code such as 429.",
    )
    wrong = [name for name in chosen if not _STATUS.fullmatch(name)]
    if wrong:
        st.warning(f"{plain(wrong[0][:20])} is no status: choose a class such as 4xx or a code such as 429.")
    return [name for name in chosen if _STATUS.fullmatch(name)]


def _limits(score: str) -> tuple[float | None, float | None]:
    """From (included) and below, for the score that was chosen."""
    found = []
    names = (("At least", "at_least"), ("Below", "below"))
    for column, (label, name) in zip(st.columns(2, gap="small"), names, strict=True):
        with column:
            found.append(
                st.number_input(
                    label,
                    value=None,
                    key=name,
                    bind="query-params",
                    format="%.10g",
                    disabled=not score,
                    placeholder=MEASURES[score].unit if score else "Any",
                )
            )
    return found[0], found[1]
