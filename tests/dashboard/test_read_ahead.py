"""What was read ahead is what pages ask for: nothing is read again, and all of it after another run of the job."""

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


def look() -> bool:
    """Whether looking has begun to read; it has ended then."""
    before = read_ahead._thread
    read_ahead.look()
    if read_ahead._thread is before or read_ahead._thread is None:
        return False
    read_ahead._thread.join()
    return True


def test_it_is_read_again_after_each_run_of_the_job_and_only_where_a_dashboard_runs(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(empty, "metrics_15min", workspace.partials(month.rows.iloc[:20], 15))
    monkeypatch.setattr(read_ahead, "_read", "")
    assert not look()
    monkeypatch.setattr(read_ahead, "_is_a_dashboard", lambda: True)
    assert look()
    assert not look()
    append(empty, "metrics_15min", workspace.partials(month.rows.iloc[20:40], 15))
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    assert look()
    assert traffic("chatbot", period("30d", month.now)).requests.value == 40
