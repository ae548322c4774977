"""The Drift page: what it lists, what one finding shows, its statistics against plain pandas, and its bad days."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from streamlit.testing.v1 import AppTest

from dashboard.drift_findings import finding_of
from dashboard.drift_words import PROFILED_AS
from dashboard.panels.drift import as_frame
from dashboard.periods import period
from dashboard.queries import drift, drift_statistics
from dashboard.queries.drift_statistics import Sliced
from lakehouse.drift_tables import DRIFT_FINDINGS
from lakehouse.ledger import changes
from settings import Settings, get_settings
from tests.dashboard import monitored, workspace
from tests.dashboard.conftest import Month
from tests.dashboard.monitored import FIVE, five_minutes_before
from tests.dashboard.test_pages import texts
from tests.dashboard.test_safety_page import sign_in

Opener = Callable[..., AppTest]


@pytest.fixture
def drifted(month: Month, empty: Settings) -> tuple[Month, list[dict[str, object]]]:
    """A workspace of its own with two days of requests, findings of drift and their profiles."""
    rows = month.rows[month.rows["request_time"] >= pd.Timestamp(month.now - timedelta(days=2))]
    workspace.write_requests(empty, rows)
    ids = [str(one) for one in rows["databricks_request_id"].tail(3)]
    # The examples came in the window that drifted last, whenever this test runs.
    found = monitored.write_findings(empty, month.now, ids)
    monitored.write_profiles(empty, rows)
    workspace.write_rows(empty, "request_metrics_profile_metrics", monitored.judged_windows(month.now))
    return Month(empty, rows, month.now), found


def shown(app: AppTest) -> str:
    """What the page says, the lines that open included."""
    return "\n".join([texts(app), *(str(line.label) for line in app.expander)])


def tables(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)


def opened(found: list[dict[str, object]]) -> str:
    return str(found[3]["finding_id"])


def test_the_page_says_what_drifts_now_and_what_was_only_suspected(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener
) -> None:
    app = page("drift")
    assert not app.exception
    said = shown(app)
    assert [metric.value for metric in app.metric] == ["1", "1", "1"]
    assert "Completion tokens moved from 101 to 131" in said
    assert "Flagged prompts rose from" in said
    assert "requesters of example\\.com" in said
    # Two days ago is not in the last day, and in the last week.
    assert "invoice" not in said
    week = page("drift", range="7 days")
    assert [metric.value for metric in week.metric] == ["1", "2", "1"]
    assert "invoice" in shown(week)


def test_a_link_opens_one_finding_with_its_figures(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener
) -> None:
    said = texts(page("drift", finding=opened(drifted[1])))
    assert "One finding" in said
    assert "101 → 131 (+30 %)" in said
    assert "Welch's t\\-test of logarithms, power 97" in said
    assert "q \\< 0.001" in said
    assert "300 now, 1\u202f760 compared" in said
    assert "4 windows in a row" in said
    assert "the same hour of the last seven days: " in said
    assert "is not in the tables" in texts(page("drift", finding="'; DROP TABLE"))


def test_shares_are_said_in_per_cent_and_words_that_are_new_are_listed(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener
) -> None:
    said = texts(page("drift", finding=str(drifted[1][4]["finding_id"])))
    assert "5.0\u00a0% → 10.0\u00a0% (+100 %)" in said
    said = texts(page("drift", range="7 days", finding=str(drifted[1][5]["finding_id"])))
    assert "More often in prompts than before: **invoice**, **refund**" in said


def with_examples(settings: Settings, month: Month, said: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(workspace, "QUESTIONS", (said,) * 5)
    start = five_minutes_before(month.now, 1)
    rows = month.rows.tail(3).assign(request_time=pd.Timestamp(start + timedelta(minutes=2)), prompt_toxicity=0.1)
    workspace.write_requests(settings, rows)
    ids = [str(one) for one in rows["databricks_request_id"]]
    found = monitored.finding(start, "prompt_tokens", confirmed=True, evidence={"examples": [*ids, "gone", 7]})
    workspace.write_rows(settings, DRIFT_FINDINGS.name, [found])
    return str(found["finding_id"])


def test_example_requests_are_masked_until_an_operator_reveals_them(
    month: Month, empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Write to anna@example.com <b>now</b>"
    finding_id = with_examples(empty, month, said, monkeypatch)
    sign_in(monkeypatch, "olga", "operator")
    app = page("drift", finding=finding_id)
    seen = texts(app) + tables(app)
    assert "3 example requests" in seen
    assert "\\[e\\-mail\\]" in seen
    assert "anna" not in seen
    assert "/requests?request=request-7-" in seen
    app.button(key="reveal drift linked").click().run()
    seen = texts(app) + tables(app)
    assert "anna" in seen
    assert "\\<b\\>now" in seen
    assert [change.actor for change in changes(empty) if change.action == "reveal"] == ["olga"]
    sign_in(monkeypatch, "vera", "viewer")
    app = page("drift", finding=finding_id)
    assert app.button(key="reveal drift linked").disabled


def test_statistics_over_time_equal_plain_pandas(drifted: tuple[Month, list[dict[str, object]]]) -> None:
    month, _ = drifted
    span = period("7d", month.now)
    found = drift_statistics.profile(span, "1 hour", "execution_duration_ms", Sliced("2"))
    raw = month.rows[month.rows["entity_version"] == "2"]
    by_hour = raw.groupby(raw["request_time"].dt.floor("h"))["execution_duration_ms"]
    assert found["start"].tolist() == list(by_hour.mean().index)
    assert found["avg"].to_numpy() == pytest.approx(by_hour.mean().to_numpy())
    assert found["median"].to_numpy() == pytest.approx(by_hour.median().to_numpy())
    assert found["count"].tolist() == by_hour.size().tolist()
    moved = drift_statistics.drift(span, "1 hour", "execution_duration_ms", Sliced("2"))
    assert moved["avg_delta"].to_numpy() == pytest.approx(by_hour.mean().diff().dropna().to_numpy())
    assert set(moved["drift_type"]) == {"CONSECUTIVE"}


def test_what_is_taken_along_holds_figures_only(drifted: tuple[Month, list[dict[str, object]]]) -> None:
    month, _ = drifted
    taken = as_frame(drift.findings("chatbot", period("7d", month.now)))
    assert len(taken) == 7
    assert taken["confirmed"].sum() == 5
    for words in ("example.com", "invoice", "moved"):
        assert words not in taken.to_string()
    assert "left out" in set(taken["slice_value"])


def test_column_granularity_and_requests_can_be_chosen_by_a_link(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener
) -> None:
    app = page(
        "drift", column="Latency", windows="1 hour", of="all requests of version 2", drift="Wasserstein distance"
    )
    chosen = {box.label: box.value for box in app.selectbox}
    assert chosen["Column"] == "execution_duration_ms"
    assert chosen["Windows of"] == "1 hour"
    assert chosen["Drift"] == "wasserstein_distance"
    assert not app.exception
    assert "could not be shown" not in texts(app)
    assert not page("drift", column="; DROP TABLE", windows="no").exception


def test_a_link_of_an_alert_names_the_column_as_the_tables_do(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Flags have no profile of their own: that of the toxicity is shown.
    monkeypatch.setitem(PROFILED_AS, "prompt_flagged", "response_toxicity")
    app = page("drift", column="prompt_flagged")
    assert not app.exception
    assert app.selectbox(key="column").value == "response_toxicity"
    assert app.run().selectbox(key="column").value == "response_toxicity"


def test_a_monitors_tables_are_shown_instead_of_ours(
    drifted: tuple[Month, list[dict[str, object]]], tmp_path: Path, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    month, _ = drifted
    start = pd.Timestamp(month.now).floor("h").to_pydatetime() - timedelta(hours=3)
    hours = [{"start": start + n * timedelta(hours=1), "end": start + (n + 1) * timedelta(hours=1)} for n in range(2)]
    address = str(tmp_path / "monitor")
    profile = {"window": hours, "granularity": ["1 hour"] * 2, "column_name": ["score"] * 2, "avg": [1.5, 2.5]}
    write_deltalake(f"{address}_profile_metrics", pa.table({**profile, "model_id": ["*", "*"]}))
    compared = {"ks_test": [{"statistic": 0.4, "pvalue": 0.01}], "drift_type": ["BASELINE"]}
    rows = {"window": hours[1:], "granularity": ["1 hour"], "column_name": ["score"]}
    write_deltalake(f"{address}_drift_metrics", pa.table({**rows, **compared, "model_id": ["*"]}))
    monkeypatch.setenv("LAKEHELM_DRIFT_TABLES", address)
    get_settings.cache_clear()
    span = period("24h", month.now)
    assert drift_statistics.choices(span).columns == {"1 hour": ("score",)}
    assert drift_statistics.profile(span, "1 hour", "score", Sliced())["avg"].tolist() == [1.5, 2.5]
    assert drift_statistics.drift(span, "1 hour", "score", Sliced())["ks_pvalue"].tolist() == [0.01]
    app = page("drift")
    assert not app.exception
    assert "From the Databricks monitor" in texts(app)
    assert "could not be" not in texts(app)


def test_a_monitor_that_is_not_there_is_a_sentence(
    month: Month, empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHELM_DRIFT_TABLES", str(empty.home / "nowhere"))
    get_settings.cache_clear()
    app = page("drift")
    assert not app.exception
    assert "nowhere" in "".join(error.value for error in app.error)


def test_an_empty_workspace_says_that_nothing_was_judged(empty: Settings, page: Opener) -> None:
    app = page("drift")
    assert not app.exception
    assert "Nothing has been judged yet" in texts(app)
    assert "No window of this time is profiled" in texts(app)


def test_windows_without_a_finding_and_a_run_that_failed_long_ago_are_said(
    month: Month, empty: Settings, page: Opener
) -> None:
    workspace.write_rows(empty, "request_metrics_profile_metrics", monitored.judged_windows(month.now))
    run = workspace.job_run(month.now - timedelta(hours=3), state="failed", job="drift", error="The lake is full.")
    workspace.write_rows(empty, "job_runs", [run])
    said = texts(page("drift"))
    assert "did not end well: The lake is full" in said
    assert "the drift job last ran 3 hours ago" in said
    assert "Nothing has drifted in this time" in said


def test_a_window_that_was_judged_again_counts_as_judged_last(month: Month, empty: Settings) -> None:
    start = five_minutes_before(month.now, 1)
    first = monitored.finding(start, "errors", confirmed=False)
    again = {**first, "finding_id": "again", "confirmed": True, "judged_at": first["judged_at"] + FIVE}
    of_others = {**first, "finding_id": "others", "endpoint_name": "elsewhere"}
    workspace.write_rows(empty, DRIFT_FINDINGS.name, [first, again, of_others])
    found = drift.findings("chatbot", period("24h", month.now))
    assert [(one.finding_id, one.confirmed) for one in found] == [("again", True)]


STRANGE = (
    "no JSON",
    "[1, 2]",
    '{"histogram": [1], "examples": "a", "terms": {"a": 1}, "window_cmp": ["yesterday", 3], "power": "high"}',
    '{"histogram": {"edges": [1, 2], "now": [1, 2, 3], "compared": [1, 2, 3]}, "window_cmp": 5}',
    '{"histogram": {"edges": [1, null, 3], "now": [1, 2], "compared": [1, 2]}, "terms": [["a", 3, 1], 4, []]}',
    "{}",
)


@pytest.mark.parametrize("evidence", STRANGE)
def test_evidence_in_another_shape_is_left_out(month: Month, evidence: str) -> None:
    row = {**monitored.finding(five_minutes_before(month.now, 1), "errors", confirmed=True), "evidence": evidence}
    found = finding_of(row)
    assert (found.histogram, found.examples, found.compared_windows) == (None, (), ())
    assert found.terms == (("a",) if "3, 1" in evidence else ())


def test_a_finding_with_nothing_but_a_window_is_shown(month: Month, empty: Settings, page: Opener) -> None:
    start = five_minutes_before(month.now, 1)
    nothing = {"finding_id": "bare", "window_start": start, "window_end": start + FIVE, "column_name": "errors"}
    workspace.write_rows(empty, DRIFT_FINDINGS.name, [{**nothing, "drift_type": "BASELINE", "evidence": STRANGE[2]}])
    app = page("drift", finding="bare")
    assert not app.exception
    assert "could not be shown" not in texts(app)
    assert "Failed requests differs from the same hours of earlier days" in texts(app)


def test_looking_back_shows_what_was_known_then(month: Month, empty: Settings, page: Opener) -> None:
    then = workspace.utc_now()
    # The log keeps milliseconds.
    time.sleep(0.003)
    monitored.write_findings(empty, month.now, [])
    assert drift.findings("chatbot", period("24h", month.now))
    assert "Completion tokens moved" in shown(page("drift"))
    app = page("drift", as_of=then.isoformat())
    assert "Completion tokens moved" not in shown(app)
    assert "Nothing has been judged yet" in texts(app)


def test_a_damaged_table_costs_only_its_own_panels(
    drifted: tuple[Month, list[dict[str, object]]], page: Opener
) -> None:
    settings = drifted[0].settings
    for file in Path(settings.lake, "request_metrics_drift_metrics").glob("*.parquet"):
        file.write_bytes(b"damaged")
    app = page("drift")
    assert not app.exception
    assert "could not be read" in texts(app)
    assert [metric.value for metric in app.metric] == ["1", "1", "1"]
