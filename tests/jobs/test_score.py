"""The metrics job over a real lake with real, cheap scorers."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs import chunking
from jobs.errors import JobError, StillAtWork, UnexpectedFailure
from jobs.one_at_a_time import one_at_a_time
from jobs.rollups import ROLLUPS
from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.runs import runs
from lakehouse.status import read_status
from lakehouse.store import open_table, read_rows
from metrics.scoring import Scorers
from settings import Settings
from tests.jobs.request_rows import (
    NOON,
    add_requests,
    add_served_entity,
    chat_response,
    inference_row,
    inference_rows,
)


def readability_only(settings: Settings) -> ScoringTools:
    return ScoringTools(Scorers())


def never(settings: Settings) -> ScoringTools:
    raise AssertionError("the models were loaded")


def score(settings: Settings, load: Callable[[Settings], ScoringTools] = readability_only) -> Any:
    return run_score(settings, once=True, load=load)


def scored(settings: Settings) -> dict[str, dict[str, Any]]:
    """Rows of request_metrics by id, after checking that each id is there once."""
    rows = read_rows(open_table(settings, "request_metrics")).to_pylist()
    counts = Counter(row["databricks_request_id"] for row in rows)
    assert set(counts.values()) <= {1}, counts.most_common(3)
    return {row["databricks_request_id"]: {**row, "unscored": dict(row["unscored"] or [])} for row in rows}


def derived_versions(settings: Settings) -> list[int]:
    names = ["request_metrics", *(rollup.table for rollup in ROLLUPS)]
    return [open_table(settings, name).version() for name in names]


def requests_rolled_up(settings: Settings, table: str = "metrics_minute") -> int:
    rows = read_rows(open_table(settings, table)).to_pylist()
    return sum(row["n"] for row in rows if row["metric"] == "databricks_request_id")


def test_new_rows_are_scored_once_and_a_second_run_changes_nothing(settings: Settings) -> None:
    add_served_entity(settings)
    add_requests(settings, inference_rows(0, 7))
    add_requests(settings, inference_rows(7, 5))
    progress = score(settings)
    rows = scored(settings)
    assert len(rows) == 12
    assert {(row["endpoint_name"], row["entity_name"], row["entity_version"]) for row in rows.values()} == {
        ("chatbot", "prod.chatbot", "1")
    }
    assert all(row["response_fk_grade"] is not None for row in rows.values())
    assert (progress.rows_read, progress.rows_scored, progress.rows_waiting) == (12, 12, 0)
    assert [requests_rolled_up(settings, rollup.table) for rollup in ROLLUPS] == [12] * len(ROLLUPS)
    before = derived_versions(settings)
    assert score(settings, load=never).rows_read == 0
    assert derived_versions(settings) == before


def test_the_run_is_written_down_with_what_it_did(settings: Settings) -> None:
    add_requests(settings, [*inference_rows(0, 3), inference_row("bad", request="{", response=None)])
    run_score(settings, once=True, trigger="request", request_id="wish-1", load=readability_only)
    (run,) = runs(settings, "score")
    assert (run["state"], run["trigger"], run["request_id"], run["error"]) == ("succeeded", "request", "wish-1", None)
    assert (run["rows_read"], run["rows_scored"], run["rows_unscored"], run["rows_duplicate"]) == (4, 3, 1, 0)
    assert (run["from_version"], run["to_version"], run["rows_waiting"]) == (None, 1, 0)
    stages = {"find", "read", "deduplicate", "load_models", "look_up", "score", "append", "remember", "roll_up"}
    assert set(run["stage_seconds"]) == stages
    assert any(reason.startswith("response_fk_grade: ") for reason in run["unscored_reasons"])
    assert run["newest_request_time"] == NOON + timedelta(seconds=2)
    status = read_status(settings, "score")
    assert status is not None
    assert status["state"] == "succeeded"


def test_duplicates_in_a_commit_across_commits_and_at_the_border_of_a_day_become_one_row(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "FIRST_PIECE_ROWS", 2)
    monkeypatch.setattr(chunking, "GROUP_ROWS", 4)
    midnight = datetime(2026, 5, 5, tzinfo=UTC)
    border = [
        inference_row("border", request_time=midnight - timedelta(microseconds=1)),
        inference_row("border", request_time=midnight),
    ]
    add_requests(settings, [*inference_rows(0, 3), *inference_rows(1, 2), border[1]])
    score(settings)
    add_requests(settings, [*inference_rows(0, 4), border[0]])
    add_requests(settings, [*inference_rows(2, 4), inference_row("r5")])
    progress = score(settings)
    assert set(scored(settings)) == {"r0", "r1", "r2", "r3", "r4", "r5", "border"}
    assert (progress.rows_read, progress.rows_duplicate) == (10, 7)
    assert requests_rolled_up(settings) == 7


BAD_BODIES: dict[str, dict[str, Any]] = {
    "cut off": {"request": '{"messages": [{"role"', "response": '{"choices": ['},
    "not json": {"request": "hello", "response": "<html>502</html>"},
    "a number": {"request": "1e999", "response": "17"},
    "a list": {"request": "[[[]]]", "response": "[null]"},
    "too deep": {"request": "[" * 100_000, "response": '{"a":' * 50_000},
    "null payloads": {"request": None, "response": None},
    "too large for the log": {"response": None, "logging_error_codes": ["MAX_RESPONSE_SIZE_EXCEEDED"]},
    "empty": {"request": "", "response": ""},
    "empty answer": {"response": chat_response("")},
    "no text but a tool call": {"response": chat_response(None)},
    "control characters": {"response": chat_response("\x00\x07\x1b[31m\u202e\ufeff\x7f")},
    "emoji only": {"response": chat_response("🙂🙃👩‍👩‍👧‍👦🇩🇪")},
    "lone surrogate": {"response": '{"choices":[{"message":{"content":"a \\ud800 b. This goes on."}}]}'},
    "chinese": {"response": chat_response("你好，我可以帮助你启动网关。请运行这个命令，然后等待。")},
    "german": {"response": chat_response("Bitte starten Sie das Gateway und warten Sie einen Augenblick.")},
    "failed": {"status_code": 500, "response": '{"error_code": "INTERNAL_ERROR"}'},
    "status unknown": {"status_code": None},
    "no entity": {"served_entity_id": None},
    "unknown entity": {"served_entity_id": "nobody"},
    "negative duration": {"execution_duration_ms": -5},
}


def test_rows_that_cannot_be_scored_are_kept_with_a_reason_and_harm_no_other(settings: Settings) -> None:
    add_served_entity(settings)
    bad = [inference_row(name, **columns) for name, columns in BAD_BODIES.items()]
    add_requests(settings, [inference_row("before"), *bad, inference_row("after")])
    progress = score(settings)
    rows = scored(settings)
    assert set(rows) == {"before", "after", *BAD_BODIES}
    assert progress.rows_scored + progress.rows_unscored == len(rows)
    for name in ("before", "after"):
        assert rows[name]["response_fk_grade"] == pytest.approx(rows["no entity"]["response_fk_grade"], abs=5)
        assert "response_fk_grade" not in rows[name]["unscored"]
    for row in rows.values():
        for metric in ("response_fk_grade", "response_perplexity", "response_toxicity", "cost_usd"):
            assert (row[metric] is None) == bool(row["unscored"].get(metric)), (row["databricks_request_id"], metric)
    for name in ("cut off", "not json", "too deep", "null payloads", "failed", "emoji only"):
        assert rows[name]["response_fk_grade"] is None, name
    assert requests_rolled_up(settings) == len(rows)


def test_texts_of_ten_megabytes_are_kept_and_harm_no_other(settings: Settings) -> None:
    large = "The gateway waits for the worker. " * 300_000
    add_requests(settings, [inference_row("large", response=chat_response(large)), inference_row("small")])
    score(settings)
    rows = scored(settings)
    assert rows["large"]["response_chars"] == len(large)
    assert rows["small"]["response_fk_grade"] is not None


def test_rows_without_an_id_get_one_that_stays(settings: Settings) -> None:
    add_requests(settings, [inference_row(None), inference_row(None, request=None), inference_row("")])
    score(settings)
    ids = set(scored(settings))
    assert len(ids) == 3
    assert all(ids)
    add_requests(settings, inference_rows(0, 1))
    score(settings)
    assert set(scored(settings)) == ids | {"r0"}


def test_wrong_clocks_are_kept_and_named_and_do_not_make_old_data_look_fresh(settings: Settings) -> None:
    times = {
        "right": NOON - timedelta(days=200),
        "epoch": datetime(1970, 1, 1, tzinfo=UTC),
        "future": datetime(2150, 1, 1, tzinfo=UTC),
    }
    add_requests(settings, [inference_row(name, request_time=time) for name, time in times.items()])
    progress = score(settings)
    rows = scored(settings)
    assert {name: row["request_time"] for name, row in rows.items()} == times
    assert {name: row["unscored"].get("request_time") for name, row in rows.items()} == {
        "right": None,
        "epoch": "the request's time is before 2015",
        "future": "the request's time is in the future",
    }
    assert progress.newest_request_time == times["right"]
    assert requests_rolled_up(settings) == 3


def test_a_run_without_time_left_still_gets_on_and_says_what_is_waiting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "FIRST_PIECE_ROWS", 10)
    add_requests(settings, inference_rows(0, 25))
    hurried = settings.model_copy(update={"score_budget_seconds": 1e-6})
    left = []
    for _ in range(3):
        progress = run_score(hurried, load=readability_only)
        left.append(progress.rows_waiting)
    assert left == [15, 5, 0]
    assert len(scored(settings)) == 25
    assert requests_rolled_up(settings) == 25


def test_a_rival_on_another_machine_takes_nothing_away_and_adds_nothing_twice(settings: Settings) -> None:
    add_requests(settings, inference_rows(0, 6))
    elsewhere = settings.model_copy(update={"home": settings.home / "elsewhere", "lake_uri": settings.lake})
    rivals = []

    def overtaken(_: Settings) -> ScoringTools:
        # The first run has read its snapshot; now the rival does all of its work, and new rows come.
        rivals.append(run_score(elsewhere, once=True, load=readability_only))
        add_requests(settings, inference_rows(6, 2))
        return readability_only(settings)

    progress = score(settings, load=overtaken)
    assert rivals[0].rows_scored == 6
    assert progress.rows_scored == 2
    assert set(scored(settings)) == {f"r{number}" for number in range(8)}
    assert requests_rolled_up(settings) == 8


def test_a_failed_run_says_so_in_one_sentence_and_the_next_one_goes_on(settings: Settings) -> None:
    add_requests(settings, inference_rows(0, 3))

    def no_models(_: Settings) -> ScoringTools:
        raise JobError("The models are missing; prepare them.")

    with pytest.raises(JobError, match="prepare them"):
        score(settings, load=no_models)
    assert [(run["state"], run["error"]) for run in runs(settings)] == [
        ("failed", "The models are missing; prepare them.")
    ]
    score(settings)
    assert len(scored(settings)) == 3


def test_an_unexpected_error_is_written_down_without_what_it_says(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    add_requests(settings, inference_rows(0, 1))

    def broken(_: Settings) -> ScoringTools:
        raise RuntimeError("prompt".upper())

    with pytest.raises(UnexpectedFailure, match="RuntimeError"):
        score(settings, load=broken)
    (run,) = runs(settings)
    assert run["state"] == "failed"
    assert "RuntimeError" in run["error"]
    captured = capfd.readouterr()
    assert "test_score.py" in captured.err
    assert "PROMPT" not in json.dumps(run, default=str) + captured.err + captured.out


def test_a_scheduled_run_leaves_the_work_to_the_one_that_has_it(settings: Settings) -> None:
    with one_at_a_time(settings, "score", 0), pytest.raises(StillAtWork, match="is running score"):
        run_score(settings, trigger="schedule", load=never)
    assert runs(settings) == []


def test_an_empty_workspace_is_no_error(settings: Settings) -> None:
    assert score(settings, load=never).rows_read == 0
    assert [run["state"] for run in runs(settings)] == ["succeeded"]
