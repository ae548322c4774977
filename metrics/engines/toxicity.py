"""Toxicity of texts: a detoxify model where its weights could be had, else a keyword-like classifier that says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metrics.engines.batches import batches_by_tokens, padded
from metrics.engines.errors import ModelUnusable
from metrics.engines.openvino_models import Run, load_graph
from metrics.engines.precisions import remembered_precision
from metrics.engines.prepared_folder import description
from metrics.engines.tokenization import encodable, first_ids
from metrics.scorers import OnProgress, ToxicityScorer, ToxicityScores

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KEYWORD = "keyword"
_VERSION = 1
_BATCH_TOKENS = 1024
_TEXTS_AT_ONCE = 2048


def load_toxicity(folder: Path, threads: int) -> ToxicityScorer:
    """Loads what `preparation.prepare_toxicity` made. Raises ModelNotPrepared or ModelUnusable."""
    about = description(folder)
    if about["engine"] == KEYWORD:
        return KeywordEngine.load()
    return DetoxifyEngine.load(folder, about, threads)


@dataclass(frozen=True)
class DetoxifyEngine:
    """A detoxify classifier in OpenVINO. Its numbers are those of `detoxify`'s own `predict`, text by text."""

    name: str
    english_only: bool
    labels: tuple[str, ...]
    tokenizer: "Tokenizer"
    run: Run
    opening: int
    closing: int
    filler: int
    max_tokens: int

    @classmethod
    def load(cls, folder: Path, about: dict[str, Any], threads: int) -> "DetoxifyEngine":
        """Loads the prepared folder that `about` describes."""
        from tokenizers import Tokenizer

        run, precision = load_graph(folder, threads)
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizers library raises nothing narrower
            raise ModelUnusable(
                f"{folder / 'tokenizer.json'} cannot be read: delete that folder and prepare."
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        opening, closing = tokenizer.encode("").ids
        return cls(
            name=_detoxify_name(about, precision),
            english_only=_is_english_only(about),
            labels=tuple(about["labels"]),
            tokenizer=tokenizer,
            run=run,
            opening=opening,
            closing=closing,
            filler=int(about["filler"]),
            max_tokens=int(about["max_tokens"]),
        )

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        """The label `toxicity` of each text, and all labels; an empty text has NaN and a reason."""
        values = np.full(len(texts), np.nan)
        labels: list[dict[str, float]] = [{} for _ in texts]
        done = 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            ids = self._ids(texts[start : start + _TEXTS_AT_ONCE])
            done += sum(1 for row in ids if len(row) == 0)
            for group in batches_by_tokens([len(row) for row in ids], _BATCH_TOKENS):
                rows = [ids[i] for i in group]
                table = self.run(padded(rows, self.filler), padded([np.ones_like(row) for row in rows], 0))
                for i, row in zip(group, table.tolist(), strict=True):
                    labels[start + i] = dict(zip(self.labels, row, strict=True))
                    values[start + i] = labels[start + i]["toxicity"]
                done += len(group)
                if on_progress is not None:
                    on_progress(done, len(texts))
        return ToxicityScores(values, labels, _empty_reasons(texts))

    def _ids(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """As many of each text's first tokens as the model reads, between the two that it expects around a text."""
        inner = first_ids(self.tokenizer, texts, self.max_tokens - 2)
        rows = [np.concatenate([[self.opening], row, [self.closing]]) for row in inner]
        return [row.astype(np.int32) if text else row[:0] for text, row in zip(texts, rows, strict=True)]


@dataclass(frozen=True)
class KeywordEngine:
    """alt-profanity-check: a linear classifier over words. Quick, offline and crude: it flags harmless mentions."""

    name: str
    english_only: bool = True

    @classmethod
    def load(cls) -> "KeywordEngine":
        """Its model comes with the package."""
        from importlib.metadata import version

        return cls(f"keyword/alt-profanity-check-{version('alt-profanity-check')}/{_VERSION}")

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        """The probability of profanity in each text; an empty text has NaN and a reason."""
        from profanity_check import predict_prob

        values = np.full(len(texts), np.nan)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            filled = [i for i in range(start, min(start + _TEXTS_AT_ONCE, len(texts))) if texts[i]]
            if filled:
                values[filled] = predict_prob([encodable(texts[i]) for i in filled])
            if on_progress is not None:
                on_progress(min(start + _TEXTS_AT_ONCE, len(texts)), len(texts))
        labels = [{} if np.isnan(value) else {"profanity": value} for value in values.tolist()]
        return ToxicityScores(values, labels, _empty_reasons(texts))


def known_detoxify(folder: Path) -> tuple[str, bool] | None:
    """Name and `english_only` of the detoxify engine in a prepared folder, where they are known without loading it.

    Raises ModelNotPrepared.
    """
    about = description(folder)
    precision = None if about["engine"] == KEYWORD else remembered_precision(folder)
    return (_detoxify_name(about, precision), _is_english_only(about)) if precision else None


def _detoxify_name(about: dict[str, Any], precision: str) -> str:
    """A checkpoint of one's own has the beginning of its hash in the name, by which scores are kept."""
    own = f"@{about['weights']}" if "weights" in about else ""
    return f"detoxify-{about['variant']}{own}/openvino-{precision}/{_VERSION}"


def _is_english_only(about: dict[str, Any]) -> bool:
    return bool(about["variant"] != "multilingual")


def _empty_reasons(texts: Sequence[str]) -> list[str | None]:
    return [None if text else "the text is empty" for text in texts]
