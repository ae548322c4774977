"""The incident report: exactly what was in its range, every figure right, nothing of others let loose in it."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import incident_report as actions
from dashboard.incident_report import ReportAbout, report_html
from dashboard.periods import Period, between
from dashboard.queries import incident as queries
from dashboard.queries.incident import Incident, TableRead, incident
from dashboard.report_svg import Mark, line_chart
from lakehouse.ledger import changes as all_changes
from lakehouse.store import open_table
from registry.actors import Actor
from registry.errors import NotAllowed
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

Opener = Callable[..., AppTest]
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='x'"
ABOUT = ReportAbout("ana", "admin", datetime(2026, 11, 22, 9, tzinfo=UTC), "Europe/Berlin")


def around_the_deployment(month: Month, days: float = 2) -> Period:
    """Two days before the change of versions to two days after it."""
    begun = (month.now - timedelta(days=15)).replace(minute=0, second=0, microsecond=0)
    return between(begun - timedelta(days=days), begun + timedelta(days=days))


def test_the_report_holds_exactly_the_changes_of_its_range(empty: Settings) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=3)
    span = Period(now, now + timedelta(hours=1), 60)
    second = timedelta(seconds=1)
    rows = [
        *workspace.change(span.start - second, "promote", "chatbot", reason="just before"),
        *workspace.change(span.start, "deploy", "chatbot", reason="at its start"),
        *workspace.change(span.end - second, "rollback", "prod.chatbot", reason="at its end"),
        *workspace.change(span.end, "split", "chatbot", reason="just after"),
        *workspace.change(span.start + second, "deploy", "another", reason="elsewhere"),
        *workspace.change(span.start + second, "sign_in", "dashboard", reason="a note"),
        *workspace.change(span.start + second, "override_gate", "prod.chatbot", reason="a decision"),
    ]
    workspace.write_rows(empty, "ledger", rows)
    other = {"metric": "databricks_request_id", "n": 1, "sum_w": 1.0, "endpoint_name": "another"}
    workspace.write_rows(empty, "metrics_15min", [{**other, "window_start": span.start}])
    found = incident("chatbot", span)
    assert [change.reason for change in found.changes] == ["at its start", "at its end"]
    assert [change.reason for change in found.decisions] == ["a decision"]
    said = report_html(found, ABOUT)
    assert "at its start" in said
    assert "at its end" in said
    for left_out in ("just before", "just after", "elsewhere", "a note"):
        assert left_out not in said


def test_figures_are_those_of_the_single_rows_beside_the_time_and_the_week_before(month: Month) -> None:
    span = around_the_deployment(month)
    found = {one.figure.key: one for one in incident("chatbot", span).figures}
    times = month.rows["request_time"]

    def count(start: datetime, end: datetime) -> int:
        return int(((times >= start) & (times < end)).sum())

    requests = found["requests"]
    week = timedelta(days=7)
    assert requests.before.moved.n_after == count(span.start, span.end)
    assert requests.before.moved.n_before == count(span.start - span.length, span.start)
    assert requests.week is not None
    assert requests.week.moved.n_before == count(span.start - week, span.end - week)
    rows = month.rows[(times >= span.start) & (times < span.end)]
    assert found["grade"].before.moved.after == pytest.approx(rows["response_fk_grade"].mean())


def test_what_moved_most_clearly_comes_first(month: Month) -> None:
    begun = month.now - timedelta(days=15)
    found = incident("chatbot", between(begun + timedelta(hours=1), begun + timedelta(days=6)))
    clearness = [one.clearness for one in found.figures]
    assert clearness == sorted(clearness, reverse=True)
    assert "grade" in [one.figure.key for one in found.figures[:2]]


def test_the_worst_requests_are_the_ten_with_the_highest_values_and_carry_no_name(month: Month) -> None:
    span = around_the_deployment(month)
    found = incident("chatbot", span)
    times = month.rows["request_time"]
    rows = month.rows[(times >= span.start) & (times < span.end)]
    expected = rows.nlargest(10, "execution_duration_ms")["execution_duration_ms"].tolist()
    assert [row["execution_duration_ms"] for row in found.worst["latency"]] == expected
    assert found.totals["errors"] == int((rows["status_code"] >= 400).sum())
    said = report_html(found, ABOUT)
    assert found.worst["toxicity"][0]["databricks_request_id"] in said
    for requester in ("ana@example.com", "webshop"):
        assert requester not in said
    for words in ("stupid idiot", "Open the Overview", "handbook"):
        assert words not in said


def test_a_range_longer_than_a_week_is_not_compared_with_itself(month: Month) -> None:
    found = incident("chatbot", between(month.now - timedelta(days=20), month.now - timedelta(days=10)))
    assert {one.week for one in found.figures} == {None}


def test_time_that_is_not_scored_yet_does_not_look_like_a_collapse(month: Month) -> None:
    span = Period(month.now - timedelta(hours=2), month.now + timedelta(hours=2), 300)
    found = incident("chatbot", span)
    assert found.end <= month.now + timedelta(minutes=1)
    assert found.end < found.asked_end == span.end
    assert "Scored</dt><dd>up to" in report_html(found, ABOUT)


def span_of(found: Incident) -> Period:
    return Period(found.start, found.asked_end, 60)


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}


def hostile_incident(settings: Settings) -> Incident:
    now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    names = dict.fromkeys(("actor", "role", "before", "after", "reason"), HOSTILE)
    rows = workspace.change(now, "deploy", HOSTILE, **names, evidence='{"error": "<script>e</script>"}')
    workspace.write_rows(settings, "ledger", rows)
    opened = {"alert_id": "a", "state": "open", "time": now, "rule": HOSTILE, "endpoint_name": "chatbot"}
    alert = {**opened, "entity_name": HOSTILE, "entity_version": HOSTILE, "sentence": HOSTILE, "evidence": "{}"}
    workspace.write_rows(settings, "alert_events", [alert])
    frame = workspace.requests(now, 0.2, 400).assign(
        databricks_request_id=lambda rows: [f"{HOSTILE}{number}" for number in range(len(rows))],
        entity_version=HOSTILE,
        perplexity_scorer=HOSTILE,
    )
    workspace.write_requests(settings, workspace.with_requesters(frame))
    for name, minutes in (("metrics_minute", 1), ("metrics_15min", 15)):
        workspace.write_rows(settings, name, workspace.partials(frame, minutes))
    flag = {"decision_id": "d", "time": now, "databricks_request_id": HOSTILE, "endpoint_name": "chatbot"}
    workspace.write_rows(settings, "flags", [{**flag, **dict.fromkeys(("decision", "label", "actor"), HOSTILE)}])
    return incident("chatbot", Period(now - timedelta(hours=1), now + timedelta(hours=1), 60))


def test_names_and_reasons_of_others_stay_text(empty: Settings) -> None:
    found = hostile_incident(empty)
    assert found.changes
    assert found.alerts
    assert found.worst["latency"]
    assert found.flags
    said = report_html(found, ReportAbout(HOSTILE, HOSTILE, datetime.now(UTC), "UTC"))
    tags = Tags()
    tags.feed(said)
    assert not {"script", "img", "iframe", "link", "object"} & tags.tags
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert said.count("&lt;script&gt;") > 5


def test_the_report_stands_alone(month: Month) -> None:
    said = report_html(incident("chatbot", around_the_deployment(month)), ABOUT)
    assert said.count("<svg") == 4
    assert not re.findall(r"(?:src|href)=|url\(|@import|https?://", said)
    assert "prefers-color-scheme: dark" in said
    assert "@media print" in said
    assert len(said.encode()) < 120_000


def test_the_report_names_the_versions_that_anybody_can_read_again(month: Month) -> None:
    found = incident("chatbot", around_the_deployment(month))
    assert TableRead("flags", "", -1) in found.tables
    ledger = next(read for read in found.tables if read.name == "ledger")
    # Other tests share this workspace and write to its ledger.
    assert ledger.version == open_table(month.settings, "ledger").version()
    assert ledger.table_id in report_html(found, ABOUT)


def test_who_takes_a_report_is_recorded_and_a_viewer_cannot(
    month: Month, empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = hostile_incident(empty)
    taken = actions.export_report("chatbot", span_of(found), "UTC")()
    assert taken.startswith(b"<!doctype html>")
    newest = all_changes(empty, 1)[0]
    assert (newest.action, newest.target, newest.outcome) == ("export", "chatbot", "succeeded")
    assert newest.evidence["what"] == "incident report"
    assert newest.evidence["from"] == found.start.isoformat()
    assert newest.evidence["table_versions"]["ledger"] == 0
    monkeypatch.setattr(actions, "current_actor", lambda: Actor("vera", "viewer"))
    with pytest.raises(NotAllowed):
        actions.export_report("chatbot", span_of(found), "UTC")


def test_lines_have_gaps_where_nothing_was_and_marks_where_something_changed() -> None:
    times = [hour * 3_600_000 for hour in range(6)]
    values = [1.0, 2.0, float("nan"), 4.0, float("nan"), 3.0]
    drawn = line_chart(
        "Errors <b>", "%", times, values, "UTC", [Mark(times[2], "change", HOSTILE), Mark(-5, "alert", "")]
    )
    assert drawn.count("<polyline") == 1
    assert drawn.count("<circle") == 2
    assert drawn.count('class="change"') == 1
    assert 'class="alert"' not in drawn
    assert "<script" not in drawn
    assert "<b>" not in drawn
    assert "nothing" in line_chart("Errors", "%", times, [float("nan")] * 6, "UTC")
    heights = [float(point.split(",")[1]) for point in re.findall(r'points="([^"]+)"', drawn)[0].split()]
    assert np.diff(heights)[0] < 0


def test_the_page_shows_the_report_and_offers_it(month: Month, page: Opener) -> None:
    app = page("incident", range="7 days")
    assert not app.exception
    assert not app.error
    assert any("Latency, p95" in table.value.to_string() for table in app.table)
    assert [button.proto.disabled for button in app.get("download_button")] == [False]
    app.session_state["tables read"] = True
    app.run()
    assert any("ledger" in table.value.to_string() for table in app.table)


def test_each_part_reads_only_what_it_shows(month: Month, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("The first part lists no request and no decision.")

    with monkeypatch.context() as patched:
        for name in ("worst", "flags", "tables_read"):
            patched.setattr(queries, name, never)
        assert not page("incident", range="7 days").error
    app = page("incident", range="7 days", part="Which requests")
    (failed,) = [table.value for table in app.table if "Status" in table.value.columns]
    assert set(failed["Status"]) <= set(map(str, month.rows["status_code"].unique())) - {"200"}
    app.session_state["worst"] = "Latency"
    app.run()
    (slowest,) = [table.value for table in app.table if "Status" in table.value.columns]
    times = month.rows["request_time"]
    rows = month.rows[times >= month.now.replace(minute=0, second=0, microsecond=0) - timedelta(days=7, hours=-1)]
    most = f"{rows['execution_duration_ms'].max():,.0f}"
    assert slowest["Latency, ms"].iloc[0] == most


def test_a_report_of_the_past_is_of_that_moment(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    span = Period(now - timedelta(hours=3), now - timedelta(hours=2), 60)
    workspace.write_rows(empty, "ledger", workspace.change(span.start, "deploy", "chatbot", reason="the first"))
    moment = datetime.now(UTC)
    time.sleep(0.01)
    workspace.write_rows(empty, "ledger", workspace.change(span.start, "deploy", "chatbot", reason="known later"))
    monkeypatch.setattr(actions, "chosen_moment", lambda: moment)
    then = actions.export_report("chatbot", span, "UTC")().decode()
    assert "the first" in then
    assert "known later" not in then
    monkeypatch.setattr(actions, "chosen_moment", lambda: None)
    assert "known later" in actions.export_report("chatbot", span, "UTC")().decode()


def test_a_viewer_sees_why_the_report_cannot_be_taken(
    month: Month, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboard.panels import recorded_export

    monkeypatch.setattr(recorded_export, "current_actor", lambda: Actor("vera", "viewer"))
    (button,) = page("incident").get("download_button")
    assert button.proto.disabled
    assert "vera is viewer" in button.proto.help
