"""The job that looks at alerts: its rules file, its dry run, and that a receiver that hangs delays nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobs import alerts as alerts_job
from jobs.alert_dry_run import dry_run
from lakehouse.errors import CommitConflict
from lakehouse.status import read_status
from registry.alert_rules import load_alert_rules
from registry.alerts import AlertView, open_alert, record
from registry.errors import RegistryError
from settings import get_settings
from tests.jobs.alert_receivers import HangingReceiver
from tests.jobs.alert_traffic import NOON, requests, score
from tests.jobs.alert_world import World, fails, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
ABOUT: dict[str, Any] = {"endpoint_name": "chatbot", "entity_name": "prod.chatbot", "entity_version": "3"}


def test_a_rule_that_is_switched_off_ends_its_alerts_and_those_of_others_are_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path).pass_(15, status_code=fails(0.4))
    open_alert(world.settings, rule="guard.errors", sentence="The guard says so.", evidence={"n": 3}, **ABOUT)
    Path(world.settings.alert_rules_file).write_text("[rules.errors]\non = false\n", encoding="utf-8")
    world.look()
    (alert,) = world.of("errors")
    assert (alert.state, alert.evidence["closed"]) == ("closed", "The rule errors is switched off.")
    assert [one.state for one in world.of("guard.errors")] == ["open"]


def test_a_dry_run_says_how_often_a_rule_would_have_fired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, "[rules.errors]\non = false\n")
    for day in (6, 4, 2):
        start = NOON - timedelta(days=day)
        score(world.settings, requests(start, 60, 4))
        score(world.settings, requests(start + timedelta(hours=1), 30, 4, status_code=fails(0.5)))
        score(world.settings, requests(start + timedelta(minutes=90), 60, 4))
    before = set(Path(world.settings.lake).iterdir())
    (errors, down) = dry_run(world.settings, load_alert_rules(world.settings), ["errors", "endpoint_down"], NOON, 7)
    report = errors.report(7)
    assert report[0] == "errors (switched off): would have fired 3 times in the last 7 days"
    assert [alert.opened_at for alert in errors.fired] == [
        NOON - timedelta(days=day) + timedelta(minutes=70) for day in (6, 4, 2)
    ]
    assert "24 Feb 13:10 to 24 Feb 13:55 UTC [page] Failed requests of version 3" in report[1]
    assert "cannot be tried out" in down.report(7)[0]
    assert set(Path(world.settings.lake).iterdir()) == before, "it writes nothing"
    with pytest.raises(RegistryError, match="no rule called 'nothing'"):
        dry_run(world.settings, load_alert_rules(world.settings), ["nothing"], NOON)


def test_the_command_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKEHELM_HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHELM_GATEWAY_PORT", "1")
    get_settings.cache_clear()
    try:
        assert alerts_job.main(["--dry-run", "errors", "budget", "--days", "1"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert said == [
            "errors: would not have fired in the last 1 days",
            "budget: would not have fired in the last 1 days",
        ]
        assert alerts_job.main(["--once"]) == 0
        assert capsys.readouterr().out == "0 firing, 0 pending.\n"
        with pytest.raises(SystemExit):
            alerts_job.main(["--dry-run", "--days", "0"])
    finally:
        get_settings.cache_clear()


def test_a_wrong_rules_file_is_told_and_mended_without_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, "[rules.errors]\nabove = 'many'\n")
    loop = alerts_job.Alerts(world.settings)
    loop._turn()
    status = read_status(world.settings, "alerts") or {}
    assert "rules.errors.above: it is 'many'" in status["error"]
    Path(world.settings.alert_rules_file).write_text("[general]\nlook_seconds = 7.0\n", encoding="utf-8")
    assert loop._turn() == 7.0
    status = read_status(world.settings, "alerts") or {}
    assert (status["error"], status["firing"]) == ("", 0)


def test_a_rival_between_look_and_commit_does_not_put_off_an_alerts_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path).pass_(15, status_code=fails(0.4)).pass_(20)
    assert [one.state for one in world.of("errors")] == ["open"], "clear for five minutes only"
    rivals = ["the guard"]

    def record_behind_a_rival(seen: AlertView, rows: list[dict[str, Any]]) -> None:
        if rivals and any(row["rule"] == "errors" and row["state"] == "closed" for row in rows):
            raise CommitConflict(f"{rivals.pop()} was faster.")
        record(seen, rows)

    monkeypatch.setattr("registry.alerts.record", record_behind_a_rival)
    world.pass_(10)
    assert rivals == []
    assert [one.state for one in world.of("errors")] == ["closed"]


def _looked_since(world: World, last: str) -> bool:
    return str((read_status(world.settings, "alerts") or {})["updated_at"]) != last


@pytest.fixture
def hanging() -> Iterator[HangingReceiver]:
    with HangingReceiver() as receiver:
        yield receiver


def test_a_receiver_that_hangs_delays_no_look_and_no_end(tmp_path: Path, hanging: HangingReceiver) -> None:
    world = World(
        tmp_path,
        "[general]\nlook_seconds = 0.1\n[delivery]\ntimeout_seconds = 300.0\ngroup_seconds = 0.0\n",
    )
    environment = {
        "LAKEHELM_HOME": str(tmp_path),
        "LAKEHELM_GATEWAY_PORT": "1",
        "LAKEHELM_ALERT_RULES_FILE": world.settings.alert_rules_file,
        "LAKEHELM_ALERT_WEBHOOK_URL": hanging.url,
    }
    command = [sys.executable, "-m", "jobs", "alerts"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: read_status(world.settings, "alerts"))
        open_alert(world.settings, rule="guard.errors", sentence="Version 3 fails.", **ABOUT)
        wait_for(lambda: hanging.taken)
        for _ in range(3):  # It looks on while the receiver hangs.
            last = (read_status(world.settings, "alerts") or {})["updated_at"]
            wait_for(partial(_looked_since, world, last))
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert (read_status(world.settings, "alerts") or {})["state"] == "stopped"
