"""The numbers of the Cost page equal those of the single rows."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from dashboard.chart_times import time_of
from dashboard.errors import DashboardError
from dashboard.periods import between, period
from dashboard.queries import cost, cost_conversations, cost_days, cost_monitoring, cost_prices
from dashboard.queries.cost_difference import version_difference
from lakehouse.tables import TABLES
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month, use

ZONE = "Asia/Kolkata"
V1, V2 = "prod.chatbot/1", "prod.chatbot/2"


def inside(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    return rows[(rows["request_time"] >= start) & (rows["request_time"] < end)]


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d"])
def test_versions_sum_up_to_their_rows(month: Month, name: str) -> None:
    span = period(name, month.now)
    found = cost.spend("chatbot", span, ZONE)
    rows = inside(month.rows, span.start, span.end)
    assert set(found.versions["version"]) == {f"prod.chatbot/{version}" for version in rows["entity_version"]}
    for row in found.versions.to_dict("records"):
        own = rows[rows["entity_version"] == row["version"][-1]]
        answered = own[own["status_code"] < 400]
        assert row["requests"] == len(own)
        assert row["priced"] == own["cost_usd"].notna().sum()
        assert row["failed"] == row["unpriced_failed"] == (own["status_code"] >= 400).sum()
        assert row["usd"] == pytest.approx(own["cost_usd"].sum(min_count=1), nan_ok=True)
        assert row["usd2"] == pytest.approx((own["cost_usd"] ** 2).sum(min_count=1), nan_ok=True)
        assert (row["tokens_in"], row["tokens_out"]) == (own["prompt_tokens"].sum(), own["completion_tokens"].sum())
        assert row["mean_in"] == pytest.approx(answered["prompt_tokens"].mean())
        assert row["mean_out"] == pytest.approx(answered["completion_tokens"].mean())
    earlier = inside(month.rows, span.previous.start, span.start)
    # In the last hour of a quiet night nobody may have asked.
    assert found.now["usd"] == pytest.approx(rows["cost_usd"].sum(min_count=1), nan_ok=True)
    assert (found.now["requests"], found.now["priced"]) == (len(rows), rows["cost_usd"].notna().sum())
    assert found.before["requests"] == len(earlier)
    assert found.before["usd"] == pytest.approx(
        earlier["cost_usd"].sum() if earlier["cost_usd"].notna().any() else np.nan, nan_ok=True
    )


@pytest.mark.parametrize("zone", [ZONE, "Europe/Berlin", "America/St_Johns"])
def test_days_are_those_of_the_time_zone(month: Month, zone: str) -> None:
    span = period("30d", month.now)
    found = cost.spend("chatbot", span, zone)
    assert found.by_day
    rows = inside(month.rows, span.start, span.end).dropna(subset=["cost_usd"])
    day = rows["request_time"].dt.tz_convert(zone).dt.date
    expected = rows.groupby([day, "entity_version"])["cost_usd"].sum()
    steps = found.steps.dropna(subset=["usd"])
    assert len(steps) == len(expected)
    for row in steps.to_dict("records"):
        local = datetime.fromtimestamp(row["start"] / 1000, ZoneInfo(zone))
        assert (local.hour, local.minute) == (0, 0)
        assert row["usd"] == pytest.approx(expected[local.date(), row["version"][-1]])
    assert set(steps["start"]) <= set(found.starts)
    assert (found.ends[:-1] == found.starts[1:]).all()


def test_a_day_with_a_change_of_the_clock_has_23_or_25_hours(month: Month) -> None:
    autumn = between(datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC))
    found = cost.spend("chatbot", autumn, "Europe/Berlin")
    assert set((found.ends - found.starts) / cost_days.HOUR) == {24, 25}


def test_short_ranges_are_shown_by_their_bins(month: Month) -> None:
    span = period("24h", month.now)
    found = cost.spend("chatbot", span, ZONE)
    assert not found.by_day
    rows = inside(month.rows, span.start, span.end).dropna(subset=["cost_usd"])
    place = (rows["request_time"] - span.start) // timedelta(seconds=span.bin_seconds)
    expected = rows.groupby(place)["cost_usd"].sum()
    assert len(found.starts) == span.bins
    steps = found.steps.dropna(subset=["usd"]).groupby("start")["usd"].sum()
    assert steps.tolist() == pytest.approx(expected.tolist())
    assert ((steps.index - found.starts[0]) / (span.bin_seconds * 1000)).tolist() == expected.index.tolist()


def test_requesters_sum_up_to_the_rows_of_whole_utc_days(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MOST_LINES", 2)
    span = period("7d", month.now)
    found = cost.requester_spend("chatbot", span)
    start = span.start.replace(hour=0, minute=0)
    rows = inside(month.rows, start, span.end)
    expected = rows.groupby("requester")["cost_usd"].sum().sort_values(ascending=False)
    assert found.requesters["requester"].tolist() == expected.index.tolist()
    assert found.requesters["usd"].tolist() == pytest.approx(expected.tolist())
    assert (found.count, found.requests) == (expected.size, len(rows))
    assert found.usd == pytest.approx(rows["cost_usd"].sum())
    others = found.steps[found.steps["requester"] == cost.OTHERS]
    assert others["usd"].sum() == pytest.approx(expected.iloc[2:].sum())
    first = found.steps[found.steps["requester"] == expected.index[0]]
    own = rows[rows["requester"] == expected.index[0]]
    by_day = own.groupby(own["request_time"].dt.floor("D"))["cost_usd"].sum()
    assert first["usd"].tolist() == pytest.approx(by_day.tolist())


def test_the_month_so_far_and_its_history_are_the_days_of_the_time_zone(month: Month) -> None:
    found = cost_days.month_spend("chatbot", ZONE)
    local = month.rows["request_time"].dt.tz_convert(ZONE)
    by_day = month.rows.groupby(local.dt.date)["cost_usd"].sum()
    today = datetime.now(ZoneInfo(ZONE)).date()
    expected = by_day[[(day.year, day.month) == (today.year, today.month) for day in by_day.index]].to_dict()
    assert list(found.days) == list(expected)
    assert list(found.days.values()) == pytest.approx(list(expected.values()))
    assert found.forecast.so_far == pytest.approx(sum(expected.values()))
    # Neither today nor the first day of all is a full one.
    assert found.forecast.history_days == len(by_day.drop(today, errors="ignore")) - 1
    assert found.forecast.low is not None
    assert found.forecast.so_far <= found.forecast.low <= found.forecast.total
    frame = cost_days.month_frame(found)
    assert frame["day"].is_unique
    assert frame["usd"].sum() == pytest.approx(found.forecast.so_far)


def test_an_hour_far_above_the_usual_is_a_spike(month: Month, empty: Settings) -> None:
    moment = (month.now - timedelta(days=4)).replace(minute=0, second=0, microsecond=0)
    many = month.rows.iloc[:400].assign(request_time=moment + timedelta(minutes=20))
    for part in (month.rows, many):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
    (found,) = cost_days.spend_spikes("chatbot", period("30d", month.now))
    assert found.time == int(moment.timestamp() * 1000)
    rows = inside(pd.concat([month.rows, many]), moment, moment + timedelta(hours=1))
    assert found.usd == pytest.approx(rows["cost_usd"].sum())
    assert found.usd > 5 * found.expected


def test_the_difference_of_two_versions_is_that_of_the_rows(month: Month) -> None:
    found = version_difference("chatbot", V1, V2, period("30d", month.now), ZONE)
    rows = inside(month.rows, period("30d", month.now).start, month.now).dropna(subset=["cost_usd"])
    a, b = (rows[rows["entity_version"] == version] for version in ("1", "2"))
    test = ttest_ind(b["cost_usd"], a["cost_usd"], equal_var=False)
    interval = test.confidence_interval(0.95)
    result = found.comparison
    assert (result.n_a, result.n_b) == (len(a), len(b))
    assert result.difference == pytest.approx(b["cost_usd"].mean() - a["cost_usd"].mean())
    assert [result.low, result.high] == pytest.approx([interval.low, interval.high])
    assert result.p_value == pytest.approx(test.pvalue)
    assert found.split is not None
    # Both have one price: all of it is tokens.
    assert found.split.price == pytest.approx(0, abs=1e-12)
    assert found.split.tokens == {
        "Tokens in": pytest.approx((b["prompt_tokens"].mean() - a["prompt_tokens"].mean()) * 0.15e-6),
        "Tokens out": pytest.approx((b["completion_tokens"].mean() - a["completion_tokens"].mean()) * 0.6e-6),
    }


def test_reasons_of_requests_without_a_price(empty: Settings) -> None:
    now = datetime.now(UTC)
    rows = workspace.requests(now, 2, 60).assign(status_code=200, cost_usd=np.nan, price_source=None)
    workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
    kept = rows[["databricks_request_id", "request_time", "endpoint_name", "entity_name", "entity_version"]]
    why = "no price of this model is known"
    noted = [
        {**row, "request_date": row["request_time"].date(), "status_code": 429 if place % 3 == 0 else 200,
         "unscored": [] if place % 3 == 1 else [("cost_usd", why)]}
        for place, row in enumerate(kept.to_dict("records"))
    ]  # fmt: skip
    workspace.write_rows(empty, "request_metrics", noted)
    found = cost_prices.unpriced("chatbot", period("7d", now))
    counted: dict[str, int] = {}
    for reason in found:
        counted[reason.reason] = counted.get(reason.reason, 0) + reason.requests
    assert counted == {
        "the request failed, so there is no answer to price": len(noted[0::3]),
        "no reason was noted": len(noted[1::3]),
        why: len(noted[2::3]),
    }
    versions = cost.spend("chatbot", period("7d", now), ZONE).versions
    assert versions["usd"].isna().all()
    assert versions["requests"].sum() == len(rows)


def test_only_the_newest_without_a_price_are_read(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_prices, "MOST_UNPRICED", 5)
    found = cost_prices.unpriced("chatbot", period("30d", month.now))
    assert 1 <= sum(reason.requests for reason in found) <= 5
    failed = month.rows[month.rows["status_code"] >= 400]
    assert max(reason.newest for reason in found) == failed["request_time"].max()


def test_prices_come_from_the_file_first_and_then_from_the_table(
    month: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = period("7d", month.now)
    (found,) = cost_prices.in_force(V2, span, published=False)
    assert found.price is not None
    assert found.price.source == "sample price"
    assert cost_prices.sources("chatbot", span)["price_source"].tolist() == ["sample price"]
    file = tmp_path / "own.csv"
    since = span.start + timedelta(days=2)
    file.write_text(
        "model,version,input_usd_per_million,output_usd_per_million,effective_from\n"
        f"prod.chatbot,2,1,2,2020-01-01\nprod.chatbot,2,3,4,{since.isoformat()}\n"
    )
    use(monkeypatch, month.settings.home, PRICES_FILE=str(file))
    parts = cost_prices.in_force(V2, span, published=False)
    assert [part.price and part.price.input_usd_per_million for part in parts] == [1.0, 3.0]
    assert [part.start for part in parts] == [span.start, since]
    file.write_text("model,version\nx,y\n")
    with pytest.raises(DashboardError, match="lacks the columns input_usd_per_million"):
        cost_prices.prices()
    use(monkeypatch, month.settings.home, PRICES_FILE=str(tmp_path / "none.csv"))
    with pytest.raises(DashboardError, match="cannot be read"):
        cost_prices.prices()


def test_conversations_of_single_questions_cost_what_their_requests_cost(month: Month) -> None:
    span = period("30d", month.now)
    rows = inside(month.rows, span.start, span.end)
    found = cost_conversations.conversation_costs("chatbot", span, len(rows))
    assert found.complete
    average = cost_conversations.average_conversation("chatbot", span, len(rows))
    assert average.usd == pytest.approx(rows["cost_usd"].mean())
    assert (average.count, average.read, average.complete) == (len(found.usd), len(rows), True)
    assert found.read == len(rows)
    assert sorted(found.usd) == pytest.approx(sorted(rows["cost_usd"].dropna()))
    assert found.failed == rows["cost_usd"].isna().sum()
    assert (found.unreadable, found.begun_before, found.unpriced) == (0, 0, 0)


def write_conversation(settings: Settings, start: datetime, turns: int, **columns: Any) -> None:
    """A conversation of `turns` questions, a minute apart, each of which costs a dollar."""
    texts = [f"{'question' if place % 2 == 0 else 'answer'} {start:%H%M%S} {place}" for place in range(2 * turns)]
    rows = []
    for turn in range(turns):
        said = [
            {"role": ("user", "assistant")[place % 2], "content": text}
            for place, text in enumerate(texts[: 2 * turn + 1])
        ]
        time = start + timedelta(minutes=turn)
        rows.append(
            {"databricks_request_id": f"{start:%H%M%S}-{turn}", "request_time": time, "request_date": time.date(),
             "status_code": 200, "requester": "ana", "request": json.dumps({"messages": said}),
             "endpoint_name": "chatbot", "entity_name": "prod.chatbot", "entity_version": "2", "cost_usd": 1.0,
             "execution_duration_ms": 5, "score_weight": 1.0, **columns}
        )  # fmt: skip
    for table in ("inference_table", "request_metrics"):
        names = TABLES[table].schema.names
        workspace.write_rows(settings, table, [{n: v for n, v in row.items() if n in names} for row in rows])
    workspace.write_rows(settings, "metrics_15min", workspace.partials(pd.DataFrame(rows), 15))


def test_a_conversation_costs_what_all_its_requests_cost(empty: Settings) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    write_conversation(empty, now - timedelta(hours=5), 3)
    write_conversation(empty, now - timedelta(hours=4), 1)
    write_conversation(empty, now - timedelta(hours=3), 2, cost_usd=None)
    write_conversation(empty, now - timedelta(hours=2), 2, request=None)
    found = cost_conversations.conversation_costs("chatbot", period("24h", now), 8)
    assert sorted(zip(found.usd, found.requests, strict=True)) == [(1.0, 1), (3.0, 3)]
    assert found.last[0].endswith("-2")
    assert time_of(found.ended[0]) == now - timedelta(hours=5) + timedelta(minutes=2)
    assert cost_conversations.conversation_frame(found)["ended_utc"].iloc[0] == time_of(found.ended[0])
    assert (found.unpriced, found.unreadable, found.begun_before, found.read) == (1, 2, 0, 8)
    cut = cost_conversations.conversation_costs("chatbot", between(now - timedelta(minutes=285), now), 5)
    assert cut.complete
    assert len(cut.usd) == 1


def test_a_conversation_that_the_sample_cuts_is_left_out_and_counted(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_conversations, "MOST_REQUESTS", 2)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    start = datetime.fromtimestamp((now - timedelta(hours=3)).timestamp() // 900 * 900 + 840, UTC)
    write_conversation(empty, start, 3)
    found = cost_conversations.conversation_costs("chatbot", period("24h", now), 3)
    assert not found.complete
    assert not cost_conversations.average_conversation("chatbot", period("24h", now), 3).complete
    assert (len(found.usd), found.begun_before, found.read) == (0, 1, 2)


def test_ranges_that_end_after_the_newest_request_share_a_sample(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    write_conversation(empty, now - timedelta(hours=5), 2)
    read, asked = [], cost_conversations._asked

    def counted(*given: Any) -> Any:
        read.append(given)
        return asked(*given)

    monkeypatch.setattr(cost_conversations, "_asked", counted)
    for name in ("24h", "7d", "30d"):
        assert cost_conversations.average_conversation("chatbot", period(name, now), 2).usd == 2.0
        assert cost_conversations.conversation_costs("chatbot", period(name, now), 2).usd.tolist() == [2.0]
    assert len(read) == 1


def test_long_bodies_are_not_read(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_conversations, "LONGEST_BODY", 120)
    now = datetime.now(UTC)
    write_conversation(empty, now - timedelta(hours=2), 2)
    found = cost_conversations.conversation_costs("chatbot", period("24h", now), 2)
    assert (found.unreadable, found.read, found.usd.tolist()) == (1, 2, [1.0])


def test_the_monitoring_counts_each_ended_run_once(empty: Settings) -> None:
    now = datetime.now(UTC)
    runs = [workspace.job_run(now - timedelta(minutes=5 * back), seconds=10.0, rows=25) for back in range(1, 5)]
    begun = [{**run, "finished_at": None, "state": "running", "stage_seconds": None} for run in runs]
    other = workspace.job_run(now - timedelta(minutes=3), seconds=99.0) | {"job": "train", "run_id": "t"}
    old = workspace.job_run(now - timedelta(days=3), seconds=50.0)
    workspace.write_rows(empty, "job_runs", [*begun, *runs, runs[0], other, old])
    found = cost_monitoring.monitoring_runs(period("24h", now))
    (row,) = found.jobs.to_dict("records")
    assert (row["job"], row["runs"], row["seconds"], row["rows_scored"]) == ("score", 4, 40.0, 100)
    stages = dict(zip(found.stages["stage"], found.stages["seconds"], strict=True))
    assert stages == {"read": pytest.approx(0.8), "score": pytest.approx(35.6), "append": 1.6, "rollups": 2.0}
