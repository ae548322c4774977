"""One alert with its history, its evidence, whom it was told, where its links lead, and what can be done about it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.drift_words import column_title
from dashboard.links import page_link
from dashboard.moment import time_now
from dashboard.panels import alert_triage, drift_details, marked
from dashboard.queries import alerts as queries
from dashboard.queries import changes, drift
from dashboard.queries.alerts import state_at
from dashboard.runbook import section
from dashboard.widgets import empty, guarded, local, table, time_zone
from dashboard.wording import NOTHING, duration, number, plain
from metrics.masking import masked
from registry.alerts import Alert

_PAGES = Path(__file__).resolve().parents[2] / "pages"
_LINKS = {
    "chart": ("Its chart", "show_chart"),
    "rows": ("Its requests", "list_alt"),
    "change": ("The suspect change", "history_edu"),
    "rollback": ("Roll back", "history"),
}
"""Name of a link in an alert's evidence → what it is called here, and its icon."""
_TOLD = (
    *("links", "runbook", "change_id", "finding_id", "finding_ids", "closed", "note", "resolved_by", "subject"),
    *("title", "kind", "column", "of"),
)
"""Evidence that stands elsewhere on the page."""
_STATES = {"open": "fired", "pending": "noticed", "closed": "resolved"}
_TIMES = ("from", "to")
_LONGEST = 300


def facts(alert: Alert) -> str:
    """What it is about and since when, in short Markdown lines."""
    now = time_now()
    until = alert.closed_at or now
    lasted = duration((until - (alert.began_at or alert.opened_at)).total_seconds())
    version = f"{plain(alert.entity_name)} v{plain(alert.entity_version)}" if alert.entity_version else ""
    found = {
        "Rule": plain(alert.rule),
        "About": ", ".join(part for part in (plain(alert.endpoint_name), version, plain(_subject(alert))) if part),
        "Noticed": f"{local(alert.began_at or alert.opened_at):%A, %d %B %Y, %H:%M:%S} ({plain(time_zone())})",
        "Fired": f"{local(alert.opened_at):%d %b %H:%M:%S}" if alert.fired else "not yet",
        "Silenced until": _until(alert, now),
        "Resolved": f"{local(alert.closed_at):%d %b %H:%M:%S}" if alert.closed_at else "",
        "Lasted" if alert.closed_at else "Lasts": lasted,
        "Why it is over": plain(alert.evidence.get("closed") or "") if alert.closed_at else "",
    }
    return "  \n".join(f":gray[{name}:] {value}" for name, value in found.items() if value)


def details(alert: Alert, *, key: str, with_facts: bool = True) -> None:
    """Everything about an alert, and the buttons of its triage."""
    if with_facts:
        st.markdown(facts(alert))
    _links(alert)
    with guarded("Triage"):
        alert_triage.buttons(alert, key)
    with guarded("Evidence"):
        _evidence(alert)
        _finding(alert, key)
        _suspect(alert)
    with guarded("Runbook"):
        _runbook(alert)
    with guarded("History"):
        _history(alert)
    with guarded("Deliveries"):
        _deliveries(alert)


def links(alert: Alert) -> dict[str, tuple[str, dict[str, str | list[str]]]]:
    """The links of an alert's evidence: name → page and parameters. What does not lead to a page of ours is left out.

    Times come as ISO 8601 with a zone and are given as the clock of the page shows them, which is how pages read them.
    """
    told = alert.evidence.get("links")
    found: dict[str, tuple[str, dict[str, str | list[str]]]] = {}
    for name, link in told.items() if isinstance(told, Mapping) else ():
        page = link.get("page") if isinstance(link, Mapping) else None
        query = link.get("query") if isinstance(link, Mapping) else None
        if isinstance(page, str) and page in {file.stem for file in _PAGES.glob("*.py")}:
            given = query if isinstance(query, Mapping) else {}
            found[str(name)] = page, {str(name): _value(str(name), value) for name, value in given.items()}
    return found


def _links(alert: Alert) -> None:
    found = links(alert)
    with st.container(horizontal=True, gap="small"):
        for name in sorted(found, key=lambda name: list(_LINKS).index(name) if name in _LINKS else len(_LINKS)):
            title, icon = _LINKS.get(name, (name.replace("_", " ").capitalize(), "arrow_outward"))
            page, query = found[name]
            page_link(page, title, icon, **query)
        page_link("alerts", "Link to this alert", "link", alert=alert.alert_id)


def _evidence(alert: Alert) -> None:
    """What was measured, a line each; words of people would be masked, but none belong here."""
    told = {name: value for name, value in alert.evidence.items() if name not in _TOLD}
    flat = {name: value for name, value in told.items() if not isinstance(value, Mapping | list)}
    deep = {name: value for name, value in told.items() if isinstance(value, Mapping | list) and value}
    if flat:
        table(
            {
                "Measured": [plain(name.replace("_", " ")) for name in flat],
                "Value": [_said(value) for value in flat.values()],
            },
            alt="What was measured for this alert",
        )
    if deep:
        with st.expander("All of the evidence"):
            st.json(_masked(deep), expanded=1)


def _finding(alert: Alert, key: str) -> None:
    finding_id = alert.evidence.get("finding_id")
    if not isinstance(finding_id, str) or not finding_id:
        return
    found = drift.finding(finding_id)
    if found is None:
        empty("The finding of drift behind it is not in the tables of the moment that is shown.")
        return
    st.markdown(f"**What drifted:** {plain(found.sentence)}")
    drift_details.distributions(found, f"alert {key}")
    page_link("drift", "Open the finding", "trending_up", finding=finding_id)


def _suspect(alert: Alert) -> None:
    change_id = alert.evidence.get("change_id")
    if not isinstance(change_id, str) or not change_id:
        return
    with st.container(border=True):
        st.markdown("**The last change before it began**")
        found = changes.change(change_id)
        if found is None:
            empty("It is not in the ledger of the moment that is shown.")
        else:
            marked.change(found)


def _runbook(alert: Alert) -> None:
    found = section(str(alert.evidence.get("runbook") or ""))
    if found is not None:
        with st.expander(f"Runbook: {plain(found.title)}", icon=":material/menu_book:"):
            st.markdown(found.text)


def _history(alert: Alert) -> None:
    rows = queries.events(alert.alert_id)
    st.markdown("**History**")
    table(
        {
            "When": [f"{local(row['time']):%d %b %H:%M:%S}" for row in rows],
            "What": [plain(_STATES.get(row["state"], row["state"])) for row in rows],
            "Who": [plain(row["actor"] or "") or NOTHING for row in rows],
            "Why": [plain(_why(row, before)) or NOTHING for before, row in zip([None, *rows], rows, strict=False)],
        },
        alt="What happened to this alert",
    )


def _why(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """What a row of an alert says that the one before did not: a note, why it is over, or another sentence."""
    told = queries.told(row)
    if told.get("note") or told.get("closed"):
        return str(told.get("note") or told["closed"])
    said = str(row["sentence"] or "")
    return "" if before is not None and before["sentence"] == said else said


def _deliveries(alert: Alert) -> None:
    found = queries.deliveries(alert.alert_id)
    if not found:
        return
    st.markdown("**Whom it was told**")
    table(
        {
            "What": [plain(_STATES.get(one.alert_state, one.alert_state)) for one in found],
            "By": [plain(one.channel) for one in found],
            "State": [plain(one.state) for one in found],
            "Attempts": [number(one.attempt) for one in found],
            "Last": [f"{local(one.time):%d %b %H:%M:%S}" if one.time else NOTHING for one in found],
            "Next": [
                f"{local(one.next_try_at):%H:%M:%S}" if one.waits and one.next_try_at else NOTHING for one in found
            ],
            "Why not": [plain(one.error) or NOTHING for one in found],
        },
        alt="Whom this alert was told",
    )


def _subject(alert: Alert) -> str:
    subject = alert.evidence.get("subject")
    return column_title(subject) if isinstance(subject, str) and subject else ""


def _until(alert: Alert, now: datetime) -> str:
    if alert.silenced_until is None or state_at(alert, now) != "silenced":
        return ""
    return f"{local(alert.silenced_until):%d %b %H:%M}"


def _next(time: datetime | None) -> str:
    return f"{local(time):%H:%M:%S}" if time else NOTHING


def _value(name: str, value: object) -> str | list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    text = "" if value is None else str(value)
    if name not in _TIMES:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    whole = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if name == "to":
        # The last minute may have a part that belongs to it.
        whole += timedelta(minutes=1, microseconds=-1)
    return whole.astimezone(ZoneInfo(time_zone())).strftime("%Y-%m-%dT%H:%M")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        # NaN is no whole number either; `number` knows it.
        whole = float(value).is_integer() or abs(value) >= 1000
        return number(value) if whole or not math.isfinite(value) else f"{value:.4g}"
    text = masked("" if value is None else str(value))
    return plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") or NOTHING


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _masked(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return masked(value) if isinstance(value, str) else value
