"""What an alert that fires is linked to: its chart, its rows, the suspect change, and where it can be taken back.

Links are data: the name of a page and the parameters of its address, with times in UTC. Pages turn them into the
visitor's time zone.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.errors import LakehouseError
from registry.alert_states import Verdict
from registry.guard import TrafficChange
from registry.traffic_changes import traffic_history
from settings import Settings

Link = dict[str, Any]

_AROUND = timedelta(hours=1)
_CHARTS = {
    "errors": "traffic",
    "requests": "traffic",
    "latency_p50": "traffic",
    "latency_p95": "traffic",
    "latency_p99": "traffic",
    "answer_tokens": "traffic",
    "flagged_answers": "safety",
    "flagged_prompts": "safety",
    "perplexity": "quality",
    "grade": "quality",
    "cost": "cost",
}
_PARTS = {
    "errors": "Errors",
    "latency_p50": "Latency",
    "latency_p95": "Latency",
    "latency_p99": "Latency",
    "slow": "Latency",
    "perplexity": "Every minute",
    "grade": "Every minute",
}
"""What an alert is about → the part of its page that has the chart, where that is not the first one."""
_MEASURES = {"perplexity": "Perplexity"}
"""What an alert is about → the score that its chart has to show, where that is not the one it begins with."""
_PAGES = {
    "burn_rate": "traffic",
    "no_data": "traffic",
    "drift": "drift",
    "job_late": "jobs",
    "endpoint_down": "endpoints",
    "budget": "cost",
}
_SCORES = {
    "flagged_answers": "response_toxicity",
    "flagged_prompts": "prompt_toxicity",
    "perplexity": "response_perplexity",
    "grade": "response_fk_grade",
    "answer_tokens": "completion_tokens",
    "cost": "cost_usd",
}
_LATENCY = "execution_duration_ms"
_WITHOUT_ROWS = frozenset({"no_data", "job_late", "endpoint_down"})
_CAN_BE_TAKEN_BACK = frozenset({"threshold", "burn_rate", "drift", "endpoint_down"})


def evidence_of(settings: Settings, verdict: Verdict, began: datetime, suspect_hours: float) -> dict[str, Any]:
    """Links and suspect of an alert that fires; `began` is when it was noticed. Keys as the Alerts page reads them.

    Where the ledger cannot be read, the alert does without its suspect: it must not wait for that.
    """
    _, endpoint, entity_name, entity_version, subject = verdict.key
    told = verdict.evidence
    links: dict[str, Link] = {"chart": _chart(told, endpoint, entity_name, entity_version, subject)}
    if told["kind"] not in _WITHOUT_ROWS:
        links["rows"] = _rows(settings, told, endpoint, entity_name, entity_version, subject)
    if told["kind"] in _CAN_BE_TAKEN_BACK:
        links["rollback"] = {"page": "endpoints", "query": {"endpoint": endpoint}}
    found: dict[str, Any] = {}
    change = _suspect(settings, endpoint, began, suspect_hours) if endpoint else None
    if change is not None:
        links["change"] = {"page": "ledger", "query": {"change": change.change_id}}
        found = {"change_id": change.change_id, "suspect": suspect_sentence(change)}
    return {**found, "links": links}


def suspect_sentence(change: TrafficChange) -> str:
    """The change before an alert, as a sentence: what, by whom, when, from what to what."""
    ended = change.ended_at.astimezone(UTC)
    return (
        f"The last change before: {change.action} by {change.actor} at {ended:%d %b %H:%M} UTC, "
        f"{_shares(change.before)} → {_shares(change.after)}."
    )


def _chart(told: Mapping[str, Any], endpoint: str, entity_name: str, entity_version: str, subject: str) -> Link:
    page = _CHARTS.get(str(told.get("figure")), _PAGES.get(told["kind"], "overview"))
    if page in ("jobs", "endpoints"):
        return {"page": page, "query": {"endpoint": endpoint} if endpoint else {}}
    query: dict[str, Any] = {**_range(told, _AROUND), "endpoint": endpoint}
    about = str(told.get("figure") or told.get("of"))
    if about in _PARTS:
        query["part"] = _PARTS[about]
    if about in _MEASURES:
        query["measure"] = _MEASURES[about]
    if page == "drift":
        query["column"] = subject
    return {"page": page, "query": query}


def _rows(
    settings: Settings, told: Mapping[str, Any], endpoint: str, entity_name: str, entity_version: str, subject: str
) -> Link:
    query: dict[str, Any] = {**_range(told, timedelta(0)), "endpoint": endpoint}
    if entity_version:
        query["version"] = [f"{entity_name}/{entity_version}"]
    figure = str(told.get("figure") or "")
    if figure == "errors" or subject == "errors":
        query["status"] = ["5xx"]
    elif figure in ("flagged_answers", "flagged_prompts"):
        query |= {"score": _SCORES[figure], "at_least": repr(settings.toxicity_threshold)}
    elif figure.startswith("latency"):
        query |= {"score": _LATENCY, "at_least": repr(float(told.get("limit") or 0.0))}
    elif figure in _SCORES:
        query["score"] = _SCORES[figure]
    return {"page": "requests", "query": query}


def _range(told: Mapping[str, Any], around: timedelta) -> dict[str, str]:
    window = told.get("window")
    if not isinstance(window, Mapping):
        return {"range": "24 hours"}
    start, end = (datetime.fromisoformat(window[name]).astimezone(UTC) for name in ("start", "end"))
    return {
        "range": "Custom",
        "from": f"{start - around:%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{end + around:%Y-%m-%dT%H:%M:%SZ}",
    }


def _suspect(settings: Settings, endpoint: str, began: datetime, hours: float) -> TrafficChange | None:
    """The last change of the traffic that had ended before an alert began, and not too long before."""
    try:
        changes = traffic_history(settings, endpoint).changes
    except LakehouseError:
        return None
    for change in changes:
        if change.outcome != "failed" and change.ended_at <= began:
            return change if began - change.ended_at <= timedelta(hours=hours) else None
    return None


def _shares(shares: Mapping[str, int]) -> str:
    return ", ".join(f"v{version} {share} %" for version, share in sorted(shares.items())) or "nothing"
