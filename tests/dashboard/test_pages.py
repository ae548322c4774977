"""Every page opens, says what it is, and stays whole when something is missing or broken."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.auth import current_actor
from lakehouse.runs import pending_requests
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import PAGES, Month

TITLES = {
    "overview": "Overview",
    "alerts": "Alerts",
    "endpoints": "Endpoints",
    "promotion": "Promotion",
    "pipeline": "Pipeline",
    "quality": "Quality",
    "safety": "Safety",
    "drift": "Drift",
    "traffic": "Traffic",
    "cost": "Cost",
    "requests": "Requests",
    "ledger": "Ledger",
    "incident": "Incident",
    "jobs": "Jobs",
}
Opener = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.subheader, *app.info, *app.success, *app.warning, *app.error]
    return "\n".join(str(element.value) for element in shown)


@pytest.mark.parametrize("name", TITLES)
def test_a_page_opens_with_a_month_of_data(month: Month, page: Opener, name: str) -> None:
    app = page(name)
    assert not app.exception
    assert [title.value for title in app.title] == [TITLES[name]]
    assert "could not be shown" not in texts(app)
    assert "could not be read" not in texts(app)
    assert "Demo data" in texts(app)


@pytest.mark.parametrize("name", TITLES)
def test_a_page_opens_in_a_new_workspace_and_writes_nothing(empty: Settings, page: Opener, name: str) -> None:
    app = page(name)
    assert not app.exception
    assert [title.value for title in app.title] == [TITLES[name]]
    assert "could not be shown" not in texts(app)
    assert ":material/inbox:" in texts(app)
    assert "Demo data" not in texts(app)
    assert not Path(empty.lake).exists()


@pytest.mark.parametrize("name", TITLES)
def test_damaged_tables_are_sentences_and_the_page_still_stands(empty: Settings, page: Opener, name: str) -> None:
    for table in ("metrics_minute", "metrics_15min", "job_runs", "ledger", "alert_events"):
        log = Path(empty.lake, table, "_delta_log")
        log.mkdir(parents=True)
        (log / "00000000000000000000.json").write_text("this is no Delta log\n")
    app = page(name)
    assert not app.exception
    assert [title.value for title in app.title] == [TITLES[name]]
    assert app.error
    assert all("\n" not in error.value and "Traceback" not in error.value for error in app.error)
    assert "could not be shown" not in texts(app)


def test_the_demos_building_is_the_first_screen(empty: Settings, page: Opener) -> None:
    workspace.write_building(empty)
    app = page()
    assert not app.exception
    assert [info.value for info in app.info]
    steps = app.table[0].value
    assert "212 of 380 answers" in steps.to_string()
    assert not app.metric


def test_a_demo_that_failed_is_said_in_the_first_line(empty: Settings, page: Opener) -> None:
    from lakehouse.status import write_status

    write_status(empty, "demo", {"state": "failed", "steps": [], "error": "Train: no disk space"})
    app = page()
    assert "no disk space" in texts(app)
    assert not app.exception


def test_requests_that_cannot_be_delivered_are_said_in_the_first_line(empty: Settings, page: Opener) -> None:
    from lakehouse.status import write_status

    write_status(empty, "gateway", {"problem": "The table cannot be written: no space", "waiting_segments": 3})
    assert "spool instead of the inference table" in texts(page())


def test_a_link_chooses_the_time_range_and_a_wrong_one_does_no_harm(month: Month, page: Opener) -> None:
    assert "The last 7 days" in texts(page(range="7 days"))
    assert "The last 24 hours" in texts(page(range="'; DROP TABLE"))


def test_a_page_loads_nothing_that_is_slow_to_import() -> None:
    slow = ["mlflow", "torch", "transformers", "databricks", "scipy", "openvino"]
    names = ("status", "endpoints", "canary", "promotion", "promote", "answers", "quality", "ledger", "jobs")
    panels = ", ".join(f"dashboard.panels.{name}" for name in names)
    program = f"import sys, dashboard.navigation, {panels}; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=PAGES.parent, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_run_now_asks_the_scheduler_under_the_persons_name(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    workspace.write_operations(empty, datetime.now(UTC))
    app = page("jobs")
    app.button(key="run_now").click().run()
    wishes = pending_requests(empty)
    assert [(wish["job"], wish["requested_by"]) for wish in wishes] == [("score", current_actor().name)]
    app.run()
    assert app.button(key="run_now").disabled
    assert "the scheduler will start it" in texts(app)


def test_a_persons_run_is_followed_to_its_end(empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    app = page("jobs")
    app.button(key="run_now").click().run()
    (wish,) = pending_requests(empty)
    started = datetime.now(UTC) - timedelta(seconds=20)
    run = workspace.job_run(started, rows=7, trigger="request", request_id=wish["request_id"])
    workspace.write_rows(empty, "job_runs", [run])
    app.run()
    assert not app.button(key="run_now").disabled
    assert "your run read 7 rows" in texts(app)


def test_the_reasons_of_missing_scores_are_counted(month: Month, page: Opener) -> None:
    app = page("jobs")
    chart = next(element for element in app.get("plotly_chart") if "body is not JSON" in str(element.proto))
    assert "not English" in str(chart.proto)
