"""Scorers that are known by name at once and load their model when the first text needs it.

Most texts of a run may be known from earlier ones (`jobs.score_cache`); a run in which all are loads no model.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from metrics.engines.errors import EngineError, ModelUnusable
from metrics.engines.language import language_detector_name, load_language_detector
from metrics.engines.perplexity import PerplexityEngine
from metrics.engines.perplexity import known_name as known_perplexity
from metrics.engines.toxicity import known_detoxify, load_toxicity
from metrics.scorers import (
    LanguageDetector,
    OnProgress,
    PerplexityScorer,
    PerplexityScores,
    ToxicityScorer,
    ToxicityScores,
)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Model = TypeVar("Model", bound=_Named)


class OnDemand(Generic[Model]):
    """A model that is loaded once, when it is first asked for. That it cannot be loaded is found out once, too."""

    def __init__(self, name: str, load: Callable[[], Model]) -> None:
        self.name = name
        self._load = load
        self._model: Model | None = None
        self._failure: EngineError | None = None

    def model(self) -> Model:
        """The loaded model. Raises EngineError, if it cannot be loaded or is another one than its folder said."""
        if self._failure is not None:
            raise self._failure
        if self._model is None:
            try:
                self._model = self._loaded()
            except EngineError as error:
                self._failure = error
                raise
        return self._model

    def _loaded(self) -> Model:
        model = self._load()
        if model.name != self.name:
            raise ModelUnusable(
                f"The model {self.name} turned out to be {model.name} when it was loaded: it was prepared anew "
                "meanwhile, or its folder comes from another machine. The next run goes on with it."
            )
        return model


class PerplexityOnDemand(OnDemand[PerplexityScorer]):
    """A perplexity scorer whose model is loaded for the first text that it scores or counts."""

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        """As `PerplexityScorer.score`."""
        return self.model().score(texts, on_progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """As `PerplexityScorer.count_tokens`."""
        return self.model().count_tokens(texts)


class ToxicityOnDemand(OnDemand[ToxicityScorer]):
    """A toxicity scorer whose model is loaded for the first text that it scores."""

    def __init__(self, name: str, english_only: bool, load: Callable[[], ToxicityScorer]) -> None:
        super().__init__(name, load)
        self.english_only = english_only

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        """As `ToxicityScorer.score`."""
        return self.model().score(texts, on_progress)


class LanguageOnDemand(OnDemand[LanguageDetector]):
    """A language detector whose model is loaded for the first text that it looks at."""

    def english(self, texts: Sequence[str]) -> list[str | None]:
        """As `LanguageDetector.english`."""
        return self.model().english(texts)


def perplexity_on_demand(folder: Path, threads: int) -> PerplexityScorer:
    """The scorer of a prepared folder; loaded at once where only loading tells its name.

    Raises ModelNotPrepared; ModelUnusable, if it had to be loaded and cannot be.
    """
    name = known_perplexity(folder)
    if name is None:
        return PerplexityEngine.load(folder, threads)
    return PerplexityOnDemand(name, lambda: PerplexityEngine.load(folder, threads))


def toxicity_on_demand(folder: Path, threads: int) -> ToxicityScorer:
    """The scorer of a prepared folder; a detoxify model is loaded at once where only loading tells its name.

    The keyword classifier loads its words with its first text anyway. Raises as `perplexity_on_demand`.
    """
    known = known_detoxify(folder)
    if known is None:
        return load_toxicity(folder, threads)
    name, english_only = known
    return ToxicityOnDemand(name, english_only, lambda: load_toxicity(folder, threads))


def language_on_demand() -> LanguageDetector:
    """The language detector."""
    return LanguageOnDemand(language_detector_name(), load_language_detector)
