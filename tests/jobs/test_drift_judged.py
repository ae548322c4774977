from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import jobs.drift_judgement
from jobs import drift
from jobs.drift import run_drift
from jobs.drift_judgement import PromptsNotRead
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.drift_requests import deliver, requests

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)

Windows = list[tuple[str, datetime, datetime]]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Windows:
    """The windows that are given to the judgement, which goes on as always."""
    seen: Windows = []
    judge = jobs.drift_judgement.judge_closed_windows

    def watched(settings: Settings, windows: Windows) -> int:
        seen.extend((name, start, end) for name, start, end in windows)
        return judge(settings, windows)

    monkeypatch.setattr(jobs.drift_judgement, "judge_closed_windows", watched)
    return seen


def run(settings: Settings, until: datetime) -> drift.DriftProgress:
    return run_drift(settings, now=until + timedelta(seconds=1), until=until)


def five_minutes(seen: Windows) -> list[datetime]:
    found = [start for granularity, start, _ in seen if granularity == "5 minutes"]
    seen.clear()
    return found


def test_each_window_is_judged_once_and_again_when_late_rows_change_it(settings: Settings, judged: Windows) -> None:
    deliver(settings, requests(60, NOON, 2 * HOUR))
    run(settings, NOON + 2 * HOUR)
    # The first time only the last hour: nobody wants to be told of what was long ago.
    assert five_minutes(judged) == [NOON + HOUR + number * MINUTES for number in range(12)]
    run(settings, NOON + 2 * HOUR)
    assert five_minutes(judged) == []
    deliver(settings, requests(1, NOON + 30 * timedelta(minutes=1), MINUTES, 1))
    run(settings, NOON + 2 * HOUR + MINUTES)
    assert five_minutes(judged) == [NOON + 30 * timedelta(minutes=1), NOON + 2 * HOUR]


def test_windows_whose_judgement_failed_are_judged_by_the_next_run(
    settings: Settings, judged: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(settings, requests(60, NOON, HOUR))
    with monkeypatch.context() as patch:

        def broken(*_: Any) -> int:
            raise KeyboardInterrupt

        patch.setattr(jobs.drift_judgement, "judge_closed_windows", broken)
        with pytest.raises(KeyboardInterrupt):
            run(settings, NOON + HOUR)
    run(settings, NOON + HOUR + MINUTES)
    assert len(five_minutes(judged)) == 12


def test_windows_whose_prompts_cannot_be_read_are_not_judged_again_and_again(
    settings: Settings, judged: Windows
) -> None:
    write_deltalake(f"{settings.lake}/inference_table", pa.table({"something": ["else"]}))
    for number in range(36):
        deliver(settings, requests(60, NOON + number * MINUTES, MINUTES, number))
    with pytest.raises(PromptsNotRead):
        run(settings, NOON + 36 * MINUTES)
    assert len(five_minutes(judged)) == 12
    assert runs(settings, "drift")[0]["state"] == "failed"
    deliver(settings, requests(60, NOON + 36 * MINUTES, MINUTES, 36))
    with pytest.raises(PromptsNotRead):
        run(settings, NOON + 37 * MINUTES)
    assert five_minutes(judged) == [NOON + 36 * MINUTES]


def test_slow_answers_become_a_finding_that_is_confirmed(settings: Settings) -> None:
    usual: dict[str, Any] = {"requester": [f"person{number}@g{number % 40}.example" for number in range(300)]}
    for number in range(36):
        deliver(settings, requests(300, NOON + number * MINUTES, MINUTES, number, **usual))
    run(settings, NOON + 36 * MINUTES)
    assert [row for row in findings(settings) if row["confirmed"]] == []
    for number in range(36, 39):
        rows = requests(300, NOON + number * MINUTES, MINUTES, number, **usual)
        slow = [2 * value for value in rows["execution_duration_ms"].to_pylist()]
        deliver(settings, requests(300, NOON + number * MINUTES, MINUTES, number, execution_duration_ms=slow, **usual))
        progress = run(settings, NOON + (number + 1) * MINUTES)
    assert progress.sentence().startswith("Computed ")
    told = [row for row in findings(settings) if row["confirmed"]]
    assert {row["column_name"] for row in told} == {"execution_duration_ms"}
    assert all(row["window_start"] >= NOON + 36 * MINUTES for row in told)


def findings(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_rows(open_table(settings, "drift_findings")).to_pylist()
    return rows
