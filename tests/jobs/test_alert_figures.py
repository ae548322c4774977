"""What rules measure is what the single requests say."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from jobs.alert_figures import ALL, REQUESTS, Counted, RollupReader, Rollups, minute_of, time_of
from jobs.partial_sums import partial_sums
from settings import Settings
from tests.jobs.alert_traffic import NOON, metrics, requests, score

MINUTE = minute_of(NOON)
V3 = ("prod.chatbot", "3")


def _random_rows(count_a_minute: int = 7) -> pa.Table:
    random = np.random.default_rng(5)
    return metrics(
        requests(
            NOON,
            60,
            count_a_minute,
            status_code=lambda _: int(random.choice([200, 429, 500])),
            execution_duration_ms=lambda _: int(random.lognormal(6, 1)),
            entity_version=lambda _: str(random.choice(["3", "4"])),
            response_toxicity=lambda _: float(random.random()) if random.random() < 0.8 else None,
        )
    )


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return _random_rows()


@pytest.fixture(scope="module")
def rollups(rows: pa.Table) -> Rollups:
    # In two commits, as late rows come.
    return Rollups(pa.concat_tables([partial_sums(rows.slice(0, 200), 60), partial_sums(rows.slice(200), 60)]))


@pytest.mark.parametrize("version", [ALL, V3])
@pytest.mark.parametrize(("start", "end"), [(0, 60), (7, 22), (30, 31), (59, 90), (-5, 0)])
def test_any_window_adds_up_to_its_requests(
    rows: pa.Table, rollups: Rollups, version: tuple[str, str], start: int, end: int
) -> None:
    inside = [
        row
        for row in rows.to_pylist()
        if start <= minute_of(row["request_time"]) - MINUTE < end and version[1] in ("", row["entity_version"])
    ]
    window = (version, MINUTE + start, MINUTE + end)
    counted = rollups.sums(Counted(REQUESTS), *window)
    assert (counted.n, counted.hits) == (len(inside), sum(row["status_code"] >= 500 for row in inside))
    toxic = [row["response_toxicity"] for row in inside if row["response_toxicity"] is not None]
    flagged = rollups.sums(Counted("response_toxicity", 0.5), *window)
    assert (flagged.n, flagged.hits) == (len(toxic), sum(value >= 0.5 for value in toxic))
    tokens = rollups.sums(Counted("completion_tokens"), *window)
    assert tokens.n == len(inside)
    answered = [row["execution_duration_ms"] for row in inside if row["status_code"] == 200]
    slow = rollups.sums(Counted("execution_duration_ms", 512.0, answered=True), *window)
    assert (slow.n, slow.hits) == (len(answered), sum(value >= 512 for value in answered))
    if answered:
        found = rollups.percentile("execution_duration_ms", 0.95, *window)
        expected = sorted(answered)[int(np.ceil(0.95 * len(answered))) - 1]
        assert found == pytest.approx(expected, rel=0.011)
        assert tokens.measured_mean.value == pytest.approx(80)
        share = counted.measured_share
        assert share.value == pytest.approx(counted.hits / counted.n)
        assert share.at_least <= share.value


def test_the_newest_minute_and_the_versions_of_a_window(rollups: Rollups) -> None:
    assert rollups.newest(MINUTE + 1000) == MINUTE + 60
    assert rollups.newest(MINUTE + 10) == MINUTE + 10
    assert rollups.newest(MINUTE) is None
    assert rollups.versions(MINUTE, MINUTE + 60) == [V3, ("prod.chatbot", "4")]
    assert rollups.versions(MINUTE - 60, MINUTE) == []
    assert time_of(MINUTE) == NOON


def test_two_scorers_are_never_mixed() -> None:
    old = requests(NOON, 10, 10, response_toxicity=0.9, toxicity_scorer="a/1")
    new = requests(NOON + timedelta(minutes=10), 20, 10, response_toxicity=0.1, toxicity_scorer="b/1")
    rollups = Rollups(partial_sums(metrics(old + new), 60))
    flagged = rollups.sums(Counted("response_toxicity", 0.5), ALL, MINUTE, MINUTE + 30)
    assert (flagged.n, flagged.hits) == (200, 0), "of the one that gave more"
    assert rollups.sums(Counted("response_toxicity", 0.5), ALL, MINUTE, MINUTE + 15).hits == 100


def test_a_value_that_stands_for_many_is_no_more_evidence_than_one() -> None:
    sampled = requests(NOON, 10, 10, response_toxicity=0.9, score_weight=lambda n: 10.0 if n % 10 == 0 else 1.0)
    sums = Rollups(partial_sums(metrics(sampled), 60)).sums(Counted("response_toxicity", 0.5), ALL, MINUTE, MINUTE + 10)
    assert sums.measured_share.value == 1.0
    assert sums.measured_share.n <= 100


def test_a_table_is_read_again_only_when_it_has_changed(settings: Settings) -> None:
    reader = RollupReader(settings, "metrics_minute")
    wanted = frozenset({REQUESTS})
    assert reader.read(NOON, wanted) == {}, "before the first run there is none, and none is made"
    score(settings, requests(NOON, 2))
    first = reader.read(NOON, wanted)["chatbot"]
    assert reader.read(NOON + timedelta(minutes=1), wanted)["chatbot"] is first
    score(settings, requests(NOON + timedelta(minutes=2), 2))
    second = reader.read(NOON, wanted)["chatbot"]
    assert second.sums(Counted(REQUESTS), ALL, MINUTE, MINUTE + 9).n == 40
