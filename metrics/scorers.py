"""What a model must offer to be used for scoring. `metrics/engines/` implements these; `metrics/scoring.py` calls them.

Every scorer takes a whole batch of texts and answers in the same order. A text that it cannot score never raises:
its value is NaN and its reason says why, in one clause that a person understands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

OnProgress = Callable[[int, int], None]
"""Called as `on_progress(texts_done, texts_in_all)` while a batch is being scored."""


@dataclass(frozen=True)
class PerplexityScores:
    """The perplexities of a batch of n texts, in the order in which the texts were given.

    perplexity: float64, shape (n,): exp of the mean natural-log negative log-likelihood; NaN where there is none.
    tokens: int64, shape (n,): over how many tokens the mean was taken (at most 2,048); 0 where there is no perplexity.
    reasons: n entries: None where there is a perplexity, else why there is none.
    """

    perplexity: NDArray[np.float64]
    tokens: NDArray[np.int64]
    reasons: Sequence[str | None]


@dataclass(frozen=True)
class ToxicityScores:
    """The toxicities of a batch of n texts, in the order in which the texts were given.

    values: float64, shape (n,): between 0 and 1; NaN where there is none.
    labels: n dictionaries: label of the model → its value between 0 and 1; empty where there is no value.
    reasons: n entries as in `PerplexityScores`; an empty sequence where every text has its value.
    """

    values: NDArray[np.float64]
    labels: Sequence[dict[str, float]]
    reasons: Sequence[str | None] = ()


class PerplexityScorer(Protocol):
    """A causal language model that says how surprising a text is to it."""

    @property
    def name(self) -> str:
        """Model, engine with its precision, and our version, as `smollm2-135m-q4_1/openvino-f32/1`."""
        ...

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        """The perplexity of each text by its first 2,048 tokens."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each whole text has, without a beginning-of-text token. Cheap: the model does not run."""
        ...


class ToxicityScorer(Protocol):
    """A classifier that says how toxic a text is."""

    @property
    def name(self) -> str:
        """Model, engine and our version, as `keyword/alt-profanity-check-1.9.1/1`."""
        ...

    @property
    def english_only(self) -> bool:
        """Whether the model learnt from English alone, so that its numbers say nothing about other languages."""
        ...

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        """The toxicity of each text."""
        ...


class LanguageDetector(Protocol):
    """Says which texts are not in English, where the readability formulas mean nothing."""

    @property
    def name(self) -> str:
        """Detector and our version, as `py3langid-0.4.0/1`."""
        ...

    def english(self, texts: Sequence[str]) -> list[str | None]:
        """For each text None if it is English or too short to tell, else the reason: `the text is in German (de)`."""
        ...
