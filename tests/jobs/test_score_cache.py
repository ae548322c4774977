"""Scores of texts are kept from run to run, and whatever happens to them changes no result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from deltalake import write_deltalake

from jobs import score_cache
from jobs.errors import UnexpectedFailure
from jobs.score import run_score
from jobs.score_cache import ScoreCache
from jobs.score_cache_upkeep import tidy_score_cache
from jobs.scorers import ScoringTools
from lakehouse.appends import append
from lakehouse.store import open_table, read_rows
from metrics.scorers import OnProgress, PerplexityScores, ToxicityScores
from metrics.scoring import Scorers
from metrics.text_cache import TextCache, text_key
from metrics.text_keys import TextKeys
from metrics.text_scores import Perplexity
from settings import Settings
from tests.jobs.request_rows import add_requests, chat_response, inference_row, inference_rows

GERMAN = "Bitte starten Sie das Gateway und warten Sie einen Augenblick."


@dataclass
class CountingScorer:
    """Scores that a text determines, odd ones and reasons among them, and how often a text was given."""

    name: str = "letters/1"
    english_only: bool = True
    given: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)

    def count_tokens(self, texts: Sequence[str]) -> Any:
        self.counted += texts
        return np.array([len(text.split()) for text in texts])


class Perplexities(CountingScorer):
    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        self.given += texts
        values = np.array([np.nan if "unlikely" in text else 1 + len(text) / 7 for text in texts])
        reasons = [None if np.isfinite(value) else "the model gave no finite likelihood" for value in values]
        return PerplexityScores(values, np.array([len(text) for text in texts]), reasons)


class Toxicities(CountingScorer):
    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        self.given += texts
        if any("crash" in text for text in texts):
            raise RuntimeError("no memory")
        values = np.array([1 / (3 + len(text)) for text in texts])
        return ToxicityScores(values, [{"insult": float(value) / 3, "threat": 0.1} for value in values])


@dataclass
class Detector:
    name: str = "words/1"
    given: list[str] = field(default_factory=list)

    def english(self, texts: Sequence[str]) -> list[str | None]:
        self.given += texts
        return ["the text is in German (de)" if "Sie" in text else None for text in texts]


@dataclass
class Models:
    perplexity: Perplexities = field(default_factory=Perplexities)
    toxicity: Toxicities = field(default_factory=lambda: Toxicities("insults/1"))
    language: Detector = field(default_factory=Detector)

    def load(self, _: Settings) -> ScoringTools:
        return ScoringTools(Scorers(self.perplexity, self.toxicity, self.language))

    @property
    def given(self) -> list[str]:
        return self.perplexity.given + self.toxicity.given + self.language.given + self.perplexity.counted


ROWS = [
    inference_row("plain"),
    inference_row("german", response=chat_response(GERMAN)),
    inference_row("unlikely", response=chat_response("An unlikely text. It has two sentences.", usage=None)),
    inference_row("symbols", response=chat_response("🙂🙃")),
    inference_row("crash", response=chat_response("This text makes the scorer crash, whatever it is given with.")),
    inference_row("failed", status_code=500),
]


def scored(settings: Settings) -> dict[str, dict[str, Any]]:
    rows = read_rows(open_table(settings, "request_metrics")).drop_columns(["scored_at"]).to_pylist()
    return {row.pop("databricks_request_id"): row for row in rows}


def cached(settings: Settings) -> list[dict[str, Any]]:
    return read_rows(open_table(settings, "score_cache")).to_pylist()


def again(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The same exchanges under other request ids."""
    return [{**row, "databricks_request_id": f"{name}-{row['databricks_request_id']}"} for row in rows]


def run_with(settings: Settings, rows: list[dict[str, Any]], models: Models | None = None) -> Models:
    models = models or Models()
    add_requests(settings, rows)
    run_score(settings, once=True, load=models.load)
    return models


def test_texts_of_an_earlier_run_are_given_to_no_model_and_their_rows_are_equal_to_the_last_bit(
    settings: Settings,
) -> None:
    first = run_with(settings, ROWS)
    assert len(first.given) > 10
    second = run_with(settings, again(ROWS, "again"))
    rows = scored(settings)
    for row in ROWS:
        name = row["databricks_request_id"]
        assert rows[f"again-{name}"] == rows[name], name
    # What failed for no reason of the text's own is tried again, and nothing else.
    assert set(second.given) - {text for text in second.toxicity.given if text.startswith("This is a short text")} == {
        text for text in first.given if "crash" in text
    }


def test_the_table_holds_no_words(settings: Settings) -> None:
    run_with(settings, ROWS)
    files = [file.read_bytes() for file in (settings.home / "lake" / "score_cache").rglob("*") if file.is_file()]
    rows = str(cached(settings))
    for word in ("gateway", "Gateway", "unlikely", "whatever"):
        assert word not in rows
        assert not any(word.encode() in content for content in files)


@pytest.mark.parametrize("changed", ["perplexity", "toxicity", "language"])
def test_a_scorer_of_another_version_finds_nothing_and_the_others_find_everything(
    settings: Settings, changed: str
) -> None:
    rows = inference_rows(0, 3)
    run_with(settings, rows)
    models = Models()
    scorer = getattr(models, changed)
    scorer.name = "another/2"
    run_with(settings, again(rows, "again"), models)
    assert len(scorer.given) == 6
    assert models.given == scorer.given


@pytest.mark.parametrize("damage", ["lost", "doubled", "unreadable", "of another scorer", "switched off"])
def test_whatever_happens_to_the_table_changes_no_result(
    settings: Settings, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_with(settings, ROWS)
    table = open_table(settings, "score_cache")
    rows = read_rows(table)
    if damage == "lost":
        write_deltalake(table, rows.slice(0, 3), mode="overwrite")
    elif damage == "doubled":
        append(settings, "score_cache", rows)
    elif damage == "unreadable":
        for file in (settings.home / "lake" / "score_cache").glob("*.parquet"):
            file.write_bytes(b"no parquet")
    elif damage == "of another scorer":
        later = [
            {**row, "used_at": datetime.now(UTC), "perplexity": {"scorer": "another", "value": 9.0}}
            for row in rows.to_pylist()
        ]
        append(settings, "score_cache", later)
    else:
        settings = settings.model_copy(update={"score_cache_texts": 0})
    run_with(settings, again(ROWS, "again"))
    found = scored(settings)
    for row in ROWS:
        name = row["databricks_request_id"]
        assert found[f"again-{name}"] == found[name], name
    assert ("is not used by this run" in caplog.text) == (damage == "unreadable")


def test_a_run_that_is_cut_off_before_its_rows_are_written_leaves_no_text_known(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a row that was drawn into a sample in vain would be taken for sure the next time."""
    from jobs import score as module

    def cut_off(*_: Any, **__: Any) -> int:
        raise RuntimeError

    monkeypatch.setattr(module, "append_once", cut_off)
    with pytest.raises(UnexpectedFailure, match="RuntimeError"):
        run_with(settings, ROWS)
    assert cached(settings) == []


def test_without_a_new_text_nothing_is_written(settings: Settings) -> None:
    rows = inference_rows(0, 3)
    run_with(settings, rows)
    version = open_table(settings, "score_cache").version()
    run_with(settings, again(rows, "again"))
    assert open_table(settings, "score_cache").version() == version


def test_only_a_model_that_a_text_is_unknown_to_is_named(settings: Settings) -> None:
    models = Models()
    scorers = models.load(settings).scorers
    english, foreign = text_key("a"), text_key("b")
    keys = TextKeys(frozenset({english, foreign}), frozenset({english}))
    texts = TextCache()
    cache = ScoreCache(settings, scorers)
    assert cache.look_up(keys, texts) == {"letters/1", "insults/1", "words/1", score_cache.READABILITY_SCORER}
    texts.fill("language/words/1", {english: None, foreign: "the text is in German (de)"})
    texts.fill(score_cache.READABILITY_SCORER, {english: "the text has no words"})
    texts.fill("insults/1", {english: None})
    assert cache.look_up(keys, texts) == {"letters/1"}
    texts.fill("letters/1", {english: None, foreign: None})
    assert cache.look_up(keys, texts) == {"letters/1"}
    texts.fill("tokens/letters/1", {english: 1})
    assert cache.look_up(keys, texts) == set()


def perplexities(settings: Settings, numbers: Sequence[int], used_at: datetime, scorer: str = "letters/1") -> None:
    rows = [
        {
            "text_key": text_key(str(number)),
            "used_at": used_at,
            "perplexity": {"scorer": scorer, "value": float(number), "tokens": 1},
        }
        for number in numbers
    ]
    append(settings, "score_cache", rows)


def known(settings: Settings) -> set[int]:
    texts, keys = TextCache(), {text_key(str(number)): number for number in range(100)}
    ScoreCache(settings, Scorers(Perplexities())).look_up(TextKeys(frozenset(keys), frozenset()), texts)
    held = texts.held("letters/1", keys)
    assert held == {key: Perplexity(float(keys[key]), 1, None) for key in held}
    return {keys[key] for key in held}


NOW = datetime.now(UTC)


def test_the_texts_that_were_unused_for_longest_go_first(settings: Settings) -> None:
    settings = settings.model_copy(update={"score_cache_texts": 20})
    perplexities(settings, range(40), NOW - timedelta(days=9))
    perplexities(settings, range(40, 50), NOW - timedelta(days=1))
    assert len(known(settings)) == 50
    seen = TextKeys(frozenset(text_key(str(number)) for number in range(10)), frozenset())
    cache, texts = ScoreCache(settings, Scorers(Perplexities())), TextCache()
    cache.look_up(seen, texts)
    cache.remember(texts)
    assert tidy_score_cache(settings) == 30
    assert known(settings) == {*range(10), *range(40, 50)}
    assert tidy_score_cache(settings) == 0


def test_upkeep_makes_one_row_of_each_text_with_the_newest_score_of_each_kind_in_the_order_of_the_keys(
    settings: Settings,
) -> None:
    run_with(settings, ROWS)
    before = {row["text_key"]: row for row in cached(settings)}
    for number in range(10):
        perplexities(settings, range(20), NOW - timedelta(days=10 - number))
    perplexities(settings, range(20), NOW - timedelta(days=30), scorer="an older one")
    touched = [{"text_key": key, "used_at": NOW + timedelta(hours=1)} for key in before]
    append(settings, "score_cache", touched)
    tidy_score_cache(settings)
    rows = cached(settings)
    keys = [row["text_key"] for row in rows]
    assert keys == sorted(set(keys))
    assert len(keys) == len(before) + 20
    assert len(open_table(settings, "score_cache").file_uris()) == 1
    assert known(settings) == set(range(20))
    for row in rows:
        if row["text_key"] in before:
            assert row == {**before[row["text_key"]], "used_at": NOW + timedelta(hours=1)}


def test_what_is_appended_while_the_table_is_tidied_is_kept(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs import score_cache_upkeep as module

    for number in range(12):
        perplexities(settings, [number], NOW)
    choose = module._choose

    def overtaken(*arguments: Any) -> int:
        perplexities(settings, [50], NOW)
        return choose(*arguments)

    monkeypatch.setattr(module, "_choose", overtaken)
    tidy_score_cache(settings)
    assert known(settings) == {*range(12), 50}


def test_a_use_is_noted_once_a_day(settings: Settings) -> None:
    perplexities(settings, [1], NOW - timedelta(days=2))
    perplexities(settings, [2], NOW)
    keys = TextKeys(frozenset(map(text_key, "12")), frozenset())
    for _ in range(3):
        cache, texts = ScoreCache(settings, Scorers(Perplexities())), TextCache()
        cache.look_up(keys, texts)
        cache.remember(texts)
    rows = cached(settings)
    assert [row["text_key"] for row in rows if row["perplexity"] is None] == [text_key("1")]
