"""`make run` says in one sentence why it cannot start, and never builds a demo over somebody's own data."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs import demo, trickle
from jobs.demo_workspace import DemoPlan, DemoSteps, demo_state, is_demo, needs_demo, read_plan, write_plan
from jobs.errors import JobError
from jobs.processes import Supervised
from jobs.up import CannotStart, House, dashboard_process, dashboard_url, lock_workspace, main, taken_port_sentence
from lakehouse.appends import append
from settings import Settings, get_settings


def test_a_taken_port_is_told_with_the_setting_that_changes_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = taken_port_sentence("dashboard", port)
    assert sentence is not None
    assert str(port) in sentence
    assert "LAKEHELM_DASHBOARD_PORT" in sentence
    assert taken_port_sentence("dashboard", port) is None


def test_starting_on_a_taken_port_fails_with_one_sentence_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("LAKEHELM_HOME", str(tmp_path))
        monkeypatch.setenv("LAKEHELM_DASHBOARD_PORT", str(other.getsockname()[1]))
        get_settings.cache_clear()
        status = main([])
    get_settings.cache_clear()
    assert status == 1
    assert capsys.readouterr().out.count("\n") == 1
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("identity", "address", "roles", "named"),
    [
        ("none", "0.0.0.0", "{}", "127.0.0.1"),
        ("none", "192.0.2.7", "{}", "LAKEHELM_IDENTITY"),
        ("oidc", "127.0.0.1", "{}", "LAKEHELM_ROLES"),
        ("databricks", "0.0.0.0", '{"*": "viewer"}', "DATABRICKS_APP_NAME"),
    ],
)
def test_a_dashboard_that_would_be_open_to_strangers_or_to_nobody_is_not_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    identity: str,
    address: str,
    roles: str,
    named: str,
) -> None:
    given = {"HOME": str(tmp_path / "home"), "IDENTITY": identity, "DASHBOARD_ADDRESS": address, "ROLES": roles}
    for name, value in given.items():
        monkeypatch.setenv(f"LAKEHELM_{name}", value)
    monkeypatch.setattr("jobs.up._run", lambda *_: pytest.fail("it was started"))
    get_settings.cache_clear()
    status = main([])
    get_settings.cache_clear()
    said = capsys.readouterr().out
    assert status == 1
    assert named in said
    assert said.count("\n") == 1
    assert not (tmp_path / "home").exists()


def test_the_dashboard_listens_where_the_settings_say_and_is_told_by_an_address_that_opens(tmp_path: Path) -> None:
    for address, url in (
        ("127.0.0.1", "http://127.0.0.1:8600"),
        ("0.0.0.0", "http://127.0.0.1:8600"),
        ("192.0.2.7", "http://192.0.2.7:8600"),
        ("::", "http://[::1]:8600"),
    ):
        settings = Settings(home=tmp_path, dashboard_address=address, dashboard_port=8600)
        arguments = dashboard_process(settings).arguments
        assert arguments[arguments.index("--server.address") + 1] == address
        assert dashboard_url(settings) == url


def test_an_address_that_this_machine_does_not_have_is_told() -> None:
    sentence = taken_port_sentence("dashboard", 8600, "192.0.2.7")
    assert sentence is not None
    assert "192.0.2.7" in sentence
    assert "LAKEHELM_DASHBOARD_ADDRESS" in sentence


def test_a_workspace_is_run_once_at_a_time(tmp_path: Path) -> None:
    with lock_workspace(tmp_path), pytest.raises(CannotStart, match="LAKEHELM_HOME"):
        lock_workspace(tmp_path)
    lock_workspace(tmp_path).close()


def test_an_empty_workspace_needs_a_demo_and_one_with_requests_does_not(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert needs_demo(settings)
    now = datetime.now(UTC)
    append(
        settings,
        "inference_table",
        [{"databricks_request_id": "1", "request_time": now, "request_date": now.date(), "status_code": 200}],
    )
    assert not needs_demo(settings)
    assert not is_demo(settings)


def test_data_of_others_and_databricks_never_get_a_demo(tmp_path: Path) -> None:
    assert not needs_demo(Settings(home=tmp_path, inference_table_uri="uc://c.s.t"))
    assert not needs_demo(Settings(home=tmp_path, host="https://example.invalid", token="t"))


OTHERS: list[dict[str, Any]] = [
    {"host": "https://example.invalid", "token": "t"},
    {"inference_table_uri": "uc://c.s.t"},
    {"served_entities_uri": "uc://system.serving.served_entities"},
]


@pytest.mark.parametrize("others", OTHERS)
def test_no_question_of_the_demo_reaches_a_real_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: dict[str, Any]
) -> None:
    def watched(settings: Settings) -> list[str]:
        house = House(settings)
        monkeypatch.setattr(Supervised, "start", lambda process: None)
        monkeypatch.setattr("jobs.up.time.sleep", house.stop)
        house.watch()
        return [process.name for process in house.processes]

    plan = DemoPlan(True, "2026-03-01T12:00:00+00:00", "2026-03-01T12:05:00+00:00")
    write_plan(Settings(home=tmp_path), plan)
    assert watched(Settings(home=tmp_path)) == ["scheduler", "trickle"]
    settings = Settings(home=tmp_path, **others)
    assert watched(settings) == ["scheduler"]
    monkeypatch.setattr(trickle, "get_settings", lambda: settings)
    monkeypatch.setattr(trickle, "ask_one", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(JobError, match="LAKEHELM_HOST"):
        trickle.main([])


@pytest.mark.parametrize("others", OTHERS)
def test_a_demo_is_never_built_into_another_system(tmp_path: Path, others: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="unset them for the demo"):
        demo.build(Settings(home=tmp_path, **others), small=True)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_was_stopped_goes_on_with_its_first_plan(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    plan = DemoPlan(small=True, end_of_history="2026-03-01T12:00:00+00:00")
    write_plan(settings, plan)
    assert needs_demo(settings)
    assert is_demo(settings)
    assert read_plan(settings) == plan
    write_plan(settings, DemoPlan(True, plan.end_of_history, "2026-03-01T12:05:00+00:00"))
    assert not needs_demo(settings)


def test_the_steps_of_a_building_are_shown_and_a_failure_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    steps = DemoSteps(settings, ["one", "two", "three"])
    with steps.running("one"):
        assert [step["state"] for step in demo_state(settings)["steps"]] == ["running", "waiting", "waiting"]
    with pytest.raises(ValueError, match="the disk is full"), steps.running("two"):
        raise ValueError("the disk is full")
    state = demo_state(settings)
    assert state["state"] == "failed"
    assert state["error"] == "two: the disk is full"
    assert [step["state"] for step in state["steps"]] == ["done", "failed", "waiting"]
