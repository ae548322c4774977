"""Triage of flags: the queue of what is open, and the form in which somebody confirms or dismisses it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.actions import flags as actions
from dashboard.auth import current_actor
from dashboard.links import request_link
from dashboard.moment import chosen_moment
from dashboard.panels.safety_words import reveal_button, words
from dashboard.queries.safety_flags import CONFIRMED, DISMISSED, OPEN, Precision, Triage, history
from dashboard.queries.safety_rows import MOST_FLAGGED
from dashboard.queries.safety_texts import words as words_of
from dashboard.queries.watch import EXPECTED
from dashboard.widgets import choice, empty, local, table
from dashboard.wording import NOTHING, number, percent, plain, plural, sentence
from lakehouse.flags import LABELS, LONGEST_REMARK, Decided, FlaggedRequest

_FILTERS = {OPEN: "Open", CONFIRMED: "Confirmed", DISMISSED: "Dismissed", "": "All"}
_SIZE = 6
_BADGES = {
    OPEN: ":orange-badge[:material/flag: open]",
    CONFIRMED: ":red-badge[:material/check: confirmed]",
    DISMISSED: ":gray-badge[:material/close: dismissed]",
}
_BUTTONS: tuple[tuple[Decided, str, str], ...] = (
    ("confirmed", "Confirm", "check"),
    ("dismissed", "Dismiss", "close"),
    ("open", "Open again", "undo"),
)
_DONE = {CONFIRMED: "confirmed", DISMISSED: "dismissed", OPEN: "opened again"}


def figures(found: Triage, precision: Precision) -> None:
    """How many flags are in which state, and how often a flag was right."""
    capped = found.total > MOST_FLAGGED
    with st.grid(4, min_column_width=150):
        for state, title in ((OPEN, "Open"), (CONFIRMED, "Confirmed"), (DISMISSED, "Dismissed")):
            st.metric(title, number(found.counts[state]), help="Flagged requests of the chosen time.", border=True)
        st.metric(
            "Precision so far",
            percent(precision.share),
            help="Confirmed of all decided flags of this endpoint, scorer and threshold, at any time.",
            border=True,
        )
    said = f"{plural(found.total, 'request')} flagged in this time."
    if capped:
        said += f" Only the {number(MOST_FLAGGED)} most toxic are listed and counted by state."
    if precision.decided:
        said += (
            f" Of {plural(precision.decided, 'decided flag')} {number(precision.confirmed)} were confirmed: "
            f"95 % interval {percent(precision.low, 0)} to {percent(precision.high, 0)} (Wilson). "
            "The most toxic are looked at first, so the others may be right less often."
        )
    st.caption(said)


def queue(endpoint: str, found: Triage, scorer: str, threshold: float) -> None:
    """The flags, undecided and most toxic first, some at a time, to be decided one by one or together."""
    chosen = choice("Flags", _FILTERS, OPEN, key="flags")
    places = found.places(chosen)
    if not len(places):
        empty(
            "Nothing is flagged in this time. A lower threshold or a longer range may show more."
            if not len(found.flagged)
            else "There is no such flag in this time."
        )
        return
    pages = -(-len(places) // _SIZE)
    place = min(int(st.session_state.get("flags_page") or 1), pages)
    part = found.rows(places[(place - 1) * _SIZE : place * _SIZE])
    reveal_button("queue", endpoint, [str(request_id) for request_id in part["databricks_request_id"]])
    said = words_of(part)
    records = part.to_dict("records")
    with st.form("triage queue", border=False):
        for row in records:
            with st.container(border=True, gap="xsmall"):
                st.checkbox(_title(row), key=_key(row["databricks_request_id"]))
                _facts(row)
                st.markdown(words(said[row["databricks_request_id"]].prompt, row["databricks_request_id"]))
        st.checkbox(f"All {number(len(records))} above", key=_key("all"))
        _form_fields("queue", "", records, _flagged(records, endpoint, scorer, threshold), without=str(chosen))
    if pages > 1:
        st.pagination(pages, key="flags_page")
    st.caption(f"{plural(len(places), 'flag')}, undecided first, the most toxic first.")


def one(endpoint: str, row: dict[Any, Any], scorer: str, threshold: float, suggested: str = "") -> None:
    """One flagged request: its words, what was decided about it, and the form to decide."""
    request_id = str(row["databricks_request_id"])
    _facts(row)
    _conversation(endpoint, row)
    made = history(request_id)
    if made:
        table(
            {
                "Decision": [_BADGES.get(one["decision"], plain(one["decision"])) for one in made],
                "Label": [plain(one["label"]) or NOTHING for one in made],
                "By": [plain(f"{one['actor']} ({one['role']})") for one in made],
                "When": [f"{local(one['decided_at']):%d %b %H:%M:%S}" for one in made],
                "Note": [plain(one["remark"]) or NOTHING for one in made],
            },
            alt="Decisions about this flag, the newest first",
        )
    with st.form("triage one", border=False):
        _form_fields("one", suggested, [row], _flagged([row], endpoint, scorer, threshold), without=row["state"])


def not_flagged(endpoint: str, row: dict[Any, Any]) -> None:
    """A request below the threshold: its words only."""
    _facts({**row, "state": ""})
    _conversation(endpoint, row)
    st.caption("It is below the threshold, so there is no flag to decide about.")


def _conversation(endpoint: str, row: dict[Any, Any]) -> None:
    import pandas as pd

    request_id = str(row["databricks_request_id"])
    said = words_of(pd.DataFrame([row]))[request_id]
    st.markdown(f"**Prompt**  \n{words(said.prompt, request_id)}")
    st.markdown(f"**Answer**  \n{words(said.answer, request_id)}")
    reveal_button("one", endpoint, [request_id])


def _title(row: dict[Any, Any]) -> str:
    sides = [
        f"{name} {number(row[column], 3)}"
        for name, column in (("prompt", "prompt_toxicity"), ("answer", "response_toxicity"))
        if row[column] == row[column]
    ]
    return f"{local(row['request_time']):%d %b %H:%M:%S}, {', '.join(sides)}"


def _facts(row: dict[Any, Any]) -> None:
    version = f"v{plain(row['entity_version'])}" if row["entity_version"] else "no version"
    link = request_link(str(row["databricks_request_id"]), "open the request", row["request_date"])
    parts = [_BADGES.get(row["state"], ""), f"{version}, {plain(row['requester'] or 'no requester')}, {link}"]
    if row.get("decision_id"):
        label = f" as {plain(row['label'])}" if row["label"] else ""
        remark = f": {plain(row['remark'])}" if row["remark"] else ""
        parts.append(f"by {plain(row['actor'])}, {local(row['decided_at']):%d %b %H:%M}{label}{remark}")
    st.markdown(f":small[{' '.join(part for part in parts if part)}]")


def _form_fields(
    form: str,
    suggested: str,
    records: Sequence[dict[Any, Any]],
    flagged: Sequence[FlaggedRequest],
    without: str,
) -> None:
    """Label, note and the buttons but that of the state which all have; read when one of them is pressed."""
    options = ["", *LABELS]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Label",
            options,
            index=options.index(suggested) if suggested in options else 0,
            format_func=lambda label: label or "no label",
            key=f"label {form} {suggested}",
            width=180,
        )
        st.text_input("Note", max_chars=LONGEST_REMARK, key=f"note {form}")
    why_not = current_actor().why_not("triage")
    if chosen_moment() is not None:
        why_not = why_not or "You look back at an earlier moment: go back to now to decide."
    with st.container(horizontal=True):
        for decision, title, icon in (button for button in _BUTTONS if button[0] != without):
            st.form_submit_button(
                title,
                key=f"{decision} {form}",
                icon=f":material/{icon}:",
                disabled=bool(why_not),
                help=why_not or None,
                on_click=_decide,
                args=(
                    form,
                    suggested,
                    decision,
                    tuple(flagged),
                    {r["databricks_request_id"]: r.get("decision_id", "") for r in records},
                ),
            )


def _decide(
    form: str, suggested: str, decision: Decided, flagged: tuple[FlaggedRequest, ...], seen: dict[str, str]
) -> None:
    state = st.session_state
    if chosen_moment() is not None:
        st.toast("Decisions are of now: go back to now first.", icon=":material/history:")
        return
    whole = form == "one" or state.get(_key("all"))
    chosen = [one for one in flagged if whole or state.get(_key(one.databricks_request_id))]
    if not chosen:
        st.toast("Tick at least one flag first.", icon=":material/info:")
        return
    label, remark = str(state.get(f"label {form} {suggested}") or ""), str(state.get(f"note {form}") or "")
    try:
        before = actions.decide(chosen, decision, label, remark)
    except EXPECTED as error:
        st.toast(sentence(error), icon=":material/error:")
        return
    for name in ("all", *(one.databricks_request_id for one in chosen)):
        state[_key(name)] = False
    state[f"note {form}"] = ""
    st.toast(f"{plural(len(chosen), 'flag')} {_DONE[decision]}.", icon=":material/task_alt:")
    overtaken = [one for name, one in before.items() if one.decision_id != seen.get(name)]
    if overtaken:
        others = ", ".join(sorted({plain(one.actor) for one in overtaken}))
        st.toast(
            f"{others} decided about {plural(len(overtaken), 'of them', 'of them')} in the meantime. "
            "Your later decision holds; both are kept.",
            icon=":material/group:",
            duration="long",
        )


def _flagged(records: Sequence[dict[Any, Any]], endpoint: str, scorer: str, threshold: float) -> list[FlaggedRequest]:
    return [
        FlaggedRequest(
            databricks_request_id=str(row["databricks_request_id"]),
            request_date=row["request_time"].date(),
            endpoint_name=endpoint,
            entity_name=row["entity_name"],
            entity_version=row["entity_version"],
            prompt_toxicity=_known(row["prompt_toxicity"]),
            response_toxicity=_known(row["response_toxicity"]),
            toxicity_scorer=scorer,
            threshold=threshold,
        )
        for row in records
    ]


def _known(value: Any) -> float | None:
    return float(value) if value == value else None


def _key(request_id: str) -> str:
    return f"flag {request_id}"
