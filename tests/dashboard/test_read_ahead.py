"""What was read ahead is what pages ask for: nothing is read again, and all of it after another run of the job."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dashboard.periods import Period, period
from dashboard.queries import read_ahead, rollup_windows, traffic_windows
from dashboard.queries.cost import spend
from dashboard.queries.figure_windows import window_sums
from dashboard.queries.lake import Snapshot
from dashboard.queries.latency_over_time import distribution, latency_lines
from dashboard.queries.quality_sides import Side, scored
from dashboard.queries.safety import flags
from dashboard.queries.traffic import traffic
from dashboard.queries.traffic_over_time import stack, summary
from lakehouse.appends import append
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

ASKED: dict[str, Callable[[Period], Any]] = {
    "the indicators": lambda span: traffic("chatbot", span),
    "the tiles": lambda span: summary("chatbot", span),
    "tokens by version": lambda span: stack("chatbot", span, "version", "prompt_tokens"),
    "latency": lambda span: latency_lines("chatbot", span),
    "the spread of tokens": lambda span: distribution("chatbot", span, "completion_tokens"),
    "scores": lambda span: scored("chatbot", Side("prod.chatbot", "2", span)),
    "flags": lambda span: flags("chatbot", span, 0.5),
    "cost": lambda span: spend("chatbot", span, "UTC"),
    "figures": lambda span: window_sums("chatbot", span.start, span.end),
}


@pytest.fixture
def read_before(month: Month, monkeypatch: pytest.MonkeyPatch) -> Month:
    """A month that was read ahead; whoever reads more of a rollup fails."""

    def unexpected(snapshot: Snapshot, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"{snapshot.name} is read again.")

    read_ahead.read()
    monkeypatch.setattr(rollup_windows, "select_table", unexpected)
    monkeypatch.setattr(traffic_windows, "select", unexpected)
    return month


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("name", ["7d", "30d"])
def test_weeks_and_months_are_not_read_again(name: str, what: str, read_before: Month) -> None:
    ASKED[what](period(name, read_before.now))


@pytest.mark.parametrize("what", sorted(set(ASKED) - {"the tiles"}))
def test_days_are_not_read_again(what: str, read_before: Month) -> None:
    ASKED[what](period("24h", read_before.now))


def test_nothing_is_read_ahead_of_pages_under_test(month: Month, page: Callable[..., Any]) -> None:
    before = read_ahead._thread
    page("overview")
    assert read_ahead._thread is before


def test_reading_ends_where_no_more_is_kept(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    read = rollup_windows.select_table
    monkeypatch.setattr(rollup_windows, "select_table", lambda *_, **more: asked.append(more) or read(*_, **more))
    monkeypatch.setattr(read_ahead, "is_nearly_full", lambda: True)
    read_ahead.read()
    assert len(asked) == 1


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard that has read nothing yet and looks each time it is asked to."""
    monkeypatch.setattr(read_ahead, "_is_a_dashboard", lambda: True)
    monkeypatch.setattr(read_ahead, "_read", "")
    monkeypatch.setattr(read_ahead, "_thread", None)
    monkeypatch.setattr(read_ahead, "_next_look", 0.0)
    monkeypatch.setattr(read_ahead, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time that something is read ahead."""
    found: list[str] = []
    read = read_ahead.read
    monkeypatch.setattr(read_ahead, "read", lambda: (found.append("read"), read()))
    return found


def look() -> None:
    """Look, and wait until that has ended."""
    read_ahead.look()
    assert read_ahead._thread is not None
    read_ahead._thread.join()


@pytest.mark.usefixtures("running")
def test_it_is_read_again_after_each_run_of_the_job(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reads(monkeypatch)
    for first in (0, 20):
        append(empty, "metrics_15min", workspace.partials(month.rows.iloc[first : first + 20], 15))
        look()
        look()
    assert found == ["read"] * 2
    assert traffic("chatbot", period("30d", month.now)).requests.value == 40


@pytest.mark.usefixtures("running")
def test_a_failure_is_told_once_and_tried_again_later(
    month: Month, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as failing:
        failing.setattr(read_ahead, "read", fails)
        look()
        thread = read_ahead._thread
        read_ahead.look()
        assert read_ahead._thread is thread
    assert caplog.text.count("Figures were not read ahead") == 1
    found = reads(monkeypatch)
    monkeypatch.setattr(read_ahead, "_next_look", 0.0)
    look()
    assert found == ["read"]


def test_who_finds_another_looking_goes_on(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_is_a_dashboard", lambda: True)
    monkeypatch.setattr(read_ahead, "_next_look", 0.0)
    with read_ahead._starting:
        read_ahead.look()


def test_a_process_that_ends_while_it_reads_ends_well(month: Month) -> None:
    script = (
        "import time; from dashboard.queries import read_ahead;"
        "read_ahead._is_a_dashboard = lambda: True; read_ahead.look(); time.sleep(0.3)"
    )
    environment = {**os.environ, "LAKEHELM_HOME": str(month.settings.home)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
