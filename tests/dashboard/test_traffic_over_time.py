"""Every number of the Traffic page equals what plain pandas says of the single rows."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from dashboard.periods import Period, between, period
from dashboard.queries import endpoint_errors, traffic_latency
from dashboard.queries.latency_over_time import QUANTILES, distribution, latency_lines
from dashboard.queries.sample import REQUESTS
from dashboard.queries.traffic_latency import LEAST_IN_BIN, latency_by_tokens
from dashboard.queries.traffic_over_time import OTHERS, stack, summary
from dashboard.queries.traffic_rhythm import rhythm
from dashboard.queries.traffic_windows import LATENCY, MOST_BINS, TOKENS_IN, TOKENS_OUT, finer
from dashboard.traffic_charts import coarser
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

COLUMNS = {REQUESTS: "databricks_request_id", TOKENS_IN: "prompt_tokens", TOKENS_OUT: "completion_tokens"}


def rows_of(month: Month, span: Period) -> pd.DataFrame:
    rows = month.rows[(month.rows["request_time"] >= span.start) & (month.rows["request_time"] < span.end)]
    return rows.assign(
        version=rows["entity_name"] + "/" + rows["entity_version"],
        status=(rows["status_code"] // 100).astype(str) + "xx",
        bin=((rows["request_time"] - span.start).dt.total_seconds() // finer(span).bin_seconds).astype(int),
    )


def amount(rows: pd.DataFrame, metric: str) -> float:
    return float(len(rows) if metric == REQUESTS else rows[metric].sum())


@pytest.mark.parametrize("name", ["6h", "24h", "7d", "30d"])
def test_the_tiles_equal_the_single_rows(month: Month, name: str) -> None:
    span = period(name, month.now)
    found = summary("chatbot", span)
    minutes = span.length / timedelta(minutes=1)
    for side, rows in (("value", rows_of(month, span)), ("previous", rows_of(month, span.previous))):
        assert getattr(found.requests, side) == len(rows)
        assert getattr(found.per_minute, side) == pytest.approx(len(rows) / minutes)
        assert getattr(found.tokens_in, side) == rows["prompt_tokens"].sum()
        assert getattr(found.tokens_out, side) == rows["completion_tokens"].sum()
        failed = (rows["status_code"] >= 400).mean() if len(rows) else np.nan
        assert getattr(found.error_share, side) == pytest.approx(failed, nan_ok=True)
        peak = rows["request_time"].dt.floor("min").value_counts().max() if len(rows) else np.nan
        assert getattr(found.peak, side) == pytest.approx(peak, nan_ok=True)
        for quantile, share in QUANTILES.items():
            exact = np.quantile(rows[LATENCY], share, method="inverted_cdf") if len(rows) else np.nan
            assert getattr(found.latency[quantile], side) == pytest.approx(exact, rel=0.01, nan_ok=True)


def test_the_peak_of_a_long_time_is_that_of_quarters_of_an_hour(month: Month) -> None:
    span = between(month.now - timedelta(days=60), month.now)
    found = summary("chatbot", span)
    quarters = rows_of(month, span)["request_time"].dt.floor("15min").value_counts()
    assert found.peak_minutes == 15
    assert found.peak.value == pytest.approx(quarters.max() / 15)


@pytest.mark.parametrize("metric", list(COLUMNS))
@pytest.mark.parametrize("by", ["version", "status"])
def test_every_bar_equals_the_single_rows(month: Month, by: str, metric: str) -> None:
    span = period("7d", month.now)
    rows = rows_of(month, span)
    found = stack("chatbot", span, by, metric)
    # A status without an answer has no tokens out, and so no part.
    assert set(found.parts) == set(rows[by] if metric == REQUESTS else rows.dropna(subset=[metric])[by])
    assert len(found.times) == finer(span).bins
    assert found.times[0] == span.start.timestamp() * 1000
    for key, values in found.parts.items():
        part = rows[rows[by] == key]
        expected = [amount(one, metric) for _, one in part.groupby(part["bin"])]
        assert values[values > 0].tolist() == pytest.approx([value for value in expected if value])
        assert values.sum() == pytest.approx(amount(part, metric))
        filled = part if metric == REQUESTS else part[part[metric] > 0]
        assert np.flatnonzero(values).tolist() == np.unique(filled["bin"]).tolist()


@pytest.mark.parametrize("metric", list(COLUMNS))
def test_requesters_are_counted_by_utc_days(month: Month, metric: str) -> None:
    span = period("7d", month.now)
    found = stack("chatbot", span, "requester", metric)
    days = pd.to_datetime(found.times, unit="ms", utc=True)
    assert (days == days.floor("D")).all()
    assert days[0] <= span.start
    assert span.end <= days[-1] + timedelta(days=1)
    rows = month.rows[month.rows["request_time"] >= days[0]]
    for key, values in found.parts.items():
        part = rows[rows["requester"] == key]
        expected = [amount(part[part["request_time"].dt.floor("D") == day], metric) for day in days]
        assert values.tolist() == pytest.approx(expected)
    # Whatever is shown, they stand in the order of their requests: each keeps its colour.
    assert list(found.parts) == list(rows["requester"].value_counts().index)


def test_the_requesters_beyond_the_largest_are_added_up(month: Month, empty: Settings) -> None:
    many = month.rows.tail(200).assign(requester=[f"user-{number % 12}" for number in range(200)])
    many.loc[many.index[:40], "requester"] = None
    workspace.write_rows(empty, "metrics_daily_requester", workspace.partials(many, 1440, by_requester=True))
    found = stack("chatbot", period("7d", month.now), "requester", REQUESTS)
    assert list(found.parts)[-1] == OTHERS
    assert next(iter(found.parts)) == ""
    assert len(found.parts) == 8
    assert sum(values.sum() for values in found.parts.values()) == 200


def test_latency_of_every_bin_is_within_one_per_cent(month: Month) -> None:
    span = period("7d", month.now)
    rows = rows_of(month, span)
    found = latency_lines("chatbot", span)
    assert set(found.lines) == {"", *rows["version"]}
    for key, lines in found.lines.items():
        part = rows[rows["version"] == key] if key else rows
        values = {int(number): np.sort(part.loc[part["bin"] == number, LATENCY]) for number in part["bin"].unique()}
        for quantile, share in QUANTILES.items():
            shown = lines[quantile]
            assert set(np.flatnonzero(np.isfinite(shown))) == set(values)
            for number, one in values.items():
                assert shown[number] == pytest.approx(one[int(np.ceil(share * len(one) - 1e-9)) - 1], rel=0.01)


@pytest.mark.parametrize("metric", [LATENCY, TOKENS_IN, TOKENS_OUT])
def test_every_step_of_a_distribution_counts_the_requests_within_its_edges(month: Month, metric: str) -> None:
    span = period("30d", month.now)
    rows = rows_of(month, span)
    steps = coarser(metric, distribution("chatbot", span, metric))
    assert len(steps) > 10
    for step in steps.itertuples():
        values = rows.loc[rows["version"] == step.version, metric].dropna()
        expected = ((values >= step.lower) & (values < step.upper)).sum()
        assert step.n == expected
        assert step.share == pytest.approx(expected / len(values))
    assert steps.groupby("version")["share"].sum().tolist() == pytest.approx([1, 1])


def test_latency_by_tokens_equals_the_single_rows(month: Month) -> None:
    span = period("30d", month.now)
    rows = rows_of(month, span).dropna(subset=[TOKENS_OUT])
    found = latency_by_tokens("chatbot", span)
    assert (found.rows, found.total) == (len(rows), len(rows))
    assert {part.version for part in found.versions} == set(rows["version"])
    for part in found.versions:
        of_version = rows[rows["version"] == part.version]
        assert part.n == len(of_version)
        exact = of_version[TOKENS_OUT].rank().corr(of_version[LATENCY].rank())
        assert part.correlation == pytest.approx(exact, abs=1e-9)
        for one in part.bins.itertuples():
            inside = of_version[(of_version[TOKENS_OUT] >= one.at_least) & (of_version[TOKENS_OUT] < one.below)]
            assert one.n == len(inside) >= LEAST_IN_BIN
            assert one.p50 == pytest.approx(inside[LATENCY].median())
            assert one.p95 == pytest.approx(inside[LATENCY].quantile(0.95))
            assert one.tokens == inside[TOKENS_OUT].median()


def test_too_many_answers_are_a_random_sample_that_says_so(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_latency, "MOST_ROWS", 800)
    span = period("30d", month.now)
    found = latency_by_tokens("chatbot", span)
    assert found.total == rows_of(month, span)[TOKENS_OUT].notna().sum()
    assert 600 < found.rows <= 800 < found.total


def test_a_slope_is_found_where_there_is_one(month: Month, empty: Settings) -> None:
    random = np.random.default_rng(2)
    rows = month.rows.dropna(subset=[TOKENS_OUT])
    rows = rows.assign(execution_duration_ms=np.round(rows[TOKENS_OUT] * 4.5 + random.exponential(90, len(rows))))
    workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
    workspace.write_requests(empty, rows)
    found = latency_by_tokens("chatbot", period("30d", month.now))
    for part in found.versions:
        assert part.slope is not None
        # How often the interval holds the slope is tested where the numbers do not depend on the day.
        assert part.slope.low <= part.slope.value <= part.slope.high
        assert part.slope.value == pytest.approx(4.5, rel=0.1)
        assert part.correlation > 0.8


def test_errors_by_version_and_status_codes_equal_the_single_rows(month: Month) -> None:
    span = period("30d", month.now)
    rows = rows_of(month, span)
    found = endpoint_errors.by_version("chatbot", span)
    assert {one.version: one.requests for one in found} == rows.groupby("version").size().to_dict()
    for column, status in (("errors_4xx", "4xx"), ("errors_5xx", "5xx")):
        failed = (rows["status"] == status).groupby(rows["version"]).sum().to_dict()
        assert {one.version: getattr(one, column) for one in found} == failed
    assert [one.requests for one in found] == sorted((one.requests for one in found), reverse=True)
    codes = endpoint_errors.status_codes("chatbot", span)
    expected = rows[rows["status_code"] >= 400].groupby(["status_code", "version"]).size()
    assert {(r.status_code, r.version): r.n for r in codes.itertuples()} == expected.to_dict()
    assert codes["n"].is_monotonic_decreasing


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_the_rhythm_counts_hours_of_the_pages_clock(month: Month, zone: str) -> None:
    span = period("30d", month.now)
    found = rhythm("chatbot", span, zone)
    local = rows_of(month, span)["request_time"].dt.tz_convert(zone)
    quarters = pd.date_range(span.start, span.end, freq="15min", inclusive="left").tz_convert(zone)
    requests, hours = np.zeros((7, 24)), np.zeros((7, 24))
    np.add.at(requests, (local.dt.dayofweek, local.dt.hour), 1)
    np.add.at(hours, (quarters.dayofweek, quarters.hour), 0.25)
    assert found.per_hour == pytest.approx(requests / hours)
    assert found.hours == pytest.approx(hours)
    for (day, hour), start in found.last.items():
        last = pd.Timestamp(start).tz_convert(zone)
        assert (last.dayofweek, last.hour, last.minute) == (day, hour, 0)


def test_hours_that_a_period_does_not_have_are_missing(month: Month) -> None:
    found = rhythm("chatbot", period("6h", month.now), "UTC")
    assert 6 <= np.isfinite(found.per_hour).sum() <= 7


@pytest.mark.parametrize("name", ["1h", "6h", "24h", "7d", "30d"])
def test_finer_bins_cover_the_same_time(month: Month, name: str) -> None:
    span = period(name, month.now)
    fine = finer(span)
    assert (fine.start, fine.end) == (span.start, span.end)
    assert span.bins <= fine.bins <= MOST_BINS
    assert fine.length.total_seconds() % fine.bin_seconds == 0


def test_an_endpoint_that_was_never_used_has_nothing(month: Month) -> None:
    span = period("24h", month.now)
    found = summary("somewhere else", span)
    assert found.requests.value == 0
    assert np.isnan(found.error_share.value)
    assert np.isnan(found.latency["p99"].value)
    assert stack("somewhere else", span, "requester", REQUESTS).parts == {}
    assert latency_by_tokens("somewhere else", span).versions == ()
    assert endpoint_errors.by_version("somewhere else", span) == []
    assert endpoint_errors.status_codes("somewhere else", span).empty
