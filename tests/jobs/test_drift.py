import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from jobs import drift
from jobs.drift import run_drift
from jobs.drift_windows import closed_until
from lakehouse.drift_tables import DRIFT_METRICS, PROFILE_METRICS
from lakehouse.runs import finish_run, runs, start_run
from lakehouse.store import open_table, table_uri
from settings import Settings
from tests.jobs.drift_requests import TABLES, deliver, figures, found, requests

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
PROFILES, DRIFTS = TABLES


def run(settings: Settings, until: datetime, seconds: float = 600.0) -> drift.DriftProgress:
    return run_drift(settings, now=until + timedelta(seconds=1), until=until, seconds=seconds)


def versions(settings: Settings) -> list[int]:
    return [open_table(settings, name).version() for name in TABLES]


DATABRICKS = {
    PROFILES: """window STRUCT<start TIMESTAMP,end TIMESTAMP>; log_type STRING; logging_table_commit_version INT;
        monitor_version BIGINT; granularity STRING; entity_version STRING; slice_key STRING; slice_value STRING;
        column_name STRING; count BIGINT; data_type STRING; num_nulls BIGINT; avg DOUBLE; quantiles ARRAY<DOUBLE>;
        min DOUBLE; max DOUBLE; stddev DOUBLE; num_zeros BIGINT; num_nan BIGINT; min_length DOUBLE; max_length DOUBLE;
        avg_length DOUBLE; non_null_columns ARRAY<STRING>; frequent_items ARRAY<STRUCT<item STRING,count BIGINT>>;
        median DOUBLE; distinct_count BIGINT; percent_nan DOUBLE; percent_null DOUBLE; percent_zeros DOUBLE;
        percent_distinct DOUBLE""",
    DRIFTS: """window STRUCT<start TIMESTAMP,end TIMESTAMP>; granularity STRING; monitor_version BIGINT;
        entity_version STRING; slice_key STRING; slice_value STRING; column_name STRING; data_type STRING;
        window_cmp STRUCT<start TIMESTAMP,end TIMESTAMP>; drift_type STRING; count_delta BIGINT; avg_delta DOUBLE;
        percent_null_delta DOUBLE; percent_zeros_delta DOUBLE; percent_distinct_delta DOUBLE;
        non_null_columns_delta STRUCT<added INT,missing INT>; js_distance DOUBLE;
        ks_test STRUCT<statistic DOUBLE,pvalue DOUBLE>; wasserstein_distance DOUBLE; population_stability_index DOUBLE;
        chi_squared_test STRUCT<statistic DOUBLE,pvalue DOUBLE>; tv_distance DOUBLE; l_infinity_distance DOUBLE""",
}
"""The columns of a monitor's tables, whose model id column is called as ours."""


def in_delta(kind: pa.DataType) -> str:
    """The name that Delta has for a type of Arrow."""
    if pa.types.is_list(kind):
        return f"ARRAY<{in_delta(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "STRUCT<{}>".format(",".join(f"{field.name} {in_delta(field.type)}" for field in kind))
    names = {"int32": "INT", "int64": "BIGINT", "timestamp[us, tz=UTC]": "TIMESTAMP"}
    return names.get(str(kind), str(kind).upper())


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_have_the_columns_of_databricks(settings: Settings, name: str) -> None:
    schema = pa.schema(open_table(settings, name).schema())
    wanted = [column.split(maxsplit=1) for column in DATABRICKS[name].split(";")]
    assert [[field.name, in_delta(field.type)] for field in schema] == wanted


def test_a_window_by_hand(settings: Settings) -> None:
    before = {"execution_duration_ms": [0, 10, 20, None], "status_code": [200, 200, 200, 500]}
    now = {"execution_duration_ms": [30, 30, 50, 70, 70], "status_code": [200, 429, 429, 429, None]}
    deliver(settings, requests(4, NOON, MINUTES, 1, **before))
    deliver(settings, requests(5, NOON + MINUTES, MINUTES, 2, **now))
    run(settings, NOON + 2 * MINUTES)
    here = {"granularity": "5 minutes", "window": {"start": NOON + MINUTES, "end": NOON + 2 * MINUTES}}
    (latency,) = found(settings, PROFILES, column_name="execution_duration_ms", **here)
    wanted: dict[str, Any] = {
        "count": 5,
        "num_nulls": 0,
        "avg": 50.0,
        "min": 30.0,
        "max": 70.0,
        "median": 50.0,
        "distinct_count": 3,
    }
    wanted |= {"data_type": "bigint", "percent_distinct": 60.0, "stddev": 20.0, "log_type": "INPUT", "min_length": None}
    assert {key: latency[key] for key in wanted} == wanted
    assert np.allclose(latency["quantiles"], np.quantile([30, 30, 50, 70, 70], np.linspace(0, 1, 100)))
    (codes,) = found(settings, PROFILES, column_name="status_code", **here)
    assert codes["frequent_items"] == [{"item": "429", "count": 3}, {"item": "200", "count": 1}]
    assert (codes["percent_null"], codes["avg"], codes["min_length"]) == (20.0, None, 3.0)
    (whole,) = found(settings, PROFILES, column_name=":table", **here)
    assert (whole["count"], whole["avg"], whole["num_nulls"], whole["data_type"]) == (5, None, None, None)
    assert {"status_code", "execution_duration_ms"} <= set(whole["non_null_columns"])
    assert not {"cost_usd", "prompt_perplexity"} & set(whole["non_null_columns"])

    (moved,) = found(settings, DRIFTS, column_name="execution_duration_ms", drift_type="CONSECUTIVE", **here)
    assert moved["window_cmp"] == {"start": NOON, "end": NOON + MINUTES}
    assert (moved["count_delta"], moved["avg_delta"], moved["percent_null_delta"]) == (1, 40.0, -25.0)
    assert moved["ks_test"]["statistic"] == 1.0
    assert moved["wasserstein_distance"] == scipy.stats.wasserstein_distance([0, 10, 20], [30, 30, 50, 70, 70])
    assert [moved[name] for name in ("js_distance", "chi_squared_test", "tv_distance", "l_infinity_distance")] == [
        None
    ] * 4
    (codes,) = found(settings, DRIFTS, column_name="status_code", drift_type="CONSECUTIVE", **here)
    assert codes["tv_distance"] == codes["l_infinity_distance"] == 0.75
    exact = scipy.stats.chi2_contingency([[1, 3, 0], [3, 0, 1]], correction=False)
    assert codes["chi_squared_test"]["pvalue"] == pytest.approx(exact.pvalue)
    assert [codes[name] for name in ("ks_test", "wasserstein_distance", "population_stability_index")] == [None] * 3
    (whole,) = found(settings, DRIFTS, column_name=":table", drift_type="CONSECUTIVE", **here)
    assert (whole["count_delta"], whole["avg_delta"], whole["ks_test"]) == (1, None, None)
    assert whole["non_null_columns_delta"] == {"added": 0, "missing": 0}


def test_slices_have_enough_requests_and_name_no_person(settings: Settings) -> None:
    rows = requests(90, NOON, MINUTES, requester=["ann@big.example"] * 40 + ["bob@big.example"] * 21 + ["eve"] * 29)
    deliver(settings, rows)
    run(settings, NOON + HOUR)

    def slices(granularity: str) -> set[tuple[Any, ...]]:
        return {
            (row["entity_version"], row["slice_key"], row["slice_value"], row["count"])
            for row in figures(settings, PROFILES)
            if (row["column_name"], row["granularity"]) == (":table", granularity)
        }

    by_version = {value: rows["entity_version"].to_pylist().count(value) for value in ("1", "2")}
    short = {
        ("*", None, None, 90),
        *((version, None, None, count) for version, count in by_version.items()),
        ("*", "endpoint_name", "chatbot", 90),
        ("*", "status_class", "2xx", rows["status_code"].to_pylist().count(200)),
    }
    assert slices("5 minutes") == short
    # Groups of requesters are for windows that have enough requests of each.
    assert slices("1 hour") == {*short, ("*", "requester", "big.example", 61)}
    assert "ann" not in str(figures(settings, PROFILES))


def test_the_baseline_is_a_week_before_or_the_same_hour_of_weeks_where_that_has_too_few(settings: Settings) -> None:
    deliver(settings, requests(40, NOON, MINUTES, 1))
    deliver(settings, requests(30, NOON - WEEK, MINUTES, 2))
    deliver(settings, requests(10, NOON + MINUTES, MINUTES, 3))
    deliver(settings, requests(9, NOON - 2 * WEEK + 11 * MINUTES, MINUTES, 4))
    run(settings, NOON + 2 * MINUTES)
    first, second = found(settings, DRIFTS, column_name=":table", drift_type="BASELINE", granularity="5 minutes")
    assert first["window_cmp"] == {"start": NOON - WEEK, "end": NOON - WEEK + MINUTES}
    assert first["count_delta"] == 10
    assert second["window_cmp"] == {"start": NOON - 4 * WEEK, "end": NOON - WEEK + HOUR}
    assert second["count_delta"] == 10 - 39
    # A window with nothing like it before has no baseline.
    deliver(settings, requests(40, NOON + HOUR, MINUTES, 5))
    run(settings, NOON + HOUR + MINUTES)
    later = found(settings, DRIFTS, column_name=":table", window={"start": NOON + HOUR, "end": NOON + HOUR + MINUTES})
    assert later == []


def test_a_change_of_the_scorer_is_no_drift(settings: Settings) -> None:
    deliver(settings, requests(50, NOON, MINUTES, 1))
    other = ["model/a/1"] * 10 + ["model/b/1"] * 40
    perplexity = [7.0] * 10 + [3.0] * 40
    deliver(settings, requests(50, NOON + MINUTES, MINUTES, 2, perplexity_scorer=other, response_perplexity=perplexity))
    run(settings, NOON + 2 * MINUTES)
    here = {"column_name": "response_perplexity", "window": {"start": NOON + MINUTES, "end": NOON + 2 * MINUTES}}
    (profile,) = found(settings, PROFILES, **here)
    assert (profile["count"], profile["num_nulls"], profile["avg"]) == (50, 10, 3.0)
    (compared,) = found(settings, DRIFTS, **here)
    assert (compared["ks_test"], compared["avg_delta"]) == (None, None)


def test_rows_that_come_late_and_in_any_order_give_the_same_tables_as_all_at_once(
    settings: Settings, tmp_path: Path
) -> None:
    first = datetime(2026, 5, 4, tzinfo=UTC)
    end = first + 16 * DAY + 2 * HOUR
    days = [requests(45, first + number * DAY, DAY, number) for number in range(16)]
    hours = [requests(40, first + 16 * DAY + number * HOUR, HOUR, 100 + number) for number in range(2)]
    order = np.random.default_rng(5).permutation(16).tolist()
    for day in order[:9]:
        deliver(settings, days[day])
    run(settings, end - 2 * HOUR)
    # Whole days come late, and of each hour a third.
    for day in order[9:]:
        deliver(settings, days[day])
    for rows in hours:
        deliver(settings, rows.slice(13))
    run(settings, end)
    for rows in hours:
        deliver(settings, rows.slice(0, 13))
    run(settings, end)
    pieces = [*days, *hours]
    at_once = Settings(home=tmp_path / "at once")
    deliver(at_once, pa.concat_tables(pieces))
    run(at_once, end)
    for name in TABLES:
        wanted = figures(at_once, name, NO_QUANTILES[name])
        # The job that ran all the time has older windows, too.
        first_of = {row["granularity"]: row["window"]["start"] for row in reversed(wanted)}
        got = [
            row
            for row in figures(settings, name, NO_QUANTILES[name])
            if row["window"]["start"] >= first_of[row["granularity"]]
        ]
        assert got == wanted
        assert len(wanted) > 1000


NO_QUANTILES = {
    PROFILES: [name for name in PROFILE_METRICS.schema.names if name != "quantiles"],
    DRIFTS: list(DRIFT_METRICS.schema.names),
}


def test_a_run_with_nothing_new_writes_nothing(settings: Settings) -> None:
    deliver(settings, requests(40, NOON, HOUR))
    run(settings, NOON + HOUR)
    before = versions(settings)
    assert run(settings, NOON + HOUR).windows == 0
    open_table(settings, "request_metrics").optimize.compact()
    assert run(settings, NOON + HOUR).windows == 0
    assert versions(settings) == before
    assert [one["state"] for one in runs(settings, "drift")] == ["succeeded"] * 3


def test_a_late_row_changes_its_windows_and_those_compared_with_them(settings: Settings) -> None:
    deliver(settings, requests(60, NOON, 3 * MINUTES))
    run(settings, NOON + 3 * MINUTES)
    deliver(settings, requests(1, NOON + MINUTES, MINUTES, 9))
    progress = run(settings, NOON + 3 * MINUTES)
    assert progress.windows == 2
    counts = [row["count"] for row in found(settings, PROFILES, column_name=":table", granularity="5 minutes")]
    assert sum(counts) == 61
    deltas = found(settings, DRIFTS, column_name=":table", granularity="5 minutes")
    assert [row["count_delta"] for row in deltas] == np.diff(counts).tolist()


def test_rows_too_late_for_a_window_are_counted(settings: Settings) -> None:
    deliver(settings, requests(40, NOON, MINUTES))
    run(settings, NOON + MINUTES)
    deliver(settings, requests(7, NOON - 3 * DAY, MINUTES, 1))
    deliver(settings, requests(2, NOON - 60 * DAY, MINUTES, 2))
    progress = run(settings, NOON + MINUTES)
    assert progress.unscored_reasons == {
        "request_time: too late for a window of 5 minutes": 9,
        "request_time: too late for a window of 1 hour": 2,
        "request_time: too late for a window of 1 day": 2,
    }
    assert "9 (too late for a window of 5 minutes)" in progress.sentence()
    hours = found(settings, PROFILES, column_name=":table", granularity="1 hour")
    assert [row["window"]["start"] for row in hours] == [NOON - 3 * DAY]


def test_five_minutes_of_long_ago_go_once_a_week_with_the_windows_that_close_then(settings: Settings) -> None:
    rows = [requests(40, NOON + number * DAY, MINUTES, number) for number in (0, 7, 36)]
    for number, part in zip((0, 7, 36), rows, strict=True):
        deliver(settings, part)
        run(settings, NOON + number * DAY + MINUTES)
    for name in TABLES:
        assert {row["window"]["start"] for row in found(settings, name, granularity="5 minutes")} <= {
            NOON + 7 * DAY,
            NOON + 36 * DAY,
        }
    starts = [row["window"]["start"] for row in found(settings, PROFILES, column_name=":table")]
    assert starts.count(NOON + 7 * DAY) == starts.count(NOON + 36 * DAY) == 1
    # Hours and days stay, and a run of the same week deletes nothing.
    hours = found(settings, PROFILES, column_name=":table", granularity="1 day")
    assert [row["window"]["start"].date() for row in hours] == [NOON.date(), (NOON + 7 * DAY).date()]
    deliver(settings, requests(40, NOON + 36 * DAY + MINUTES, MINUTES, 37))
    run(settings, NOON + 36 * DAY + 2 * MINUTES)
    commits = [entry["operationParameters"].get("mode") for entry in open_table(settings, PROFILES).history()]
    assert commits.count("Overwrite") == 2
    assert commits[0] == "Append"


def test_a_first_run_that_takes_too_long_goes_on_in_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "WINDOWS_AT_ONCE", 1)
    for number in range(4):
        deliver(settings, requests(10, NOON - number * DAY, HOUR, number))
    waiting = [run(settings, NOON + DAY, seconds=0).windows_waiting for _ in range(3)]
    assert waiting[0] > waiting[1] > waiting[2] > 0
    assert run(settings, NOON + DAY).windows_waiting == 0
    days = found(settings, PROFILES, column_name=":table", granularity="1 day")
    assert [row["count"] for row in days] == [10] * 4


def test_tables_that_history_has_left_behind_are_computed_from_the_present_rows(settings: Settings) -> None:
    deliver(settings, requests(60, NOON, 3 * MINUTES))
    run(settings, NOON + 3 * MINUTES)
    for number in range(3):
        deliver(settings, requests(5, NOON + number * MINUTES, MINUTES, 1 + number))
    table = open_table(settings, "request_metrics")
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    shutil.rmtree(f"{table_uri(settings, 'request_metrics')}/_change_data", ignore_errors=True)
    run(settings, NOON + 3 * MINUTES)
    counts = [row["count"] for row in found(settings, PROFILES, column_name=":table", granularity="5 minutes")]
    assert sum(counts) == 75
    assert len(counts) == 3


def test_tables_about_requests_that_were_deleted_begin_anew(settings: Settings, tmp_path: Path) -> None:
    deliver(settings, requests(60, NOON, 3 * MINUTES))
    run(settings, NOON + 3 * MINUTES)
    shutil.rmtree(table_uri(settings, "request_metrics"))
    rebuilt = Settings(home=tmp_path / "rebuilt")
    for workspace in (settings, rebuilt):
        deliver(workspace, requests(40, NOON, 2 * MINUTES, 1))
        run(workspace, NOON + 3 * MINUTES)
    for name in TABLES:
        assert figures(settings, name) == figures(rebuilt, name)


def test_windows_close_when_the_metrics_job_has_come_past_them(settings: Settings) -> None:
    now = datetime.now(UTC)
    assert closed_until(settings, now) <= now - HOUR
    started = start_run(settings, "score", "schedule", "")
    finish_run(settings, started, "succeeded", rows_waiting=3)
    assert closed_until(settings, now) <= now - HOUR
    started = start_run(settings, "score", "schedule", "")
    finish_run(settings, started, "succeeded", rows_waiting=0)
    done = closed_until(settings, now + 2 * MINUTES)
    came_to = runs(settings, "score")[0]["started_at"] - timedelta(seconds=30)
    assert timedelta(0) <= came_to - done < MINUTES
    assert (done.minute % 5, done.second, done.microsecond) == (0, 0, 0)


def test_windows_of_an_inference_table_that_is_delivered_late_close_an_hour_after_what_was_scored(
    settings: Settings,
) -> None:
    now = datetime.now(UTC)
    late = settings.model_copy(update={"inference_table_uri": "uc://main.chatbot.inference"})
    finish_run(late, start_run(late, "score", "schedule", ""), "succeeded", rows_waiting=0)
    came_to = runs(late, "score")[0]["started_at"] - HOUR
    assert timedelta(0) <= came_to - closed_until(late, now + 2 * MINUTES) < MINUTES
