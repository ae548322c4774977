"""Scores of texts that were seen before, so that a text is scored once however often it is asked or answered."""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TypeVar

Score = TypeVar("Score")


def text_key(text: str) -> bytes:
    """16 bytes that stand for a text. The cache keeps no one's words, and long ones cost no more than short ones."""
    return blake2b(text.encode("utf-8"), digest_size=16).digest()


class TextCache:
    """Scores by scorer and text, in memory, of the last `most` texts of each scorer."""

    def __init__(self, most: int = 100_000) -> None:
        if most < 1:
            raise ValueError(f"A text cache holds at least one text, not {most}.")
        self._most = most
        self._scores: dict[str, dict[bytes, object]] = {}

    def known(self, scorer: str, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the texts (by `text_key`) whose score by `scorer` need not be computed."""
        known = self._scores.get(scorer, {})
        return {key for key in keys if key in known}

    def scores(
        self, scorer: str, texts: Iterable[tuple[bytes, str]], compute: Callable[[list[str]], Sequence[Score]]
    ) -> dict[bytes, Score]:
        """The score of every text (given as key and text), of which only new ones are computed, all in one call."""
        known: dict[bytes, Score] = self._scores.setdefault(scorer, {})  # type: ignore[assignment]
        answer: dict[bytes, Score] = {}
        new: dict[bytes, str] = {}
        for key, text in texts:
            if key in known:
                answer[key] = known[key]
            else:
                new[key] = text
        if new:
            computed = dict(zip(new, compute(list(new.values())), strict=True))
            answer.update(computed)
            known.update(computed)
            for oldest in list(known)[: max(0, len(known) - self._most)]:
                del known[oldest]
        return answer
