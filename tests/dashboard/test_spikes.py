"""Spikes of a workspace: found in the chosen time only, with who asked, and none in a month like any other."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from dashboard.periods import between, period
from dashboard.queries import spikes as queries
from dashboard.queries.spikes import askers, traffic_spikes
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month


def burst(rows: pd.DataFrame, start: datetime, count: int, requester: str, prompt_tokens: int = 20) -> pd.DataFrame:
    """So many more requests of one requester within three quarters of an hour."""
    seconds = np.linspace(0, 45 * 60 - 1, count)
    return rows.tail(count).assign(
        databricks_request_id=[f"burst-{start:%d%H}-{number}" for number in range(count)],
        request_time=(pd.Timestamp(start) + pd.to_timedelta(seconds, unit="s")).floor("us"),
        requester=requester,
        prompt_tokens=prompt_tokens,
    )


@pytest.fixture
def bursts(month: Month, empty: Settings) -> tuple[datetime, datetime]:
    """Many requests two days ago, and few with very long prompts six hours ago."""
    # Within one hour as the page counts them, back from the end of the period.
    end = period("7d", month.now).end
    often, long = end - timedelta(days=2, minutes=-5), end - timedelta(hours=6, minutes=-5)
    rows = pd.concat(
        [month.rows, burst(month.rows, often, 90, "webshop"), burst(month.rows, long, 14, "ben@example.com", 9_000)]
    )
    workspace.write_rows(empty, "metrics_15min", workspace.partials(rows, 15))
    workspace.write_requests(empty, rows)
    return often, long


def test_bursts_are_found_where_they_were_with_who_asked(month: Month, bursts: tuple[datetime, datetime]) -> None:
    often, long = bursts
    found = traffic_spikes("chatbot", period("7d", month.now))
    (requests,) = [spike for spike in found.found if spike.of == "requests"]
    assert requests.start <= often < requests.end
    assert requests.value >= 90 > 5 * requests.expected
    who = askers("chatbot", requests)
    assert who.requester is not None
    assert who.version is not None
    assert who.requester.name == "webshop"
    assert who.requester.share > 0.85
    assert who.version.name == "prod.chatbot/2"
    tokens = [spike for spike in found.found if spike.of == "tokens" and spike.start <= long < spike.end]
    assert len(tokens) == 1
    asker = askers("chatbot", tokens[0]).requester
    assert asker is not None
    assert asker.name == "ben@example.com"
    # The largest rise comes first.
    rises = [spike.value / max(spike.expected, 1) for spike in found.found]
    assert rises == sorted(rises, reverse=True)


def test_only_spikes_of_the_chosen_time_are_listed(month: Month, bursts: tuple[datetime, datetime]) -> None:
    often, _ = bursts
    span = period("24h", month.now)
    found = traffic_spikes("chatbot", span)
    assert found.seconds == 900
    assert found.history_days > 27
    assert found.found
    assert all(span.start <= spike.start < span.end and spike.start > often for spike in found.found)


def test_the_series_equals_the_single_rows(month: Month) -> None:
    span = period("7d", month.now)
    found = traffic_spikes("chatbot", span)
    rows = month.rows[(month.rows["request_time"] >= pd.Timestamp(found.times[0], unit="ms", tz="UTC"))]
    place = (rows["request_time"].astype("datetime64[ms, UTC]").astype("int64") - found.times[0]) // 3_600_000
    tokens = rows["prompt_tokens"].fillna(0) + rows["completion_tokens"].fillna(0)
    count = len(found.times)
    assert found.series["requests"].tolist() == np.bincount(place, minlength=count).tolist()
    assert found.series["tokens"].tolist() == pytest.approx(np.bincount(place, tokens, count).tolist())


def test_a_month_like_any_other_has_at_most_one(month: Month) -> None:
    assert len(traffic_spikes("chatbot", period("30d", month.now)).found) <= 1


def test_who_asked_is_told_from_a_bounded_number_of_rows(
    month: Month, bursts: tuple[datetime, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_ROWS", 30)
    spike = next(one for one in traffic_spikes("chatbot", period("7d", month.now)).found if one.of == "requests")
    assert askers("chatbot", spike).rows == 30


def test_nothing_is_no_spike(empty: Settings, month: Month) -> None:
    found = traffic_spikes("somewhere else", period("7d", month.now))
    assert found.found == ()
    assert found.history_days == 0


def test_up_to_two_days_are_counted_by_quarters_of_an_hour(month: Month) -> None:
    end = month.now.replace(minute=0, second=0, microsecond=0)
    found = traffic_spikes("chatbot", between(end - timedelta(hours=36), end))
    assert (found.seconds, len(found.times)) == (900, 144)
    start = pd.Timestamp(end - timedelta(hours=36))
    times = month.rows["request_time"]
    quarter = ((times - start) // pd.Timedelta(minutes=15))[(times >= start) & (times < pd.Timestamp(end))]
    assert found.series["requests"].tolist() == np.bincount(quarter.to_numpy(int), minlength=144).tolist()
