"""One request on the Requests page: what it was, its scores with who gave them, and the requests beside it."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from dashboard.links import page_address, page_link, request_query
from dashboard.measures import MEASURES
from dashboard.panels import conversation
from dashboard.panels.states import state_badge
from dashboard.periods import Period
from dashboard.queries import changes
from dashboard.queries.request_details import LaterScore, Neighbour, RequestDetails, neighbours, request_details
from dashboard.widgets import empty, local, panel, table, time_zone
from dashboard.wording import NOTHING, duration, milliseconds, number, plain

LINKED = (
    "range",
    "from",
    "to",
    "month",
    "endpoint",
    "version",
    "requester",
    "status",
    "text",
    "score",
    "at_least",
    "below",
    "id",
    "sort",
    "order",
    "requests_page",
)
"""The parameters of the list's address."""
LIST = "requests listed last"
"""Under which name the session keeps the parameters of the list that somebody came from."""

_SCORERS = {"perplexity": "perplexity_scorer", "toxicity": "toxicity_scorer"}
_SCORES = tuple(name for name in MEASURES if name.startswith(("response_", "prompt_")) and not name.endswith("_tokens"))
_LOOKED_BACK = timedelta(days=92)
"""How long before a request its last change is looked for."""


def is_one_asked() -> bool:
    """Whether the address names one request."""
    return bool(st.query_params.get("request"))


def remember_list() -> None:
    """Keep the address of the list for the way back to it."""
    st.session_state[LIST] = {name: st.query_params.get_all(name) for name in st.query_params if name != "as_of"}


def one() -> None:
    """The request that the address names, and the way back to the others."""
    listed = st.session_state.get(LIST, {})
    # An address may name anything; what is no filter of the list stays out of the link.
    page_link("requests", "All requests", "arrow_back", **{name: listed[name] for name in LINKED if name in listed})
    request_id = st.query_params.get("request", "")
    # A link from one request to the next is on the same page: the browser's address follows only when it is told.
    st.query_params["request"] = request_id
    about = request_details(request_id, st.query_params.get("day", ""))
    if about is None:
        empty(
            f"No request is called {plain(request_id[:80])}, or it is not scored yet: new ones are scored within "
            "minutes."
        )
        return
    opened(about)


def opened(about: RequestDetails) -> None:
    """Everything about a request, in the order in which somebody asks: what was said, how good it was, what it cost."""
    with panel("Conversation", "Every turn of the request, and the answer."):
        conversation.words(about)
    with st.grid(2, min_column_width=340):
        with panel("Request", "Who asked what, when, and what it cost."):
            _facts(about)
        with panel("Scores", "Each with the scorer that gave it, or why there is none."):
            _scores(about)
        with panel("Beside it", "The requests right before and after, at most a day away."):
            _beside(about)
        with panel("Live then", "The last change of production before this request."):
            _change_before(about)
    with panel("Link", "Opens this request."):
        st.code(_address(about), language=None, wrap_lines=True)


def _facts(about: RequestDetails) -> None:
    values = about.values
    status = values["status_code"]
    state = NOTHING if status is None else f"{state_badge('succeeded' if status < 400 else 'failed')} {int(status)}"
    waited = (values["scored_at"] - about.time).total_seconds() if values["scored_at"] else None
    facts = {
        "Asked": _time(about.time),
        "Scored": f"{_time(values['scored_at'])}, {duration(waited)} later" if values["scored_at"] else NOTHING,
        "Status": state,
        "Latency": milliseconds(values["execution_duration_ms"]),
        "Endpoint": _said(values["endpoint_name"]),
        "Model": _said(values["entity_name"]),
        "Version": f"v{plain(values['entity_version'])}" if values["entity_version"] else NOTHING,
        "Requester": _said(values["requester"]),
        "Tokens in": number(values["prompt_tokens"]),
        "Tokens out": number(values["completion_tokens"]),
        "Tokens counted by": _said(values["token_source"]),
        "Cost": NOTHING if values["cost_usd"] is None else f"{number(values['cost_usd'], 6)} US dollars",
        "Price from": _said(values["price_source"] or about.unscored.get("cost_usd")),
        "Characters": f"{number(values['prompt_chars'])} in, {number(values['response_chars'])} out",
        "Share logged": NOTHING if values["sampling_fraction"] is None else number(values["sampling_fraction"], 3),
        "Request id": plain(about.request_id),
        "Client's id": _said(values["client_request_id"]),
    }
    table({"What": [f":gray[{name}]" for name in facts], "Value": list(facts.values())}, alt="Facts about this request")
    if values["entity_name"] and values["entity_version"]:
        page_link(
            "models",
            f"{plain(values['entity_name'])} v{plain(values['entity_version'])}",
            "deployed_code",
            model=values["entity_name"],
            version=values["entity_version"],
        )


def _scores(about: RequestDetails) -> None:
    cells: dict[str, list[str]] = {"Score": [], "Value": [], "Scorer or reason": []}

    def add(title: str, value: float | None, decimals: int, about_it: str) -> None:
        cells["Score"].append(title)
        cells["Value"].append(number(value, decimals))
        cells["Scorer or reason"].append(about_it)

    for name in _SCORES:
        measure, value = MEASURES[name], about.values[name]
        given = about.values[_scorer_column(name)]
        reason = about.unscored.get(name) or about.unscored.get(name.partition("_")[0]) or "not scored"
        add(measure.title, value, measure.decimals, plain(reason) if value is None else _said(given))
    for later in about.later:
        known = MEASURES.get(later.metric)
        add(
            f"{known.title if known else plain(later.metric)}, later",
            later.value,
            known.decimals if known else 3,
            _later(later),
        )
    table(cells, alt="Scores of this request, with the scorer of each")
    if about.values["perplexity_tokens"] is not None:
        st.caption(f"Perplexity is that of the first {number(about.values['perplexity_tokens'])} tokens of the answer.")
    if about.labels:
        labels = sorted(about.labels.items(), key=lambda pair: -pair[1])
        table(
            {
                "Toxicity of the answer": [plain(name) for name, _ in labels],
                "0 to 1": [number(v, 4) for _, v in labels],
            },
            alt="Labels of toxicity",
        )
    others = {name: reason for name, reason in about.unscored.items() if name not in (*_SCORES, "cost_usd")}
    for name, reason in others.items():
        st.caption(f"{plain(name)}: {plain(reason)}.")


def _later(score: LaterScore) -> str:
    said = plain(score.scorer) if score.value is not None else plain(score.reason or "tried in vain")
    return f"{said}, {_time(score.scored_at)}"


def _beside(about: RequestDetails) -> None:
    found = {(each.of, each.after): each for each in neighbours(about)}
    for of, title in (("requester", "Of the same requester"), ("endpoint", "Of the endpoint")):
        st.markdown(f":gray[{title}]")
        if of == "requester" and not about.values["requester"]:
            st.caption("The requester is not known.")
            continue
        with st.container(horizontal=True, gap="small"):
            for after, word, icon in ((False, "Before", "arrow_back"), (True, "After", "arrow_forward")):
                each = found.get((of, after))
                if each is None:
                    st.caption(f"{word}: none within a day", width="content")
                else:
                    page_link(
                        "requests", _neighbour(word, each), icon, **request_query(each.request_id, each.time.date())
                    )


def _neighbour(word: str, each: Neighbour) -> str:
    failed = "" if each.status_code is None or each.status_code < 400 else f", status {each.status_code}"
    version = f", v{plain(each.entity_version)}" if each.entity_version else ""
    return f"{word}: {local(each.time):%d %b %H:%M:%S}{version}{failed}"


def _change_before(about: RequestDetails) -> None:
    """What was changed last before the request. A change that failed changed nothing."""
    # To the microsecond after it; bins play no role.
    before = Period(about.time - _LOOKED_BACK, about.time + timedelta(microseconds=1), 60)
    marked = [each for each in changes.markers(before, about.values["endpoint_name"] or "") if not each.failed]
    if not marked:
        empty(f"The ledger has no change in the {_LOOKED_BACK.days} days before.")
        return
    last = marked[-1]
    changed = datetime.fromtimestamp(last.time / 1000, about.time.tzinfo)
    ago = duration((about.time - changed).total_seconds())
    st.markdown(f"**{plain(last.text)}**")
    st.caption(f"{_time(changed)}, {ago} before.")
    page_link("ledger", "Open it in the ledger", "history_edu", change=last.change_id)


def _address(about: RequestDetails) -> str:
    """The whole address of this request, as others can open it."""
    path = page_address("requests", request_query(about.request_id, about.time.date()))
    here = urlsplit(st.context.url or "")
    return f"{here.scheme}://{here.netloc}{path}" if here.netloc else path


def _scorer_column(name: str) -> str:
    return next((column for part, column in _SCORERS.items() if part in name), "readability_scorer")


def _time(time: datetime | None) -> str:
    return NOTHING if time is None else f"{local(time):%a %d %b %Y, %H:%M:%S} ({plain(time_zone())})"


def _said(value: Any) -> str:
    return plain(value) if value else NOTHING
