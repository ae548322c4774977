"""Windows of one metric as arrays: rows that are odd come out as they are in the table, and nobody's are mixed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from dashboard.queries import rollup_windows as module
from dashboard.queries.lake import newest
from dashboard.queries.rollup_windows import Group, MetricWindows, rollup_windows
from settings import Settings
from tests.dashboard import workspace

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
METRIC = "response_perplexity"


def row(hour: int, **other: Any) -> dict[str, Any]:
    found = {
        "window_start": START + hour * HOUR,
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": "1",
        "status_class": "2xx",
        "metric": METRIC,
        "scorer": "a",
        "n": 2,
        "sum_w": 2.0,
        "sum_wx": 20.0,
        "sum_wx2": 202.0,
        "min": 9.0,
        "max": 11.0,
        "buckets": [(110, 1.0), (121, 1.0)],
        "sum_w2": 2.0,
    }
    return found | other


def windows(settings: Settings, rows: list[dict[str, Any]], **asked: Any) -> dict[str, MetricWindows]:
    workspace.write_rows(settings, "metrics_hour", rows)
    return rollup_windows(newest("metrics_hour"), "chatbot", (START, START + 10 * HOUR), **asked)


def test_rows_stand_in_the_order_of_time_each_with_its_group_and_its_histogram(empty: Settings) -> None:
    rows = [
        row(2, entity_version="2", scorer="b", buckets=[(120, 0.1)]),
        row(0, status_class=None, entity_name=None, n=1),
        row(1, metric="response_toxicity"),
        row(1, endpoint_name="other"),
        row(0, status_class="none", buckets=[]),
    ]
    found = windows(empty, rows, histograms=[METRIC])[METRIC]
    assert ((found.starts - module.milliseconds(START)) // 3_600_000).tolist() == [0, 0, 2]
    groups = [found.groups[place] for place in found.group.tolist()]
    assert groups[2] == Group("prod.chatbot", "2", "2xx", "b")
    assert set(groups[:2]) == {Group("", "1", "", "a"), Group("prod.chatbot", "1", "none", "a")}
    assert groups[2].version == "prod.chatbot/2"
    each = found.histograms(np.arange(3), 3)
    assert {group: histogram for group, histogram in zip(groups, each, strict=True)} == {
        Group("", "1", "", "a"): {110: 1.0, 121: 1.0},
        Group("prod.chatbot", "1", "none", "a"): {},
        Group("prod.chatbot", "2", "2xx", "b"): {120: 0.1},
    }
    assert sorted(found.above(121).tolist()) == [0.0, 0.0, 1.0]
    later = found.between(START + HOUR, START + 10 * HOUR)
    assert later.histograms(np.zeros(1, np.int64), 1) == [{120: 0.1}]
    assert later.above(120).tolist() == [0.1]


def test_weights_keep_all_their_digits_and_buckets_may_lie_far_apart(empty: Settings) -> None:
    far = [(-1_000_000, 16_777_217.0), (7, 1 / 3), (2_000_000, -2.0)]
    (found,) = windows(empty, [row(0, buckets=far)], histograms=[METRIC])[METRIC].histograms(np.zeros(1, np.int64), 1)
    assert found == dict(far)


def test_what_is_not_known_is_no_number_and_sums_of_squared_weights_stand_in(empty: Settings) -> None:
    found = windows(empty, [row(0, sum_wx=None, sum_wx2=None, sum_w2=None, buckets=None)], sums=[METRIC])[METRIC]
    assert np.isnan([found.sum_wx[0], found.sum_wx2[0]]).all()
    assert (found.n[0], found.sum_w2[0]) == (2.0, 2.0)
    assert found.histograms(np.zeros(1, np.int64), 1) == [{}]


def test_a_metric_without_rows_has_no_windows_and_every_piece_of_it_is_empty(empty: Settings) -> None:
    found = windows(empty, [row(0)], sums=["cost_usd"], histograms=["response_toxicity"])
    for metric in ("cost_usd", "response_toxicity"):
        piece = found[metric].between(START, START + HOUR)
        assert len(piece) == 0
        assert piece.groups == ()
        assert piece.of_groups([]).tolist() == []
        assert piece.above(3).tolist() == []
        assert piece.histograms(np.zeros(0, np.int64), 0) == []


@pytest.mark.parametrize("wanted", [("sums",), ("histograms",), ("sums", "histograms")])
def test_who_asks_for_more_metrics_reads_only_those_that_nobody_has_read(
    wanted: tuple[str, ...], empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    read = module.select_table

    def counted(*arguments: Any, metrics: list[str], **more: Any) -> Any:
        asked.append(metrics)
        return read(*arguments, metrics=metrics, **more)

    monkeypatch.setattr(module, "select_table", counted)
    first: dict[str, Any] = {wanted[0]: [METRIC]}
    windows(empty, [row(0)], **first)
    assert asked == [[METRIC]]
    more = dict(zip(wanted, ([METRIC, "cost_usd"], ["response_toxicity"]), strict=False))
    rollup_windows(newest("metrics_hour"), "chatbot", (START, START + HOUR), **more)
    assert sorted(asked[1:]) == sorted([["cost_usd"], *([["response_toxicity"]] if len(wanted) > 1 else [])])
