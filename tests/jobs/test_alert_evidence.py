"""What an alert is linked to, and whom it suspects."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.alert_evidence import evidence_of
from registry.alert_states import Verdict
from settings import Settings
from tests.jobs.alert_traffic import NOON
from tests.jobs.alert_world import promoted

WINDOW = {"start": "2026-03-02T11:45:00+00:00", "end": "2026-03-02T12:00:00+00:00"}


def _verdict(subject: str = "", version: str = "3", **evidence: Any) -> Verdict:
    key = ("rule", "chatbot", "prod.chatbot" if version else "", version, subject)
    return Verdict(key, "breached", "It is so.", evidence={"kind": "threshold", "window": WINDOW, **evidence})


def test_the_suspect_is_the_last_change_before_and_not_long_before(settings: Settings) -> None:
    first = promoted(settings, NOON - timedelta(hours=3))
    second = promoted(settings, NOON - timedelta(hours=1))
    promoted(settings, NOON + timedelta(minutes=5))
    assert evidence_of(settings, _verdict(), NOON, 24)["change_id"] == second
    assert evidence_of(settings, _verdict(), NOON - timedelta(hours=2), 24)["change_id"] == first
    long_before = evidence_of(settings, _verdict(), NOON, 0.5)
    assert "change_id" not in long_before
    assert "change" not in long_before["links"]
    assert "suspect" not in long_before


@pytest.mark.parametrize(
    ("verdict", "chart", "rows"),
    [
        (_verdict(figure="flagged_prompts"), "safety", {"score": "prompt_toxicity", "at_least": "0.5"}),
        (_verdict(figure="perplexity"), "quality", {"score": "response_perplexity"}),
        (_verdict(figure="cost"), "cost", {"score": "cost_usd"}),
        (_verdict(kind="drift", subject="errors"), "drift", {"status": ["5xx"]}),
        (_verdict(kind="burn_rate", of="errors", version=""), "traffic", {}),
        (_verdict(kind="job_late", version=""), "jobs", None),
        (_verdict(kind="endpoint_down", version=""), "endpoints", None),
        (_verdict(kind="no_data", version=""), "traffic", None),
    ],
)
def test_each_alert_has_its_chart_and_its_rows(
    settings: Settings, verdict: Verdict, chart: str, rows: dict[str, Any] | None
) -> None:
    links = evidence_of(settings, verdict, NOON, 24)["links"]
    assert links["chart"]["page"] == chart
    if rows is None:
        assert "rows" not in links
        return
    own = {"version": ["prod.chatbot/3"]} if verdict.key[3] else {}
    times = {"range": "Custom", "from": "2026-03-02T11:45:00Z", "to": "2026-03-02T12:00:00Z", "endpoint": "chatbot"}
    assert links["rows"] == {"page": "requests", "query": {**times, **own, **rows}}


def test_the_chart_of_a_score_shows_that_score(settings: Settings) -> None:
    charts = [
        evidence_of(settings, _verdict(figure=figure), NOON, 24)["links"]["chart"] for figure in ("perplexity", "grade")
    ]
    assert [(one["page"], one["query"]["part"]) for one in charts] == [("quality", "Every minute")] * 2
    assert [one["query"].get("measure") for one in charts] == ["Perplexity", None]


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ({"figure": "errors"}, "Errors"),
        ({"figure": "latency_p95"}, "Latency"),
        ({"kind": "burn_rate", "of": "errors"}, "Errors"),
        ({"kind": "burn_rate", "of": "slow"}, "Latency"),
        ({"figure": "requests"}, None),
        ({"kind": "no_data"}, None),
    ],
)
def test_the_chart_of_an_alert_is_in_the_part_that_is_opened(
    settings: Settings, told: dict[str, Any], part: str | None
) -> None:
    chart = evidence_of(settings, _verdict(**told), NOON, 24)["links"]["chart"]
    assert chart["page"] == "traffic"
    assert chart["query"].get("part") == part
