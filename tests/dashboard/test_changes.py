"""The ledger as pages read it: filters, pages, what charts mark."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dashboard import charts
from dashboard.chart_markers import MOST_PLACES, time_layers
from dashboard.periods import between, period
from dashboard.queries import changes
from dashboard.queries.changes import LedgerFilter, Marker
from dashboard.queries.lake import newest
from lakehouse.ledger import record_intent, recorded
from settings import Settings
from tests.dashboard import monitored, workspace
from tests.dashboard.conftest import Month

HOUR = 3_600_000
BEGUN = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture
def ledger(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Thirty sign-ins, three changes of production and one that has no outcome."""
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    rows = []
    for number in range(30):
        rows += workspace.change(BEGUN + timedelta(minutes=number), "sign_in", "dashboard", actor=f"person {number}")
    for number, (action, actor) in enumerate((("promote", "ana"), ("split", "ben"), ("rollback", "ana"))):
        rows += workspace.change(
            BEGUN + timedelta(hours=5 + number), action, "chatbot", actor=actor, before="version 1", after="version 2"
        )
    workspace.write_rows(empty, "ledger", rows)
    record_intent(empty, action="abort", target="chatbot", actor="cleo", evidence={"process_id": 4_000_000})
    return empty


def test_a_page_of_the_ledger_holds_whole_changes_newest_first(ledger: Settings) -> None:
    first, second = changes.ledger_page(LedgerFilter(), 1), changes.ledger_page(LedgerFilter(), 2)
    assert (first.total, len(first.changes), len(second.changes)) == (34, 25, 9)
    assert [change.action for change in first.changes[:4]] == ["abort", "rollback", "split", "promote"]
    assert {change.outcome for change in first.changes[1:]} == {"succeeded"}
    assert first.changes[0].outcome in (None, "interrupted")
    seen = [change.change_id for change in (*first.changes, *second.changes)]
    assert len(set(seen)) == 34
    assert changes.ledger_page(LedgerFilter(), 3).changes == []


def test_filters_hold_together_and_hostile_ones_find_nothing(ledger: Settings) -> None:
    def actions(**wanted: object) -> list[str]:
        return [change.action for change in changes.ledger_page(LedgerFilter(**wanted)).changes]  # type: ignore[arg-type]

    assert actions(actors=("ana",)) == ["rollback", "promote"]
    assert actions(actors=("ana", "ben"), actions=("split", "promote")) == ["split", "promote"]
    assert actions(targets=("chatbot",), since=BEGUN + timedelta(hours=7)) == ["abort", "rollback"]
    assert actions(actors=("ana' OR '1' = '1",)) == []
    assert [change.action for change in changes.all_changes(LedgerFilter(actors=("ana",)), newest("ledger"))] == [
        "rollback",
        "promote",
    ]


def test_a_change_is_found_by_its_id_with_its_evidence(ledger: Settings) -> None:
    with recorded(ledger, action="rollback", target="chatbot", actor="ana", evidence={"a": 1}) as evidence:
        evidence["b"] = "two"
    (newest,) = changes.ledger_page(LedgerFilter(), size=1).changes
    (found,) = changes.ledger_page(LedgerFilter(change_id=newest.change_id)).changes
    assert found.evidence.items() >= {"a": 1, "b": "two"}.items()
    assert changes.ledger_page(LedgerFilter(change_id="'; DROP TABLE this")).total == 0


def test_charts_mark_what_changed_production_and_nothing_else(ledger: Settings) -> None:
    marked = changes.markers(period("7d"))
    assert [marker.action for marker in marked] == ["promote", "split", "rollback", "abort"]
    assert marked[0].text == "Promotion, chatbot: version 1 → version 2 (ana)"
    assert marked[-1].text.endswith("(no outcome)")
    assert [marker.time for marker in marked] == sorted(marker.time for marker in marked)
    assert changes.markers(period("1h"))[0].action == "abort"


def test_changes_of_other_endpoints_are_not_marked(month: Month) -> None:
    marked = changes.markers(period("30d"), "another")
    assert {marker.text.split(",")[1].split(":")[0].strip() for marker in marked} == {"prod.chatbot"}
    assert len(changes.markers(period("30d"), "chatbot")) > len(marked)


@pytest.mark.parametrize("most", [5_000, 2])
def test_any_piece_of_the_last_months_has_its_markers_whether_all_are_read_at_once_or_not(
    ledger: Settings, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monitored.write_alerts(ledger, datetime.now(UTC), "a finding", "a change")
    monkeypatch.setattr(changes, "_MOST_READ", most)
    everything = changes.markers(period("30d"), "chatbot")
    assert {marker.is_change for marker in everything} == {True, False}
    for first in everything:
        span = between(datetime.fromtimestamp(first.time // 60_000 * 60, UTC), BEGUN + timedelta(days=3))
        edges = [round(edge.timestamp() * 1000) for edge in (span.start, span.end)]
        expected = [marker for marker in everything if edges[0] <= marker.time < edges[1]]
        assert list(changes.markers(span, "chatbot")) == expected


def test_a_chart_is_given_the_newest_changes_and_every_alert(ledger: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monitored.write_alerts(ledger, datetime.now(UTC), "a finding", "a change")
    everything = changes.markers(period("30d"), "chatbot")
    monkeypatch.setattr(changes, "MOST_MARKERS", 2)
    changed = [marker for marker in everything if marker.is_change]
    alerts = [marker for marker in everything if not marker.is_change]
    cut = changes.markers(period("30d"), "chatbot")
    assert [marker for marker in cut if marker.is_change] == changed[-2:]
    assert [marker for marker in cut if not marker.is_change] == alerts


def at(time: int, action: str = "promote", text: str = "Promotion, chatbot", failed: bool = False) -> Marker:
    return Marker(time, action, text, failed, f"id {time}")


def test_a_marker_stands_at_its_time_in_the_zone_of_the_page() -> None:
    start = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
    times = start + np.arange(48) * HOUR
    marked = charts.sparkline(
        times, np.ones(48), "Europe/Berlin", color="#2f78c4", hover="%{y}", markers=[at(start + 12 * HOUR)]
    )
    trace = next(trace for trace in marked.data if trace.name == "changes")
    assert list(trace.x) == ["2026-07-01T14:00:00"]
    assert "01 Jul 14:00" in trace.text[0]
    assert [line.x0 for line in marked.layout.shapes] == ["2026-07-01T14:00:00"]
    plain = charts.sparkline(times, np.ones(48), "Europe/Berlin", color="#2f78c4", hover="%{y}")
    assert not plain.layout.shapes
    assert [trace.name for trace in plain.data] == [None]


def test_a_change_after_the_last_point_is_marked_too_and_one_before_the_first_is_not() -> None:
    times = np.arange(10) * HOUR
    markers = [at(-HOUR), at(3 * HOUR), at(11 * HOUR)]
    figure = charts.sparkline(times, np.ones(10), "UTC", color="#2f78c4", hover="%{y}", markers=markers)
    assert len(figure.layout.shapes) == 2


def test_changes_that_stand_too_close_share_a_marker_that_shows_the_most_telling() -> None:
    many = [at(minute * 60_000, "split") for minute in range(1000)]
    layers = time_layers([*many[:500], at(500 * 60_000, "rollback"), *many[501:]], "UTC", 0, 1000 * 60_000)
    (trace,) = layers.traces
    assert len(trace["x"]) <= MOST_PLACES + 1
    assert set(trace["marker"]["symbol"]) == {"triangle-up", "triangle-left"}
    assert "more" in trace["text"][0]
    assert len(layers.entries["shapes"]) == len(trace["x"])


def test_a_failed_change_looks_like_one_and_names_from_outside_bring_no_markup() -> None:
    (trace,) = time_layers([at(5, text="<b onload=x>name</b>", failed=True)], "UTC", 0, 10).traces
    assert trace["marker"]["symbol"] == ["x"]
    assert "<b onload" not in trace["text"][0]


def test_runs_are_marked_between_the_runs_that_a_change_fell_between() -> None:
    start = datetime(2026, 7, 1, 12, tzinfo=UTC)
    runs = [workspace.job_run(start + timedelta(minutes=5 * number)) for number in range(4)]
    begun = int(start.timestamp() * 1000)
    markers = [at(begun - 1), at(begun + 400_000), at(begun + 401_000), at(begun + 10 * HOUR)]
    figure = charts.run_history(runs, "UTC", markers)
    trace = next(trace for trace in figure.data if trace.name == "changes")
    assert list(trace.x) == [1.5, 3.5]
