"""The rules of alerts against real tables, with a clock of our own: what fires, what it says, and when it ends."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.alert_facts import FactReader
from jobs.alert_look import AlertLooker
from jobs.drift_windows import Position, as_transactions
from lakehouse.appends import append
from lakehouse.drift_tables import DRIFT_FINDINGS
from lakehouse.replacing import replace_once
from lakehouse.store import open_table
from registry.alert_rules import load_alert_rules
from registry.alerts import view
from serving.client import EndpointClient
from settings import Settings
from tests.jobs.alert_traffic import NOON, ran, requests, score
from tests.jobs.alert_world import EVERY, World, fails, finding, promoted


def test_a_version_that_fails_is_told_with_its_cause_and_ends_when_it_answers_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.pass_(20)
    assert view(world.settings).alerts == ()
    change_id = promoted(world.settings, world.now)
    world.pass_(5, status_code=fails(0.3))
    assert [alert.state for alert in world.of("errors")] == ["pending"]
    world.pass_(5, status_code=fails(0.3))
    (alert,) = world.of("errors")
    assert (alert.state, alert.entity_name, alert.entity_version, alert.severity) == (
        "open",
        "prod.chatbot",
        "3",
        "page",
    )
    assert alert.sentence == (
        "Failed requests of version 3 on chatbot: 20 % (limit 5 %; 300 requests in the 15 minutes to 02 Mar 12:30 UTC)."
    )
    told = alert.evidence
    assert (told["value"], told["limit"], told["unit"], told["n"], told["kind"]) == (20.0, 5.0, "%", 300, "threshold")
    assert told["change_id"] == change_id
    assert told["suspect"] == "The last change before: promote by ann at 02 Mar 12:20 UTC, v2 100 % → v3 100 %."
    assert told["links"]["change"] == {"page": "ledger", "query": {"change": change_id}}
    assert told["links"]["rollback"] == {"page": "endpoints", "query": {"endpoint": "chatbot"}}
    assert told["links"]["rows"] == {
        "page": "requests",
        "query": {
            "range": "Custom",
            "from": "2026-03-02T12:15:00Z",
            "to": "2026-03-02T12:30:00Z",
            "endpoint": "chatbot",
            "version": ["prod.chatbot/3"],
            "status": ["5xx"],
        },
    }
    assert (told["links"]["chart"]["page"], told["runbook"]) == ("traffic", "alert-requests-fail")
    world.pass_(20)
    assert [one.state for one in world.of("errors")] == ["open"], "clear for five minutes only"
    world.pass_(10)
    (alert,) = world.of("errors")
    assert alert.state == "closed"
    assert "Failed requests of version 3 on chatbot: 0 %" in alert.evidence["closed"]
    assert alert.evidence["value"] == 20.0, "what it was about stays"


def test_few_requests_chance_and_old_data_are_no_alert(tmp_path: Path) -> None:
    few = World(tmp_path / "few").at_once(30, each_minute=1, status_code=fails(0.5))
    assert few.of("errors") == []
    assert few.status("errors") == {"unknown"}
    chance = World(tmp_path / "chance").at_once(15, each_minute=20, status_code=fails(0.07))
    assert chance.of("errors") == [], "7 % of 300 is no proof of more than 5 %"
    assert chance.status("errors") == {"between"}
    old = World(tmp_path / "old")
    score(old.settings, requests(old.now, 30, status_code=fails(0.5)))
    old.now += timedelta(hours=3)
    old.look()
    assert old.of("errors") == []
    assert old.status("errors") == {"unknown"}


def test_a_version_that_gets_no_requests_any_more_has_no_alert_any_more(tmp_path: Path) -> None:
    world = World(tmp_path).pass_(15, status_code=fails(0.4))
    assert [alert.state for alert in world.of("errors")] == ["open"]
    world.pass_(20, entity_version="4")
    (alert,) = world.of("errors")
    assert (alert.state, alert.evidence["closed"]) == ("closed", "Version 3 gets no requests any more.")


def test_slow_answers_flagged_answers_and_means_have_limits_of_their_own(tmp_path: Path) -> None:
    rules = """
        [rules.long_answers]
        kind = "threshold"
        title = "Long answers"
        figure = "answer_tokens"
        above = 100.0
        clears_at = 90.0
        over_minutes = 15.0
        least_count = 50
        by_version = false
        certain = true
        runbook = "alert-drift"
        [rules.quiet]
        kind = "threshold"
        title = "Little traffic"
        figure = "grade"
        below = 5.0
        clears_at = 6.0
        over_minutes = 15.0
        least_count = 50
        by_version = false
        certain = false
        runbook = "alert-drift"
    """
    world = World(tmp_path, rules).pass_(
        15,
        execution_duration_ms=lambda n: 9000 if n % 10 == 0 else 300,
        response_toxicity=lambda n: 0.9 if n % 8 == 0 else 0.0,
        completion_tokens=lambda n: 110 + n % 9,
        response_fk_grade=4.0,
        readability_scorer="flesch/1",
    )
    names = ("latency", "flagged_answers", "long_answers", "quiet")
    (latency,), (flagged,), (long,), (grade,) = map(world.of, names)
    assert {alert.state for alert in (latency, flagged, long, grade)} == {"open"}
    assert "5 % take over" in latency.sentence
    assert latency.evidence["value"] == pytest.approx(9000, rel=0.011)
    assert latency.evidence["links"]["rows"]["query"]["at_least"] == "5000.0"
    assert "Flagged answers of version 3 on chatbot: 13 % (limit 5 %; 200 scored answers in" in flagged.sentence
    assert flagged.evidence["links"]["chart"]["page"] == "safety"
    assert long.evidence["value"] == pytest.approx(114, abs=0.2)
    assert (long.entity_version, grade.evidence["limit"]) == ("", 5.0)


def test_error_budgets_page_soon_and_end_soon(tmp_path: Path) -> None:
    world = World(tmp_path).at_once(60)
    assert world.status("availability") == {"within"}
    world.pass_(10, status_code=fails(0.9))
    paged = [alert for alert in world.of("availability") if alert.severity == "page"]
    (alert,) = paged
    assert alert.open
    assert "burn rate 6.92 over 6 h and 15 over 30 minutes to 02 Mar 13:05 UTC" in alert.sentence
    assert "(limit 6); 90 of 1,300 requests failed, 90 of them of version 3." in alert.sentence
    assert alert.evidence["worst_version"] == "3"
    assert alert.entity_version == "", "a budget is the endpoint's, and no version is at fault by it alone"
    world.at_once(60)
    world.now += timedelta(minutes=5)
    world.look()
    assert [one.state for one in world.of("availability") if one.severity == "page"] == ["closed"]
    ticket = [one for one in world.of("availability") if one.severity == "ticket"]
    assert [one.state for one in ticket] == ["open"], "the month's budget still burns"


def test_silence_is_an_alert_only_where_there_is_traffic_usually(tmp_path: Path) -> None:
    world = World(tmp_path)
    for day in range(7, 0, -1):
        score(world.settings, requests(NOON - timedelta(days=day), 90, 2))
    world.pass_(5, each_minute=2)
    world.pass_(45, each_minute=0)
    (alert,) = world.of("no_data")
    assert alert.state == "open"
    assert "chatbot got none in the 30 minutes to 02 Mar 12:49 UTC, where 60 are usual" in alert.sentence
    world.pass_(5, each_minute=2)
    assert [one.state for one in world.of("no_data")] == ["closed"]
    at_night = World(tmp_path / "night")
    score(at_night.settings, requests(NOON - timedelta(hours=6), 90, 2))
    at_night.pass_(60, each_minute=0)
    assert at_night.of("no_data") == []


def test_requests_are_known_an_hour_later_where_another_system_delivers_them(tmp_path: Path) -> None:
    began = NOON - timedelta(seconds=30)
    for uri, known in (("", began - timedelta(seconds=30)), ("s3://lake/payload", began - timedelta(hours=1))):
        settings = Settings(home=tmp_path, inference_table_uri=uri)
        score(settings, requests(NOON - timedelta(minutes=5), 5), until=NOON)
        facts = FactReader(settings).read(load_alert_rules(settings), NOON)
        assert facts.known_until(NOON) == known


_TRAFFIC = """
    [rules.few]
    kind = "threshold"
    title = "Few requests"
    figure = "requests"
    below = 5.0
    clears_at = 8.0
    over_minutes = 15.0
    least_count = 30
    by_version = false
    certain = false
    for_minutes = 0.0
    clear_minutes = 0.0
    runbook = "alert-no-requests"
    [rules.many]
    kind = "threshold"
    title = "Many requests"
    figure = "requests"
    above = 15.0
    clears_at = 10.0
    over_minutes = 15.0
    least_count = 30
    by_version = true
    certain = false
    for_minutes = 0.0
    clear_minutes = 0.0
    runbook = "alert-no-requests"
"""


def test_traffic_that_stops_is_below_its_limit_and_not_above_it_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, _TRAFFIC).pass_(20)
    assert world.of("few") == []
    assert [one.state for one in world.of("many")] == ["open"]
    world.pass_(20, each_minute=0)
    (few,) = world.of("few")
    assert few.open
    assert "Few requests on chatbot: 1.33 a minute (limit 5 a minute; 20 requests in the 15 minutes to" in few.sentence
    assert [one.state for one in world.of("many")] == ["closed"]
    assert [one["sentence"].split(" (")[0] for one in world.last.rules if one["rule"] == "few"] == [
        "Few requests on chatbot: 0 a minute"
    ]
    world.pass_(20)
    assert [one.state for one in world.of("few")] == ["closed"]
    world.now += timedelta(hours=2)
    world.look()
    assert world.status("few") == {"unknown"}, "nothing is scored any more: nobody knows"


def test_a_flood_that_the_metrics_job_cannot_keep_up_with_is_above_its_limit(tmp_path: Path) -> None:
    world = World(tmp_path, _TRAFFIC).pass_(10, each_minute=6)
    score(world.settings, requests(world.now, 30))
    score(world.settings, requests(world.now, 30, each_minute=20))
    world.now += timedelta(minutes=30)
    ran(world.settings, "score", world.now, waiting=1000)
    world.look()
    assert [one.state for one in world.of("many")] == ["open"]


def test_a_late_job_is_told_and_what_never_ran_is_not_late(tmp_path: Path) -> None:
    world = World(tmp_path).pass_(10)
    world.now += timedelta(minutes=25)
    ran(world.settings, "score", world.now, state="failed")
    world.look()
    world.now += timedelta(minutes=5)
    world.look()
    (alert,) = world.of("late_metrics_job")
    assert alert.state == "open"
    assert (
        "the job score last succeeded 30 minutes ago, at 02 Mar 12:10 UTC (limit 20 minutes; 2 good runs"
        in alert.sentence
    )
    assert alert.evidence["links"] == {"chart": {"page": "jobs", "query": {}}}
    assert world.of("late_drift_job") == []
    world.pass_(5)
    assert [one.state for one in world.of("late_metrics_job")] == ["closed"]


def test_an_endpoint_that_does_not_answer_twice_is_down(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.looker = AlertLooker(world.settings, EndpointClient(world.settings, timeout_seconds=5))
    world.look()
    assert world.status("endpoint_down") == {"unknown"}, "where no request ever was there is no endpoint yet"
    score(world.settings, requests(world.now - timedelta(minutes=5), 5))
    world.look()
    world.now += timedelta(seconds=30)
    world.look()
    (alert,) = world.of("endpoint_down")
    assert alert.open
    assert "Nothing answers at" in alert.sentence
    assert alert.evidence["links"]["rollback"]["page"] == "endpoints"
    world.looker = AlertLooker(world.settings, EndpointClient(world.settings, timeout_seconds=5))
    world.look()
    assert [one.state for one in world.of("endpoint_down")] == ["open"]
    assert world.status("endpoint_down") == {"breached"}, "a process that was started anew goes on with it"


def test_spend_over_the_months_budget_is_told_once_and_ends_with_the_month(tmp_path: Path) -> None:
    world = World(tmp_path, "[rules.budget]\nbudget_usd = 0.5\n").at_once(20)
    assert world.of("budget") == [], "0.40 USD"
    world.pass_(5, each_minute=10, cost_usd=lambda n: 0.02 if n % 2 else None)
    (alert,) = world.of("budget")
    assert alert.open
    assert (
        "have cost 0.90 USD this month (budget 0.50 USD; 425 answers with a price, 25 requests without"
        in alert.sentence
    )
    world.now = datetime.fromisoformat("2026-04-01T00:05:00+00:00")
    world.look()
    assert [one.state for one in world.of("budget")] == ["closed"]


def test_confirmed_drift_is_told_by_its_column_in_words_of_ours(tmp_path: Path) -> None:
    world = World(tmp_path).pass_(10)
    ann: dict[str, Any] = {"slice_key": "requester", "slice_value": "ann.smith", "q_value": 1e-9}
    append(
        world.settings,
        "drift_findings",
        [
            finding(world.now),
            finding(world.now, **ann),
            finding(world.now, "prompt_topics", value=None, value_compared=None),
            finding(world.now, "prompt_flagged", confirmed=False),
            finding(world.now, "response_flagged", n=20),
            finding(world.now - timedelta(days=3), "errors"),
        ],
    )
    world.now += timedelta(minutes=1)
    world.look()
    topics, length = sorted(world.of("drift"), key=lambda alert: alert.evidence["subject"] != "prompt_topics")
    assert len(world.of("drift")) == 2
    assert length.sentence == (
        "Drift on chatbot: Answers are longer: 212 tokens, usually 160 tokens (standardised difference 0.35, q 1e-06, "
        "300 requests beside 3,600, 3 windows in a row to 02 Mar 12:10 UTC; seen in 1 further parts of the traffic)."
    )
    assert "Drift on chatbot: Prompt topics changed (" in topics.sentence
    assert length.evidence["finding_id"] == "completion_tokens-1210-0"
    assert (length.evidence["links"]["chart"]["page"], length.evidence["links"]["chart"]["query"]["column"]) == (
        "drift",
        "completion_tokens",
    )
    rows = json.dumps([alert.evidence for alert in world.of("drift")], default=str) + length.sentence + topics.sentence
    assert "SECRETWORD" not in rows, "what people wrote leaves no finding"
    assert "ann.smith" not in rows, "nor does who wrote it"


def test_a_drift_that_goes_on_has_one_alert_and_ends_some_time_after_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    for _ in range(4):
        append(world.settings, "drift_findings", [finding(world.now + timedelta(minutes=EVERY))])
        world.pass_(5, each_minute=4)
        world.now += timedelta(minutes=1)
        world.look()
        world.now -= timedelta(minutes=1)
    (alert,) = world.of("drift")
    assert alert.state == "open"
    world.at_once(20, each_minute=4)
    assert [one.state for one in world.of("drift")] == ["open"], "clear from now on"
    world.at_once(25, each_minute=4)
    assert [one.state for one in world.of("drift")] == ["open"]
    world.at_once(5, each_minute=4)
    (alert,) = world.of("drift")
    assert (alert.state, alert.evidence["closed"]) == (
        "closed",
        "Drift: Answer length on chatbot: as usual again.",
    )


def _judged(world: World, until: datetime, *findings: dict[str, Any]) -> None:
    """What a run of the drift job leaves behind that judged all windows up to `until`."""
    append(world.settings, "drift_findings", list(findings))
    source = open_table(world.settings, "request_metrics")
    place = as_transactions(Position(int(source.version()), until), source)
    replace_once(open_table(world.settings, "drift_findings"), DRIFT_FINDINGS.schema.empty_table(), place)


def test_drift_that_is_judged_late_is_told_and_ends_with_later_windows(tmp_path: Path) -> None:
    world = World(tmp_path).at_once(60, each_minute=2)
    window_end = world.now - timedelta(minutes=45)
    _judged(world, window_end, finding(window_end))
    world.look()
    (alert,) = world.of("drift")
    assert alert.open
    assert "3 windows in a row to 02 Mar 12:15 UTC" in alert.sentence
    world.at_once(15, each_minute=2)
    assert world.status("drift") == {"breached"}, "no later window is judged yet"
    _judged(world, window_end + timedelta(minutes=20))
    world.look()
    assert world.status("drift") == {"within"}


def test_drift_says_nothing_of_now_where_the_last_judgement_is_hours_ago(tmp_path: Path) -> None:
    world = World(tmp_path).at_once(60, each_minute=2)
    _judged(world, world.now, finding(world.now))
    world.look()
    world.at_once(240, each_minute=1)
    assert (world.status("drift"), [one.state for one in world.of("drift")]) == ({"unknown"}, ["open"])


def test_drift_of_a_part_is_left_out_where_the_rule_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, "[rules.drift]\nslices = false\ncolumns = ['completion_tokens']\n").pass_(10)
    part = finding(world.now, slice_key="entity_version", slice_value="3")
    append(world.settings, "drift_findings", [part, finding(world.now, "prompt_topics")])
    world.now += timedelta(minutes=1)
    world.look()
    assert world.of("drift") == []
