"""What pages read of `notable_requests` says the same as all rows do."""

from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest

from dashboard.periods import Period, period
from dashboard.queries import endpoint_errors, safety_rows, traffic_latency
from dashboard.queries.safety import flags
from dashboard.queries.safety_toxicities import whole_rows
from jobs.notable_requests import notable
from lakehouse.appends import append
from lakehouse.notable_requests import NOTABLE_REQUESTS, ONE_IN
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import use

THRESHOLD = 0.5
SPAN = "30d"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, datetime]:
    """A month of numbers with `notable_requests`, as the metrics job makes it of the rows."""
    now = datetime.now(UTC)
    settings = workspace.build(tmp_path_factory.mktemp("notable"), per_day=150, now=now)
    rows = read_rows(open_table(settings, "request_metrics"))
    append(settings, NOTABLE_REQUESTS.name, notable(rows))
    return settings, now


@pytest.fixture
def both_ways(
    large: tuple[Settings, datetime], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[safety_rows.ScoredRequests, safety_rows.ScoredRequests]]:
    use(monkeypatch, large[0].home)

    def read() -> tuple[safety_rows.ScoredRequests, safety_rows.ScoredRequests]:
        span = period(SPAN, large[1])
        of = flags("chatbot", span, THRESHOLD)
        full = safety_rows.scored_requests("chatbot", span, THRESHOLD, of)
        monkeypatch.setattr(safety_rows, "MOST_OTHERS", 50)
        return full, safety_rows.scored_requests("chatbot", span, THRESHOLD, of)

    return read


def read_from(span: Period, threshold: float) -> str:
    return safety_rows.plan("chatbot", span, flags("chatbot", span, threshold), threshold)[1].requests.name


def test_all_flagged_requests_are_found_in_the_part_of_the_table(
    both_ways: Callable[[], tuple[safety_rows.ScoredRequests, safety_rows.ScoredRequests]],
) -> None:
    full, part = both_ways()
    assert len(full.flagged) > 10
    assert full.flagged.keys() == part.flagged.keys()
    both = [whole_rows(found.source, found.flagged).sort_values("databricks_request_id") for found in (full, part)]
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in both))
    assert part.period == full.period
    assert part.one_in >= 2 * ONE_IN
    assert part.one_in % ONE_IN == 0
    assert part.flagged_total == full.flagged_total
    expected = part.others_total / part.one_in
    assert abs(len(part.others) - expected) < 6 * expected**0.5
    assert full.one_in == 1
    assert set(part.others.keys()) <= set(full.others.keys())


def test_scores_that_were_given_later_are_read_from_all_rows(
    large: tuple[Settings, datetime],
    both_ways: Callable[[], tuple[safety_rows.ScoredRequests, safety_rows.ScoredRequests]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both_ways()
    other = workspace.build(tmp_path_factory.mktemp("later"), per_day=40, now=large[1])
    rows = read_rows(open_table(other, "request_metrics"))
    append(other, NOTABLE_REQUESTS.name, notable(rows))
    row = rows.slice(rows.num_rows - 1).to_pylist()[0]
    given = {"databricks_request_id": row["databricks_request_id"], "request_date": row["request_date"]}
    score = {"metric": "response_toxicity", "scorer": row["toxicity_scorer"], "value": 0.97, "weight": 0.0}
    append(other, "request_scores", [{**given, **score, "scored_at": large[1]}])
    use(monkeypatch, other.home)
    span = period(SPAN, large[1])
    assert read_from(span, THRESHOLD) == "request_metrics"


def test_a_low_threshold_is_read_from_all_rows(
    large: tuple[Settings, datetime],
    both_ways: Callable[[], tuple[safety_rows.ScoredRequests, safety_rows.ScoredRequests]],
) -> None:
    both_ways()
    span = period(SPAN, large[1])
    assert read_from(span, 0.1) == "request_metrics"
    assert read_from(span, 0.2) == NOTABLE_REQUESTS.name


def test_status_codes_are_those_of_all_rows(large: tuple[Settings, datetime], monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, large[0].home)
    span = period(SPAN, large[1])
    rows = read_rows(open_table(large[0], "request_metrics")).to_pandas()
    inside = rows[(rows["request_time"] >= span.start) & (rows["request_time"] < span.end)]
    failed = inside[(inside["endpoint_name"] == "chatbot") & (inside["status_code"] >= 400)]
    found = endpoint_errors.status_codes("chatbot", span)
    assert found.groupby("status_code")["n"].sum().to_dict() == failed.groupby("status_code").size().to_dict()


def test_latency_by_tokens_of_very_many_requests_is_of_the_sample(
    large: tuple[Settings, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, large[0].home)
    span = period(SPAN, large[1])
    every = traffic_latency.latency_by_tokens("chatbot", span)
    monkeypatch.setattr(traffic_latency, "MOST_ROWS", 100)
    found = traffic_latency.latency_by_tokens("chatbot", span)
    assert found.total == every.total
    assert 40 < found.rows <= 100
    assert sum(part.n for part in found.versions) == found.rows
