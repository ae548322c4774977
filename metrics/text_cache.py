"""Scores of texts that were seen before, so that a text is scored once however often it is asked or answered."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar

Score = TypeVar("Score")


def text_key(text: str) -> bytes:
    """16 bytes that stand for a text. The cache keeps no one's words, and long ones cost no more than short ones."""
    return blake2b(text.encode("utf-8"), digest_size=16).digest()


class TextCache:
    """Scores by scorer and text, in memory, of the last `most` texts of each scorer.

    Scores of earlier runs are brought in with `fill`, and new ones given out once by `drain`, by whoever keeps them.
    """

    def __init__(self, most: int = 200_000) -> None:
        if most < 1:
            raise ValueError(f"A text cache holds at least one text, not {most}.")
        self._most = most
        self._scores: dict[str, dict[bytes, object]] = {}
        self._new: defaultdict[str, dict[bytes, object]] = defaultdict(dict)

    def known(self, scorer: str, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the texts (by `text_key`) whose score by `scorer` need not be computed."""
        return set(self.held(scorer, keys))

    def held(self, scorer: str, keys: Iterable[bytes]) -> dict[bytes, object]:
        """The scores by `scorer` that need not be computed, by text."""
        known = self._scores.get(scorer, {})
        return {key: known[key] for key in keys if key in known}

    def fill(self, scorer: str, scores: Mapping[bytes, object]) -> None:
        """Take over scores by `scorer` that were computed before; `drain` does not give them out again."""
        self._keep(scorer, scores)

    def drain(self) -> dict[str, dict[bytes, object]]:
        """Scorer → text → score of what was computed since the last call."""
        new = dict(self._new)
        self._new.clear()
        return new

    def scores(
        self, scorer: str, texts: Iterable[tuple[bytes, str]], compute: Callable[[list[str]], Sequence[Score]]
    ) -> dict[bytes, Score]:
        """The score of every text (given as key and text), of which only new ones are computed, all in one call."""
        known: dict[bytes, Score] = self._scores.get(scorer, {})  # type: ignore[assignment]
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
            self._keep(scorer, computed)
            self._new[scorer].update(computed)
        return answer

    def _keep(self, scorer: str, scores: Mapping[bytes, object]) -> None:
        known = self._scores.setdefault(scorer, {})
        for key, score in scores.items():
            known.pop(key, None)  # what is used again goes to the end of the queue
            known[key] = score
        for oldest in list(known)[: max(0, len(known) - self._most)]:
            del known[oldest]
