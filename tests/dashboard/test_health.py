"""The first line of the Overview says what is wrong, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.health import Health, assess
from dashboard.queries.endpoint import EndpointState
from dashboard.queries.operations import Demo, Process, data_time
from dashboard.queries.traffic import Failures
from serving.endpoints import endpoint_of
from tests.dashboard.endpoint_server import described
from tests.dashboard.workspace import job_run

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GOOD_ENDPOINT = EndpointState("known", endpoint_of(described({"1": 0, "2": 100})), NOW)


def verdict(**facts: Any) -> Health:
    usual: dict[str, Any] = {
        "endpoint": GOOD_ENDPOINT,
        "processes": [Process("gateway", "running", 0, NOW, "")],
        "demo": None,
        "runs": [job_run(NOW - timedelta(minutes=2))],
        "last_hour": Failures(100, 0),
        "delivery_problem": "",
        "interval_seconds": 300,
        "now": NOW,
    }
    return assess(**{**usual, **facts})


def test_all_is_well() -> None:
    found = verdict()
    assert found.level == "good"
    assert found.problems == ()
    assert found.data_time == NOW - timedelta(minutes=2)


@pytest.mark.parametrize(
    ("facts", "level", "said"),
    [
        ({"endpoint": EndpointState("down", None, NOW)}, "bad", "The gateway does not answer."),
        ({"endpoint": EndpointState("missing")}, "bad", "does not exist"),
        ({"delivery_problem": "No space left on device"}, "warning", "spool instead of the inference table: No space"),
        ({"endpoint": EndpointState("failed", message="401")}, "bad", "401"),
        (
            {"endpoint": EndpointState("known", endpoint_of(described({"2": 100}, "DEPLOYMENT_FAILED")))},
            "bad",
            "chatbot-2 has 100 % of the traffic and is not ready",
        ),
        (
            {"processes": [Process("scheduler", "restarting", 3, NOW, "exit 1")]},
            "warning",
            "scheduler is being restarted",
        ),
        ({"processes": [Process("gateway", "failed", 3, NOW, "")]}, "bad", "gateway has failed"),
        ({"demo": Demo("failed", (), "no disk space", NOW, NOW)}, "bad", "no disk space"),
        ({"runs": [job_run(NOW - timedelta(hours=1))]}, "warning", "last succeeded 1 hour ago"),
        (
            {"runs": [job_run(NOW, state="failed", error="no table"), job_run(NOW - timedelta(minutes=5))]},
            "warning",
            "no table",
        ),
        ({"runs": [job_run(NOW, state="timed_out", error=""), job_run(NOW)]}, "warning", "took too long"),
        ({"last_hour": Failures(100, 20)}, "bad", "20.0 % of the requests"),
        ({"open_alerts": 1}, "bad", "An alert is open, see below."),
        ({"open_alerts": 3, "urgent_alerts": 1}, "bad", "3 alerts are open, see below."),
        ({"open_alerts": 2, "urgent_alerts": 0}, "warning", "2 alerts are open, see below."),
    ],
)
def test_a_problem_is_named(facts: dict[str, Any], level: str, said: str) -> None:
    found = verdict(**facts)
    assert found.level == level
    assert any(said in problem.sentence.replace("\u00a0", " ") for problem in found.problems)


def test_a_few_failures_among_few_requests_are_no_alarm() -> None:
    assert verdict(last_hour=Failures(5, 2)).level == "good"


def test_a_long_run_under_way_is_not_late() -> None:
    running = {**job_run(NOW), "state": "running", "finished_at": None}
    assert verdict(runs=[running, job_run(NOW - timedelta(hours=1))]).level == "good"


def test_nothing_known_is_not_called_healthy() -> None:
    assert verdict(endpoint=EndpointState("asking")).level == "unknown"
    assert verdict(runs=[]).level == "unknown"


def test_scores_are_as_old_as_the_last_run_that_caught_up() -> None:
    behind = job_run(NOW, rows_waiting=500)
    caught_up = job_run(NOW - timedelta(minutes=10))
    assert data_time([behind, caught_up]) == NOW - timedelta(minutes=10)
    assert data_time([job_run(NOW, state="failed")]) is None


def test_serious_problems_come_first() -> None:
    found = verdict(
        endpoint=EndpointState("down"), processes=[Process("trickle", "failed", 1, NOW, "")], runs=[job_run(NOW)]
    )
    assert [problem.serious for problem in found.problems] == [True, False]
