"""How large a sample is, what it rests on, and a run whose traffic is more than its models can score in time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.capacity import MOST_ROWS_FOR_ONE, Capacity, ModelWork, Pace
from jobs.chunking import PIECE_SECONDS
from jobs.score import Progress, run_score
from jobs.scorers import ScoringTools
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from metrics.scorers import OnProgress, PerplexityScores, ToxicityScores
from metrics.scoring import Scorers
from settings import Settings
from tests.jobs.request_rows import add_requests, add_served_entity, inference_row, inference_rows

BUDGET_SECONDS = 60.0
CHARACTER_SECONDS = 0.002
"""About 130 characters a row: a budget holds a sixth of the rows."""
TEXT_SECONDS = 0.002
ROWS = 1_500


@dataclass
class Clock:
    """A clock that goes on when a scorer works and stands still otherwise: no test depends on how busy a machine is."""

    now: float = 1_000.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("jobs.score.time", clock)
    monkeypatch.setattr("jobs.capacity.time", clock)
    return clock


@dataclass
class SlowPerplexity:
    """A model that takes its time for every character and can be checked by hand: letters in the text."""

    clock: Clock
    name: str = "letters/python/1"
    seen: list[str] = field(default_factory=list)

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        self.clock.now += sum(map(len, texts)) * CHARACTER_SECONDS
        self.seen.extend(texts)
        return PerplexityScores(
            np.array([len(set(text)) for text in texts], float),
            np.array([len(text) for text in texts]),
            [None] * len(texts),
        )

    def count_tokens(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([len(text) for text in texts], dtype=np.int64)


@dataclass
class KeywordToxicity:
    """Cheap work for every text."""

    clock: Clock
    text_seconds: float = TEXT_SECONDS
    name: str = "keyword/letters/1"
    english_only: bool = True

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        self.clock.now += len(texts) * self.text_seconds
        return ToxicityScores(np.zeros(len(texts)), [{"toxicity": 0.0}] * len(texts))


def scorers(clock: Clock, name: str = "letters/python/1", text_seconds: float = TEXT_SECONDS) -> Scorers:
    return Scorers(SlowPerplexity(clock, name), KeywordToxicity(clock, text_seconds))


def score(settings: Settings, by: Scorers, once: bool = False) -> Progress:
    settings = settings.model_copy(update={"score_budget_seconds": BUDGET_SECONDS})
    return run_score(settings, once, load=lambda _: ScoringTools(by))


def metrics_rows(settings: Settings) -> list[dict[str, Any]]:
    rows = read_rows(open_table(settings, "request_metrics")).to_pylist()
    assert len({row["databricks_request_id"] for row in rows}) == len(rows)
    return [{**row, "unscored": dict(row["unscored"] or [])} for row in rows]


def test_more_traffic_than_time_gives_every_row_its_row_and_a_sample_the_slow_scores(
    settings: Settings, clock: Clock
) -> None:
    add_served_entity(settings)
    add_requests(settings, inference_rows(0, ROWS))
    started = clock.now
    progress = score(settings, scorers(clock))
    assert clock.now - started < BUDGET_SECONDS
    rows = metrics_rows(settings)
    assert (len(rows), progress.rows_waiting) == (ROWS, 0)
    assert all(row["response_fk_grade"] is not None and row["response_toxicity"] == 0.0 for row in rows)
    assert all(row["prompt_tokens"] is not None for row in rows)
    taken = [row for row in rows if row["score_weight"] > 0]
    assert ROWS / 12 < len(taken) == ROWS - progress.rows_left_out < ROWS / 5
    for row in rows:
        assert (row["response_perplexity"] is None) == (row["score_weight"] == 0.0)
        assert (row["unscored"].get("response_perplexity", "").startswith("left out of the sample (1 in ")) == (
            row["score_weight"] == 0.0
        )
    weights = np.array([row["score_weight"] for row in taken])
    # The sum of the weights estimates the number of rows; its variance under this way of drawing is Σ w (w - 1).
    assert abs(weights.sum() - ROWS) < 5 * np.sqrt((weights * (weights - 1)).sum())
    _the_run_is_told(settings, progress)


def _the_run_is_told(settings: Settings, progress: Progress) -> None:
    (run,) = runs(settings, "score")
    assert run["rows_left_out"] == progress.rows_left_out > 0
    assert run["unscored_reasons"]["response_perplexity: left out of the sample"] == progress.rows_left_out
    taken = ROWS - progress.rows_left_out
    assert f"The models scored a random sample of {taken:,} of {ROWS:,} rows." in progress.sentence()


def test_the_next_run_knows_from_its_first_row_how_much_it_can_score(settings: Settings, clock: Clock) -> None:
    add_requests(settings, inference_rows(0, 200))
    score(settings, scorers(clock), once=True)
    add_requests(settings, inference_rows(200, ROWS))
    started = clock.now
    assert score(settings, scorers(clock)).rows_waiting == 0
    assert 0.5 * BUDGET_SECONDS < clock.now - started < BUDGET_SECONDS
    rows = [row for row in metrics_rows(settings) if int(row["databricks_request_id"][1:]) >= 200]
    assert len(rows) == ROWS
    weights = [row["score_weight"] for row in rows if row["score_weight"]]
    # No piece was scored wholly to find out: the newest and the oldest had about the same chance all along.
    assert min(weights) > 1
    assert max(weights) < 2 * min(weights)


def test_where_even_the_cheap_work_does_not_fit_a_run_keeps_to_its_budget_and_the_next_goes_on(
    settings: Settings, clock: Clock
) -> None:
    add_requests(settings, inference_rows(0, ROWS))
    left = []
    for _ in range(4):
        started = clock.now
        left.append(score(settings, scorers(clock, text_seconds=0.06)).rows_waiting)
        assert clock.now - started < BUDGET_SECONDS + 2 * PIECE_SECONDS
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert left[-1] == 0
    assert len(metrics_rows(settings)) == ROWS


def test_a_run_without_a_budget_scores_everything(settings: Settings, clock: Clock) -> None:
    add_requests(settings, inference_rows(0, 200))
    progress = score(settings, scorers(clock), once=True)
    rows = metrics_rows(settings)
    assert {row["score_weight"] for row in rows} == {1.0}
    assert all(row["response_perplexity"] is not None for row in rows)
    assert progress.rows_left_out == 0
    assert "sample" not in progress.sentence()


def test_texts_that_come_again_cost_nothing_and_are_all_taken(settings: Settings, clock: Clock) -> None:
    same = inference_row("same")
    rows = inference_rows(0, ROWS, request=same["request"], response=same["response"])
    add_requests(settings, rows)
    assert score(settings, scorers(clock)).rows_left_out == 0


@given(st.integers(1, 10**7), st.floats(-10, 600), st.floats(1, 10_000), st.floats(1e-7, 1e-2), st.floats(0, 0.1))
def test_a_sample_is_never_larger_than_all_nor_smaller_than_one_in_a_hundred(
    rows: int, seconds: float, characters: float, character_seconds: float, row_seconds: float
) -> None:
    one_in = Pace(row_seconds, characters, character_seconds).one_in(rows, seconds)
    assert 1.0 <= one_in <= MOST_ROWS_FOR_ONE
    planned = rows * row_seconds + rows * characters * character_seconds / one_in
    assert planned <= max(seconds, 0) * 0.85 * (1 + 1e-9) or one_in == MOST_ROWS_FOR_ONE
    # A number with two digits, which the reason in each row can say exactly.
    assert one_in == float(f"{one_in:.2g}")


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 600), st.floats(0, 600))
def test_more_rows_or_less_time_never_make_the_sample_larger(
    rows: int, more: int, seconds: float, longer: float
) -> None:
    pace = Pace(0.001, 800.0, 0.0003)
    assert pace.one_in(rows + more, seconds) >= pace.one_in(rows, seconds) >= pace.one_in(rows, seconds + longer)


def test_nothing_is_left_out_before_anything_is_known() -> None:
    assert Pace().one_in(10**6, 1.0) == 1.0


def test_nothing_is_left_out_where_all_texts_are_known_however_late_it_is() -> None:
    assert Pace(0.001, 0.0, 0.0003).one_in(10**6, -1.0) == 1.0


def test_what_a_piece_of_a_sample_tells_holds_for_all_rows() -> None:
    pace = Pace()
    pace.learn(400, 4.0, ModelWork(characters=50_000, seconds=5.0), 0.8)
    assert list(vars(pace).values()) == pytest.approx([0.002, 500.0, 0.0001])
    pace.learn(400, 4.0, ModelWork(characters=0, seconds=0.0), 0.8)
    assert pace.character_seconds == pytest.approx(0.0001)
    assert pace.row_characters == pytest.approx(350.0)
    before = Pace(**vars(pace))
    pace.learn(0, 1.0, ModelWork(), 0.0)
    pace.learn(16, 4.0, ModelWork(1400, 0.14), 100.0)
    assert pace.row_seconds == before.row_seconds, "a piece of a few rows tells nothing about the cheap work"


def test_the_first_piece_of_a_run_tells_nothing_about_the_cheap_work(settings: Settings, clock: Clock) -> None:
    capacity = Capacity(settings, 100.0)
    capacity.meter(scorers(clock))
    capacity.learn(500, 30.0)
    assert capacity.pace.row_seconds is None
    assert capacity.most_rows() == 256
    capacity.learn(500, 1.0)
    assert capacity.pace.row_seconds == pytest.approx(0.002)
    assert capacity.most_rows() == PIECE_SECONDS / 0.002


def test_a_run_takes_a_little_longer_rather_than_leave_a_few_rows_but_no_more(settings: Settings, clock: Clock) -> None:
    capacity = Capacity(settings, 100.0)
    capacity.pace = Pace(0.01, 100.0, 0.001)
    clock.now += 99.0
    assert not capacity.is_used_up(10**6)
    clock.now += 2.0
    assert not capacity.is_used_up(500)
    assert capacity.is_used_up(5_000)
    clock.now += 10.0
    assert capacity.is_used_up(1)


def test_a_text_that_was_scored_for_a_commit_that_lost_is_not_known(settings: Settings, clock: Clock) -> None:
    """Else a row that was drawn in vain would be in the sample for sure the next time."""
    add_requests(settings, inference_rows(0, 6))
    elsewhere = settings.model_copy(update={"home": settings.home / "elsewhere", "lake_uri": settings.lake})
    model = SlowPerplexity(clock)
    first = inference_row("r0")

    def overtaken(_: Settings) -> ScoringTools:
        # The first run has read its snapshot; now the rival commits its rows, and one of their texts comes again.
        run_score(elsewhere, once=True, load=lambda _: ScoringTools(Scorers()))
        add_requests(settings, [inference_row("again", request=first["request"], response=first["response"])])
        return ScoringTools(Scorers(model))

    run_score(settings, once=True, load=overtaken)
    assert len(metrics_rows(settings)) == 7
    assert model.seen.count("How do I start the gateway, please? Number r0.") == 2


def _kept_pace(home: Path) -> Path:
    return home / "status" / "score_pace.json"


def test_what_is_known_belongs_to_the_models_it_was_learnt_from(settings: Settings) -> None:
    first = Capacity(settings, 100.0)
    first.meter(scorers(Clock()))
    first.pace = Pace(0.001, 500.0, 0.0001)
    first.remember()
    same, other = Capacity(settings, 100.0), Capacity(settings, 100.0)
    same.meter(scorers(Clock()))
    other.meter(scorers(Clock(), "another/python/1"))
    assert same.pace == first.pace
    assert other.pace == Pace()


@pytest.mark.parametrize("kept", ["", "[]", '{"scorers": 3}', "NaN", "null", "-1", '"x"', "true"])
def test_a_damaged_memory_is_learnt_anew(settings: Settings, kept: str) -> None:
    capacity = Capacity(settings, 100.0)
    capacity.meter(scorers(Clock()))
    capacity.pace = Pace(0.001, 500.0, 0.0001)
    capacity.remember()
    file = _kept_pace(settings.home)
    if kept[:1] in ("", "[", "{"):
        file.write_text(kept)
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"character_seconds": json.loads(kept)}))
    again = Capacity(settings, 100.0)
    again.meter(scorers(Clock()))
    assert again.pace.character_seconds is None
    assert again.choose(10**6) == 1.0
