"""The figures of jobs, alerts and drift: what they say, where they stand, and that nothing delays anybody."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs.figures import FigureExport, figures_path, main, write_figures
from jobs.job_figures import JobFigures
from lakehouse.appends import append
from lakehouse.runs import finish_run, request_run, start_run
from registry.alerts import close_alert, open_alert
from serving.errors import TelemetryFailed
from serving.figures import Sample, gauge
from settings import Settings, get_settings
from tests.serving.collector import collecting

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def values(settings: Settings, now: datetime = NOW) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    return {
        " ".join([family.name.removeprefix("lakehelm_"), *one.labels.values()]): one.value
        for family in JobFigures(settings).families(now)
        for one in family.samples
    }


def test_an_empty_workspace_has_no_runs_and_no_alerts(settings: Settings) -> None:
    assert values(settings) == {"job_requests_waiting": 0, "figures_written_timestamp_seconds": NOW.timestamp()}


def test_the_newest_run_of_each_job_is_told(settings: Settings) -> None:
    for state, read in (("succeeded", 40), ("failed", 7)):
        run = start_run(settings, "score", "schedule")
        finish_run(settings, run, state, rows_read=read, rows_waiting=3, stage_seconds={"read": 0.5, "score": 2.25})
    start_run(settings, "compact", "schedule")
    request_run(settings, "score", {}, "ana")
    found = values(settings)
    assert found["job_last_run_succeeded score"] == 0
    assert found["job_last_rows score read"] == 7
    assert found["job_last_rows score waiting"] == 3
    assert found["job_last_stage_seconds score score"] == 2.25
    assert found["job_running score"] == 0
    assert found["job_running compact"] == 1
    assert "job_last_run_succeeded compact" not in found
    assert found["job_requests_waiting"] == 1
    assert found["job_last_success_timestamp_seconds score"] < found["job_last_start_timestamp_seconds score"]
    assert 0 <= found["job_last_duration_seconds score"] < 60


def test_alerts_are_counted_by_state_and_a_silence_ends_by_itself(settings: Settings) -> None:
    about: dict[str, Any] = {"endpoint_name": "chatbot", "entity_name": "m", "sentence": "…", "severity": "critical"}
    for version in ("1", "2"):
        open_alert(settings, rule="errors", entity_version=version, time=NOW, **about)
    closed = open_alert(settings, rule="latency", entity_version="1", time=NOW, **about)
    close_alert(settings, closed, time=NOW + timedelta(minutes=1))
    silenced = {"alert_id": "s", "rule": "spend", "severity": None, "sentence": "…", "evidence": "{}"}
    until = NOW + timedelta(hours=1)
    append(settings, "alert_events", [{**silenced, "state": "silenced", "time": NOW, "silenced_until": until}])
    found = values(settings)
    assert found["alerts open critical errors"] == 2
    assert found["alerts silenced  spend"] == 1
    assert not any("latency" in name for name in found)
    assert values(settings, until)["alerts open  spend"] == 1


def test_messages_that_wait_and_drift_that_was_confirmed_are_counted(settings: Settings) -> None:
    sent = {"alert_id": "a", "alert_state": "open", "event_time": NOW, "channel": "webhook"}
    failed = {**sent, "state": "failed", "attempt": 1, "time": NOW, "next_try_at": NOW + timedelta(minutes=1)}
    arrived = {**sent, "delivery_id": "2", "state": "delivered", "attempt": 2, "time": NOW + timedelta(minutes=1)}
    rows = [{**failed, "delivery_id": "1"}, {**failed, "delivery_id": "2"}, arrived]
    append(settings, "alert_deliveries", [*rows, {**failed, "delivery_id": "3", "state": "given_up"}])
    window = timedelta(minutes=5)
    finding = {"endpoint_name": "chatbot", "column_name": "errors", "confirmed": True}
    findings = [
        {
            **finding,
            "finding_id": str(back),
            "window_start": NOW - back * window,
            "window_end": NOW - (back - 1) * window,
        }
        for back in (1, 2, 40)
    ]
    again, suspected = {**findings[0], "finding_id": "again"}, {**findings[0], "finding_id": "s", "confirmed": False}
    append(settings, "drift_findings", [*findings, again, {**suspected, "column_name": "response_chars"}])
    found = values(settings)
    assert found["alert_deliveries_waiting webhook"] == 1
    assert found["drift_confirmed_windows chatbot errors"] == 2
    assert not any("response_chars" in name for name in found)


def test_a_table_that_did_not_change_is_not_read_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_run(settings, start_run(settings, "score", "schedule"), "succeeded")
    figures = JobFigures(settings)
    first = figures.families(NOW)
    read: list[str] = []
    monkeypatch.setattr("jobs.job_figures._newest_runs", lambda table: read.append("runs"))
    assert figures.families(NOW) == first
    assert read == []


def test_the_file_is_replaced_whole(settings: Settings) -> None:
    path = write_figures(settings, [gauge("a", "…", [Sample(1)])])
    assert path == figures_path(settings) == settings.home / "metrics" / "lakehelm.prom"
    write_figures(settings, [gauge("b", "…", [Sample(2)])])
    assert path.read_text() == "# HELP b …\n# TYPE b gauge\nb 2\n"
    assert [file.name for file in path.parent.iterdir()] == ["lakehelm.prom"]


def test_the_export_writes_and_sends_beside_whatever_else_runs(settings: Settings) -> None:
    finish_run(settings, start_run(settings, "score", "schedule"), "succeeded", rows_read=5)
    with collecting() as collector:
        collector.hangs.set()
        export = FigureExport(settings.model_copy(update={"telemetry_url": collector.address}), every_seconds=0.02)
        export.start()
        collector.wait_for(1)
        # The collector hangs, and the file is written all the same.
        before = figures_path(settings).stat().st_mtime_ns
        deadline = datetime.now(UTC) + timedelta(seconds=20)
        while figures_path(settings).stat().st_mtime_ns == before and datetime.now(UTC) < deadline:
            pass
        assert figures_path(settings).stat().st_mtime_ns > before
        collector.hangs.clear()
        collector.goes_on.set()
        collector.wait_for(3)
        export.stop()
        assert collector.values()["lakehelm_job_last_rows"] == 5


def test_a_folder_that_cannot_be_written_is_logged_once(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.ERROR, "jobs.figures")
    (settings.home / "metrics").write_text("a file where the folder should be")
    export = FigureExport(settings, every_seconds=0.0)
    turns = iter([False, False, False, True])
    monkeypatch.setattr(export._stopping, "is_set", lambda: next(turns))
    export._write_for_ever()
    assert "could not be written" in export.problem or "File exists" in export.problem
    assert len(caplog.records) == 1


def test_the_command_prints_and_sends(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("LAKEHELM_HOME", str(settings.home))
        monkeypatch.setenv("LAKEHELM_TELEMETRY_URL", collector.address)
        get_settings.cache_clear()
        try:
            assert main([]) == 0
            assert capsys.readouterr().out == figures_path(settings).read_text()
            assert json.loads(collector.bodies[0])["resourceMetrics"]
            collector.status = 500
            with pytest.raises(TelemetryFailed):
                main([])
        finally:
            get_settings.cache_clear()


def test_the_scheduler_takes_nothing_heavy_in_for_them() -> None:
    heavy = "{'pandas', 'mlflow', 'fastapi', 'uvicorn', 'streamlit', 'aiohttp'}"
    code = f"import sys, jobs.figures; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
