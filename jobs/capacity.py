"""How many of the waiting rows a run can give the scores that cost a model's time, within its budget.

All waiting rows are scored in one run as long as the cheap work alone fits. The models' scores go to a random sample of
1 in `one_in` rows, as large as the time allows. What a row costs is learnt from the pieces of work before and kept for
the next run; a sample's size rests on that, on the rows that wait and on the time left, never on what a row says.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jobs.chunking import LARGEST_READ_ROWS, PIECE_SECONDS
from lakehouse.status import read_status, write_status
from metrics.scorers import OnProgress, PerplexityScorer, PerplexityScores, ToxicityScorer, ToxicityScores
from metrics.text_scores import Scorers
from settings import Settings

MOST_ROWS_FOR_ONE = 100.0
"""However much is waiting, one row in so many gets every score: with fewer no average would be worth showing."""
_SHARE_OF_THE_TIME = 0.85
"""Of the seconds that are left, these are planned with; the rest is for commits, rollups and surprises."""
_WEIGHT_OF_THE_NEWEST = 0.3
"""Of what is known, the part that the newest piece of work makes up."""
_ENOUGH_ROWS = 64
"""Rows of a piece that tells what the cheap work costs."""
_ROW_SECONDS = 0.001
"""Seconds of cheap work for a row until that is known."""
_MOST_ROWS_AT_FIRST = 256
"""Rows of a piece until that is known."""
_GRACE = 0.1
"""Rather than leave a few rows, a run takes longer by this part of its budget, or by a piece."""
_CALM = 1.2
"""A sample's size is kept as long as the right one is not larger or smaller by this factor."""
_FILE = "score_pace"


@dataclass
class Pace:
    """What scoring costs on this machine. None: not known yet."""

    row_seconds: float | None = None
    """Seconds of work on a row without the models."""
    row_characters: float | None = None
    """Characters that the models would be given for a row, on average, if every row were scored; 0 for known texts."""
    character_seconds: float | None = None
    """Seconds that the models take for a character."""

    def learn(self, rows: int, one_in: float, work: "ModelWork", other_seconds: float | None) -> None:
        """Take in a piece of work of `rows` rows of which 1 in `one_in` were given to the models.

        other_seconds: of the work without the models; None if that is no measure of later pieces.
        """
        if rows == 0:
            return
        if other_seconds is not None and rows >= _ENOUGH_ROWS:
            self.row_seconds = _mixed(self.row_seconds, other_seconds / rows)
        self.row_characters = _mixed(self.row_characters, work.characters * one_in / rows)
        if work.characters:
            self.character_seconds = _mixed(self.character_seconds, work.seconds / work.characters)

    def one_in(self, rows_waiting: int, seconds_left: float) -> float:
        """The sample of 1 in how many rows (1 to `MOST_ROWS_FOR_ONE`) lets all waiting rows be done in time."""
        if self.character_seconds is None or self.row_characters is None:
            return 1.0
        all_scored = rows_waiting * self.row_characters * self.character_seconds
        for_models = seconds_left * _SHARE_OF_THE_TIME - self.cheap_seconds(rows_waiting)
        if all_scored <= max(for_models, 0.0):
            return 1.0
        if all_scored >= for_models * MOST_ROWS_FOR_ONE:
            return MOST_ROWS_FOR_ONE
        return _two_digits(all_scored / for_models)

    def cheap_seconds(self, rows: int) -> float:
        """How long `rows` rows take without the models."""
        return rows * (_ROW_SECONDS if self.row_seconds is None else self.row_seconds)

    def least_seconds(self, rows: int) -> float:
        """How long `rows` rows take with the smallest sample."""
        all_scored = rows * (self.row_characters or 0.0) * (self.character_seconds or 0.0)
        return self.cheap_seconds(rows) + all_scored / MOST_ROWS_FOR_ONE

    def rows_in(self, seconds: float) -> int:
        """How many rows at most are worked on in so much time without the models; a cautious number at first."""
        if self.row_seconds is None:
            return _MOST_ROWS_AT_FIRST
        return LARGEST_READ_ROWS if self.row_seconds == 0 else min(int(seconds / self.row_seconds), LARGEST_READ_ROWS)


@dataclass
class ModelWork:
    """What the models were given, and how long they took."""

    characters: int = 0
    seconds: float = 0.0

    @contextmanager
    def metered(self, texts: Sequence[str]) -> Iterator[None]:
        """Count the texts and the time of the body."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.characters += sum(map(len, texts))


@dataclass
class Capacity:
    """The size of the sample from piece to piece of one run, and what is learnt on the way."""

    settings: Settings
    budget: float
    """Seconds; infinite for a run that scores everything."""
    one_in: float = 1.0
    work: ModelWork = field(default_factory=ModelWork)
    pace: Pace = field(default_factory=Pace)
    _scorers: str = ""
    _pieces: int = 0
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.budget

    def meter(self, scorers: Scorers) -> Scorers:
        """The same scorers, whose work is counted from now on; what earlier runs knew of them is remembered."""
        toxicity = scorers.costly_toxicity
        names = [scorer.name for scorer in (scorers.perplexity, toxicity) if scorer]
        self._scorers = " + ".join(names)
        self.pace = _remembered(self.settings, self._scorers)
        return replace(
            scorers,
            perplexity=MeteredPerplexity(scorers.perplexity, self.work) if scorers.perplexity else None,
            toxicity=MeteredToxicity(toxicity, self.work) if toxicity else scorers.toxicity,
        )

    def choose(self, rows_waiting: int) -> float:
        """The sample of the next piece of work: 1 in how many rows. `rows_waiting`: with those of the piece."""
        wanted = 1.0
        if math.isfinite(self.budget):
            wanted = self.pace.one_in(rows_waiting, self._deadline - time.monotonic())
        if not self.one_in / _CALM <= wanted <= self.one_in * _CALM:
            self.one_in = wanted
        return self.one_in

    def is_used_up(self, rows_waiting: int) -> bool:
        """Whether the run should leave the waiting rows to the next: the time is over, and they would take long."""
        over = time.monotonic() - self._deadline
        grace = min(_GRACE * self.budget, PIECE_SECONDS)
        return over >= 0 and over + self.pace.least_seconds(rows_waiting) >= grace

    def most_rows(self) -> int:
        """Rows that a piece of work may have for its cheap work alone."""
        return self.pace.rows_in(PIECE_SECONDS)

    def learn(self, rows: int, seconds: float) -> None:
        """Take in how long a piece of `rows` rows took in all, with the models' work since the last one."""
        # In a run's first piece, dictionaries are read and the like.
        others = max(seconds - self.work.seconds, 0.0) if self._pieces else None
        self.pace.learn(rows, self.one_in, self.work, others)
        self.work.characters, self.work.seconds = 0, 0.0
        self._pieces += 1

    def remember(self) -> None:
        """Keep what is known for the next run. If it gets lost, that run learns again from its first piece."""
        write_status(self.settings, _FILE, {"scorers": self._scorers, **asdict(self.pace)})


@dataclass(frozen=True)
class MeteredPerplexity:
    """A perplexity model whose work is counted."""

    model: PerplexityScorer
    work: ModelWork

    @property
    def name(self) -> str:
        return self.model.name

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        with self.work.metered(texts):
            return self.model.score(texts, on_progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return self.model.count_tokens(texts)


@dataclass(frozen=True)
class MeteredToxicity:
    """A toxicity model whose work is counted."""

    model: ToxicityScorer
    work: ModelWork

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def english_only(self) -> bool:
        return self.model.english_only

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> ToxicityScores:
        with self.work.metered(texts):
            return self.model.score(texts, on_progress)


def _remembered(settings: Settings, scorers: str) -> Pace:
    kept = read_status(settings, _FILE) or {}
    if kept.get("scorers") != scorers:
        return Pace()
    numbers = {name: kept.get(name) for name in asdict(Pace())}
    return Pace(**{name: value for name, value in numbers.items() if _is_usable(value)})


def _is_usable(value: object) -> bool:
    """Whether a kept number can be planned with: the file may have been edited or come from another release."""
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _mixed(known: float | None, newest: float) -> float:
    if known is None:
        return newest
    return known + _WEIGHT_OF_THE_NEWEST * (newest - known)


def _two_digits(one_in: float) -> float:
    """The next number up with two digits, so that a reason can say it exactly: 3.7, 12, 99."""
    step = 0.1 if one_in < 10 else 1.0
    return round(math.ceil(one_in / step - 1e-9) * step, 1)
