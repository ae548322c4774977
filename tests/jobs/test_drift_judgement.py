import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs import drift_findings
from jobs.drift_judgement import PromptsNotRead, judge_closed_windows, judge_past
from lakehouse.errors import CommitConflict
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.judged_requests import DAY, FIVE, NOON, deliver, deliver_bodies, history, requests, windows


def findings(settings: Settings, **wanted: Any) -> list[dict[str, Any]]:
    rows = read_rows(open_table(settings, "drift_findings")).to_pylist()
    rows = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return sorted(rows, key=lambda row: (row["window_start"], row["column_name"], row["slice_value"] or ""))


def slower(n: int) -> list[int]:
    return (1.6 * np.exp(np.random.default_rng(9).normal(6.5, 0.5, n))).astype(int).tolist()


def three_windows(**columns: Any) -> Any:
    return requests([NOON + place * FIVE for place in range(3)], seed=1, **columns)


def test_a_slowdown_is_found_and_told_with_what_shows_it(settings: Settings) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))
    assert judge_closed_windows(settings, windows(NOON, 3)) > 0
    told = findings(settings, confirmed=True)
    assert {(row["column_name"], row["slice_key"]) for row in told} == {("execution_duration_ms", None)}
    last = told[-1]
    assert (last["window_start"], last["window_end"]) == (NOON + 2 * FIVE, NOON + 3 * FIVE)
    assert (last["endpoint_name"], last["granularity"], last["drift_type"]) == ("chatbot", "5 minutes", "BASELINE")
    assert last["windows_in_a_row"] == 3
    assert last["q_value"] <= 1e-4
    assert last["effect"] == pytest.approx(1.6, abs=0.15)
    assert last["sentence"].startswith("Answers take longer by ")
    evidence = json.loads(last["evidence"])
    histogram = evidence["histogram"]
    assert sum(histogram["now"]) == pytest.approx(300, abs=20)
    assert len(histogram["edges"]) == len(histogram["now"]) + 1 == len(histogram["compared"]) + 1
    assert len(evidence["window_cmp"]) == 7
    assert evidence["window_cmp"][-1] == [
        (NOON - DAY - 4 * FIVE).isoformat(),
        (NOON - DAY + 9 * FIVE).isoformat(),
    ]
    assert evidence["power"] > 0.9
    mine = set(three_windows()["databricks_request_id"].to_pylist())
    assert len(evidence["examples"]) == 5
    assert set(evidence["examples"]) <= mine


def test_a_cause_in_all_requests_is_not_told_again_for_each_slice(settings: Settings) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))
    judge_closed_windows(settings, windows(NOON, 3))
    slices = [row for row in findings(settings) if row["slice_key"] is not None]
    assert {row["slice_key"] for row in slices} == {"entity_version", "requester"}
    of_told = {row["window_start"] for row in findings(settings, confirmed=True)}
    assert not any(row["confirmed"] for row in slices if row["window_start"] in of_told)


def test_what_only_one_version_does_is_told_of_that_version(settings: Settings) -> None:
    rows = three_windows()
    latency = rows["execution_duration_ms"].to_pylist()
    versions = rows["entity_version"].to_pylist()
    mixed = [int(value * (1.15 if version == "1" else 0.85)) for value, version in zip(latency, versions, strict=True)]
    mixed = [int(value * 2) if version == "2" else value for value, version in zip(mixed, versions, strict=True)]
    deliver(settings, requests(history(8, NOON), count=120), three_windows(execution_duration_ms=mixed))
    judge_closed_windows(settings, windows(NOON, 3))
    told = findings(settings, column_name="execution_duration_ms", slice_value="2")
    assert told[-1]["sentence"].startswith("In version 2: Answers take longer by ")
    assert not findings(settings, column_name="execution_duration_ms", slice_value="1", confirmed=True)


def test_usual_windows_have_no_confirmed_finding(settings: Settings) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows())
    judge_closed_windows(settings, windows(NOON - 3 * FIVE, 6))
    assert findings(settings, confirmed=True) == []


def test_judging_again_adds_nothing_and_late_requests_make_sure_what_was_only_seen(settings: Settings) -> None:
    late = three_windows(execution_duration_ms=slower)
    deliver(settings, requests(history(8, NOON)), late.filter(late["entity_version"].is_valid()).slice(0, 100))
    first = judge_closed_windows(settings, windows(NOON, 3))
    assert first > 0
    assert judge_closed_windows(settings, windows(NOON, 3)) == 0
    assert not findings(settings, confirmed=True)
    deliver(settings, late.slice(100))
    assert judge_closed_windows(settings, windows(NOON, 3)) > 0
    assert findings(settings, confirmed=True)
    ids = [row["finding_id"] for row in findings(settings)]
    assert len(ids) == len(set(ids))
    assert judge_closed_windows(settings, windows(NOON, 3)) == 0


def test_windows_in_a_row_go_on_from_what_was_written_before(settings: Settings) -> None:
    starts = [NOON + place * FIVE for place in range(6)]
    deliver(settings, requests(history(8, NOON, after=9)), requests(starts, seed=1, execution_duration_ms=slower))
    for place in range(6):
        judge_closed_windows(settings, windows(starts[place], 1))
    rows = findings(settings, column_name="execution_duration_ms", slice_key=None)
    assert [row["windows_in_a_row"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_flags_of_another_scorer_are_no_drift(settings: Settings) -> None:
    flagged = three_windows(response_toxicity=0.9, toxicity_scorer="detoxify/2")
    deliver(settings, requests(history(8, NOON)), flagged)
    judge_closed_windows(settings, windows(NOON, 3))
    assert findings(settings, column_name="response_flagged") == []


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_flags_are_judged_by_the_threshold_of_the_settings(settings: Settings, share: float) -> None:
    def toxicity(n: int) -> list[float]:
        return np.where(np.random.default_rng(3).random(n) < share, 0.9, 0.01).tolist()

    deliver(settings, requests(history(8, NOON)), three_windows(response_toxicity=toxicity))
    judge_closed_windows(settings, windows(NOON, 3))
    told = findings(settings, column_name="response_flagged", confirmed=True)
    assert bool(told) == (share == 0.2)
    if told:
        assert json.loads(told[-1]["evidence"])["histogram"]["labels"] == ["not flagged", "flagged"]
        assert told[-1]["sentence"].startswith("More answers are flagged: ")
    assert judge_closed_windows(settings.model_copy(update={"toxicity_threshold": 0.95}), windows(NOON, 3)) == 0


def test_hours_are_judged_where_five_minutes_are_too_thin(settings: Settings) -> None:
    hours = [NOON - day * DAY + timedelta(hours=step) for day in range(7, 0, -1) for step in range(-3, 2)]
    thin = [hour + place * FIVE for hour in hours for place in range(12)]
    now = [NOON + place * FIVE - timedelta(hours=2) for place in range(36)]
    deliver(settings, requests(thin, count=20), requests(now, count=20, seed=1, execution_duration_ms=slower))
    assert judge_closed_windows(settings, windows(NOON + 9 * FIVE, 3)) == 0
    hour = [("1 hour", NOON - timedelta(hours=2 - place), NOON - timedelta(hours=1 - place)) for place in range(3)]
    assert judge_closed_windows(settings, hour) > 0
    told = findings(settings, confirmed=True, slice_key=None)
    told = findings(settings, confirmed=True)
    assert {(row["column_name"], row["granularity"]) for row in told} == {("execution_duration_ms", "1 hour")}
    assert {row["slice_key"] for row in told} == {None}


def test_an_hour_of_a_small_slice_is_not_told_where_five_minutes_told_of_everything(settings: Settings) -> None:
    hours = [NOON - day * DAY + timedelta(hours=step) for day in range(4, 0, -1) for step in range(-1, 4)]
    dense = [hour + place * FIVE for hour in hours for place in range(12)]
    few = {"entity_version": lambda n: (["1", "2", "1", "1", "1"] * n)[:n], "requester": "app", "count": 60}
    now = [NOON + place * FIVE for place in range(24)]
    deliver(settings, requests(dense, **few), requests(now, seed=1, execution_duration_ms=slower, **few))
    both = [("1 hour", NOON + timedelta(hours=place), NOON + timedelta(hours=place + 1)) for place in range(2)]
    judge_closed_windows(settings, [*windows(NOON, 24), *both])
    hourly = findings(settings, granularity="1 hour", column_name="execution_duration_ms")
    assert {row["slice_value"] for row in hourly} == {"1", "2"}
    assert not any(row["confirmed"] for row in hourly)
    assert len(findings(settings, granularity="5 minutes", confirmed=True, slice_key=None)) >= 20


def test_a_dry_run_over_the_past_writes_nothing(settings: Settings) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))
    found = judge_past(settings, NOON - 3 * FIVE, NOON + 3 * FIVE)
    told = {(row["column_name"], row["window_start"]) for row in found if row["confirmed"]}
    assert told <= {("execution_duration_ms", NOON + FIVE), ("execution_duration_ms", NOON + 2 * FIVE)}
    assert told
    assert findings(settings) == []


def test_a_rival_that_judges_at_once_doubles_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))
    append_once, rivals = drift_findings.append_once, []

    def after_a_rival(*arguments: Any, **named: Any) -> int:
        if not rivals:
            rivals.append(True)
            rivals.append(judge_closed_windows(settings, windows(NOON, 3)))
        return append_once(*arguments, **named)

    monkeypatch.setattr(drift_findings, "append_once", after_a_rival)
    assert judge_closed_windows(settings, windows(NOON, 3)) == 0
    assert rivals[1] == len(findings(settings)) > 0


def test_a_writer_that_always_loses_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))

    def lost(*_: Any, **__: Any) -> int:
        raise CommitConflict("A rival's commit won.")

    monkeypatch.setattr(drift_findings, "append_once", lost)
    with pytest.raises(CommitConflict):
        judge_closed_windows(settings, windows(NOON, 3))


def test_nothing_is_judged_where_there_is_nothing(settings: Settings) -> None:
    assert judge_closed_windows(settings, windows(NOON, 3)) == 0
    assert judge_closed_windows(settings, [("1 day", NOON, NOON + DAY)]) == 0
    assert judge_closed_windows(settings, []) == 0


SUBJECTS = ("gateway", "token", "alias", "window", "rollup", "table", "version", "endpoint", "worker", "chart")
OPENINGS = ("How do I start", "Where is", "Please explain", "What does it cost to keep", "Why did you stop", "Show me")
NEW = ("a refund for my order", "the invoice of my order", "a refund without an invoice", "my unpaid invoice")


def prompts(n: int, seed: int, new: float) -> list[str]:
    random = np.random.default_rng(seed)
    made = []
    for number in range(n):
        what = " ".join(random.choice(SUBJECTS, 3))
        about = str(random.choice(NEW)) if random.random() < new else f"the {what}"
        made.append(f"{random.choice(OPENINGS)} {about}? Write to person{number}@secret.example, please.")
    return made


@pytest.mark.parametrize("new", [0.0, 0.2])
def test_a_new_topic_is_found_and_named_without_anybodys_address(settings: Settings, new: float) -> None:
    usual, now = requests(history(5, NOON), count=60), requests([NOON + place * FIVE for place in range(3)], seed=1)
    deliver(settings, usual, now)
    deliver_bodies(settings, usual, prompts(usual.num_rows, 2, 0.0))
    deliver_bodies(settings, now, prompts(now.num_rows, 3, new))
    judge_closed_windows(settings, windows(NOON, 3))
    told = findings(settings, column_name="prompt_topics", confirmed=True)
    assert bool(told) == (new > 0)
    if told:
        evidence = json.loads(told[-1]["evidence"])
        words = [word for word, *_ in evidence["terms"]]
        assert {"refund", "invoice"} <= set(words)
        assert "secret" not in told[-1]["evidence"] + told[-1]["sentence"]
        assert told[-1]["value"] == pytest.approx(0.2, abs=0.05)
        assert len(evidence["examples"]) == 5
        assert "refund" in told[-1]["sentence"]
        every = {one["window_start"]: one for one in findings(settings, column_name="prompt_topics")}
        assert [every[NOON + place * FIVE]["windows_in_a_row"] for place in range(3)] == [1, 2, 3]
        # One test a window, which the family's correction is not made for.
        assert {one["q_value"] for one in every.values()} == {None}


def test_a_topic_goes_on_from_what_was_written_and_breaks_where_it_was_not_seen(settings: Settings) -> None:
    new = (0.5, 0.5, 0.5, 0.0, 0.5)
    usual = requests(history(5, NOON), count=60)
    deliver(settings, usual)
    deliver_bodies(settings, usual, prompts(usual.num_rows, 2, 0.0))
    rows = [requests([NOON + place * FIVE], seed=place + 1) for place in range(len(new))]
    deliver(settings, *rows)
    for place, share in enumerate(new):
        deliver_bodies(settings, rows[place], prompts(rows[place].num_rows, 3 + place, share))
        judge_closed_windows(settings, windows(NOON + place * FIVE, 1))
    found = {one["window_start"]: one for one in findings(settings, column_name="prompt_topics")}
    in_a_row = {place: found[NOON + place * FIVE]["windows_in_a_row"] for place in (0, 1, 2, 4)}
    assert in_a_row == {0: 1, 1: 2, 2: 3, 4: 1}
    assert NOON + 3 * FIVE not in found


def test_prompts_whose_bodies_are_gone_are_no_drift(settings: Settings) -> None:
    deliver(
        settings, requests(history(5, NOON), count=60), requests([NOON + place * FIVE for place in range(3)], seed=1)
    )
    judge_closed_windows(settings, windows(NOON, 3))
    assert findings(settings, column_name="prompt_topics") == []


def test_bodies_that_cannot_be_read_keep_no_other_finding_from_being_told(settings: Settings) -> None:
    write_deltalake(f"{settings.lake}/inference_table", pa.table({"something": ["else"]}))
    deliver(settings, requests(history(8, NOON)), three_windows(execution_duration_ms=slower))
    with pytest.raises(PromptsNotRead, match="not of what prompts are about"):
        judge_closed_windows(settings, windows(NOON, 3))
    assert findings(settings, column_name="execution_duration_ms", confirmed=True)
