"""The scores of many texts, each distinct text once: perplexity, readability, toxicity and token counts.

A very long text is scored by its first part, so that one row cannot hold up the others: each limit stands here.
"""

import math
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import TypeVar

from metrics.readability import SCORER, Readability, readabilities
from metrics.sampling import is_sampled
from metrics.scorers import LanguageDetector, OnProgress, PerplexityScorer, ToxicityScorer
from metrics.text_cache import TextCache, text_key
from metrics.tokens import COUNTED_CHARACTERS

PERPLEXITY_CHARACTERS = 65_536
"""The most of a text that the perplexity model is given: 32 characters for each of the 2,048 tokens that it reads."""
TOXICITY_CHARACTERS = 20_000
"""Toxicity is judged by this many first characters (a model may read fewer)."""
LANGUAGE_CHARACTERS = 10_000
"""The language is told by this many first characters."""

NO_PERPLEXITY_MODEL = "no perplexity model is prepared"
NO_TOXICITY_MODEL = "no toxicity model is prepared"

_FAILED = "the scorer failed on this text"
_PROBE = "This is a short text in plain English."
Item = TypeVar("Item")


@dataclass(frozen=True)
class Scorers:
    """What scores the texts. A scorer that is None leaves its scores empty, with the reason.

    Without `language` all texts are taken for English.
    """

    perplexity: PerplexityScorer | None = None
    toxicity: ToxicityScorer | None = None
    language: LanguageDetector | None = None

    def only(self, kinds: Collection[str]) -> "Scorers":
        """The same without the models of other kinds than these (`perplexity`, `toxicity`): their time is spared."""
        return replace(
            self,
            perplexity=self.perplexity if "perplexity" in kinds else None,
            toxicity=self.toxicity if "toxicity" in kinds else None,
        )

    @property
    def costly_toxicity(self) -> ToxicityScorer | None:
        """The toxicity scorer if it costs a model's time, so that its scores may be given to a sample."""
        toxicity = self.toxicity
        return toxicity if toxicity is not None and is_sampled("response_toxicity", toxicity.name) else None


@dataclass(frozen=True)
class Perplexity:
    """The perplexity of one text, over how many tokens, or the reason why there is none."""

    value: float | None
    tokens: int | None
    reason: str | None


@dataclass(frozen=True)
class Toxicity:
    """The toxicity of one text and the model's labels, or the reason why there is none."""

    value: float | None
    labels: dict[str, float]
    reason: str | None


@dataclass
class TextScores:
    """Scores by `text_key`. A text that is in none of them was not given."""

    perplexity: dict[bytes, Perplexity] = field(default_factory=dict)
    toxicity: dict[bytes, Toxicity] = field(default_factory=dict)
    readability: dict[bytes, Readability | str] = field(default_factory=dict)


def score_texts(
    texts: dict[bytes, str],
    scorers: Scorers,
    cache: TextCache,
    on_progress: OnProgress | None = None,
    sample: AbstractSet[bytes] | None = None,
) -> TextScores:
    """Score every text (by `text_key`). Empty texts must have been left out.

    sample: the keys of the texts that get the scores that cost a model's time; the others are in none of those. None:
    every text gets them.
    """
    foreign = _foreign(texts, scorers.language, cache)
    english = [(key, text) for key, text in texts.items() if foreign.get(key) is None]
    scores = TextScores()
    scores.readability = cache.scores(SCORER, english, readabilities)
    scores.readability.update({key: reason for key, reason in foreign.items() if reason is not None})
    chosen = texts if sample is None else {key: text for key, text in texts.items() if key in sample}
    judged = texts if scorers.costly_toxicity is None else chosen
    scores.toxicity = _toxicity(judged, foreign, scorers.toxicity, cache)
    scores.perplexity = _perplexity(chosen, scorers.perplexity, cache, on_progress)
    return scores


def unknown_texts(texts: dict[bytes, str], scorers: Scorers, cache: TextCache) -> set[bytes]:
    """The keys of the texts for which a scorer would have to be asked that costs a model's time."""
    unknown: set[bytes] = set()
    if scorers.perplexity is not None:
        unknown |= texts.keys() - cache.known(scorers.perplexity.name, texts)
    if (toxicity := scorers.costly_toxicity) is not None:
        foreign = _foreign(texts, scorers.language, cache) if toxicity.english_only else {}
        judged = {key for key in texts if foreign.get(key) is None}
        unknown |= judged - cache.known(toxicity.name, judged)
    return unknown


def without_sampled(scores: TextScores, texts: dict[bytes, str], scorers: Scorers, reason: str) -> TextScores:
    """What a row has that is not in the sample: none of the scores that cost a model's time, for that reason."""
    perplexity, toxicity = scores.perplexity, scores.toxicity
    if scorers.perplexity is not None:
        perplexity = dict.fromkeys(texts, Perplexity(None, None, reason))
    if scorers.costly_toxicity is not None:
        toxicity = dict.fromkeys(texts, Toxicity(None, {}, reason))
    return TextScores(perplexity, toxicity, scores.readability)


def token_counter(
    texts: Sequence[str], scorer: PerplexityScorer | None, cache: TextCache
) -> Callable[[str], int] | None:
    """A function that gives the tokens of each of `texts` (none over `COUNTED_CHARACTERS`), counted in one call."""
    if scorer is None:
        return None
    wanted = {text_key(text): text for text in texts if len(text) <= COUNTED_CHARACTERS}
    counts = cache.scores(
        counts_name(scorer), wanted.items(), lambda new: [int(count) for count in scorer.count_tokens(new)]
    )
    return lambda text: counts[text_key(text)]


def counts_name(scorer: PerplexityScorer) -> str:
    """Under which name a `TextCache` has the token counts by the scorer's tokenizer."""
    return f"tokens/{scorer.name}"


def language_name(detector: LanguageDetector) -> str:
    """Under which name a `TextCache` has what the detector said: None for English, else the reason."""
    return f"language/{detector.name}"


def is_lasting(reason: str | None) -> bool:
    """Whether the scorer would say the same of the text again. Another failure may be the machine's, not the text's."""
    return reason is None or not reason.startswith(_FAILED)


def tokenizer_name(scorer: PerplexityScorer | None) -> str:
    """What `token_source` says of a count by the perplexity model's tokenizer, whose engine does not matter."""
    return f"{scorer.name.split('/')[0]}/tokenizer" if scorer else ""


def _foreign(texts: dict[bytes, str], detector: LanguageDetector | None, cache: TextCache) -> dict[bytes, str | None]:
    if detector is None:
        return {}
    return cache.scores(
        language_name(detector),
        texts.items(),
        lambda new: _one_by_one_if_need_be([text[:LANGUAGE_CHARACTERS] for text in new], detector.english, _failed),
    )


def _toxicity(
    texts: dict[bytes, str],
    foreign: dict[bytes, str | None],
    scorer: ToxicityScorer | None,
    cache: TextCache,
) -> dict[bytes, Toxicity]:
    if scorer is None:
        return dict.fromkeys(texts, Toxicity(None, {}, NO_TOXICITY_MODEL))

    def score(new: list[str]) -> list[Toxicity]:
        given = scorer.score(new)
        reasons = given.reasons or [None] * len(new)
        return [_toxicity_of(*one) for one in zip(given.values.tolist(), given.labels, reasons, strict=True)]

    scores = cache.scores(
        scorer.name,
        [pair for pair in texts.items() if not (scorer.english_only and foreign.get(pair[0]))],
        lambda new: _one_by_one_if_need_be(
            [text[:TOXICITY_CHARACTERS] for text in new], score, lambda error: Toxicity(None, {}, _failed(error))
        ),
    )
    unsuited = {key: foreign[key] for key in texts if key not in scores}
    scores.update({key: Toxicity(None, {}, reason) for key, reason in unsuited.items()})
    return scores


def _toxicity_of(value: float, labels: dict[str, float], reason: str | None) -> Toxicity:
    if not math.isfinite(value):
        return Toxicity(None, {}, reason or "the toxicity model gave no number")
    return Toxicity(value, labels, None)


def _perplexity(
    texts: dict[bytes, str], scorer: PerplexityScorer | None, cache: TextCache, on_progress: OnProgress | None
) -> dict[bytes, Perplexity]:
    if scorer is None:
        return dict.fromkeys(texts, Perplexity(None, None, NO_PERPLEXITY_MODEL))

    def score(new: list[str]) -> list[Perplexity]:
        given = scorer.score(new, on_progress)
        return [
            _perplexity_of(*one)
            for one in zip(given.perplexity.tolist(), given.tokens.tolist(), given.reasons, strict=True)
        ]

    return cache.scores(
        scorer.name,
        texts.items(),
        lambda new: _one_by_one_if_need_be(
            [text[:PERPLEXITY_CHARACTERS] for text in new], score, lambda error: Perplexity(None, None, _failed(error))
        ),
    )


def _perplexity_of(value: float, tokens: int, reason: str | None) -> Perplexity:
    if not math.isfinite(value):
        return Perplexity(None, None, reason or "the perplexity model gave no number")
    return Perplexity(value, tokens, None)


def _one_by_one_if_need_be(
    texts: list[str], score: Callable[[list[str]], Sequence[Item]], failed: Callable[[Exception], Item]
) -> list[Item]:
    """Score a batch; where a text makes the scorer fail, the others are scored and that one gets `failed(error)`.

    Raises the scorer's own error if it cannot score a plain sentence either: then the scorer is broken, not a text.
    """
    try:
        return list(score(texts))
    except Exception as error:  # noqa: BLE001
        # Any error: what a model's library raises for an odd text is not ours to foresee, and no other row may suffer.
        if len(texts) > 1:
            middle = len(texts) // 2
            return _one_by_one_if_need_be(texts[:middle], score, failed) + _one_by_one_if_need_be(
                texts[middle:], score, failed
            )
        score([_PROBE])
        return [failed(error)]


def _failed(error: Exception) -> str:
    # The kind of error only: its message may quote the text.
    return f"{_FAILED} ({type(error).__name__})"
