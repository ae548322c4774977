"""Which earlier windows a window is compared with, so that a daily or weekly rhythm is no drift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.drift_judgement import WINDOWS, Difference, Kind, Question, Usual, difference, usual
from metrics.drift_summaries import Summary, combined

Integers = NDArray[np.int64]

FIVE_MINUTES, HOUR, DAY = 300, 3_600, 86_400
LEAST_DAYS = 3
"""Days that have to have traffic at that hour, before they are a reference."""
_LEAST_IN_WINDOW = 20


@dataclass(frozen=True)
class Reference:
    """Earlier windows, as distances from the one that is judged (in windows, below 0): rows of days. [days, near]"""

    drift_type: str
    words: str
    distances: Integers

    @property
    def days(self) -> int:
        """How many different days it has."""
        return len(self.distances)


def _at_the_hour(days: list[int], seconds: int, near: int) -> Integers:
    per_day = DAY // seconds
    return np.array([[-day * per_day + step for step in range(-near, near + 1)] for day in days], dtype=np.int64)


_DAYS = [*range(1, 8), 14, 21, 28]
_WORDS = "the same hour of the last seven days and of that weekday in the last four weeks"
REFERENCES = {
    FIVE_MINUTES: (
        Reference("BASELINE", _WORDS, _at_the_hour(_DAYS, FIVE_MINUTES, 6)),
        Reference("CONSECUTIVE", "the three hours before", np.arange(-2 - 36, -2, dtype=np.int64)[None]),
    ),
    HOUR: (Reference("BASELINE", _WORDS, _at_the_hour(_DAYS, HOUR, 1)),),
}
"""By the seconds of a window, what it is compared with: the first that there is enough of."""


def usual_before(kind: Kind, of: Summary, numbers: Integers, judged: Integers, seconds: int) -> tuple[Usual, Integers]:
    """What is usual for some windows.

    Args:
        of: the summaries of the windows `numbers`, which rise. [n] A window's number is its start in seconds since 1970
            divided by its length.
        judged: numbers of the windows that are judged, of which there need not be a summary. [k]

    Returns: what is usual, arrays [k], and which of `REFERENCES[seconds]` it was, -1 for none. [k]
    """
    found: Usual | None = None
    which = np.full(len(judged), -1, dtype=np.int64)
    for place, reference in enumerate(REFERENCES[seconds]):
        missing = which < 0
        if not missing.any():
            break
        wanted = judged[missing][:, None, None] + reference.distances
        windows = of.at(_places(numbers, wanted))
        days = ((windows.n >= _LEAST_IN_WINDOW).any(axis=-1)).sum(axis=-1)
        flat = Summary(
            *(part.reshape(len(part), -1) for part in (windows.n, windows.mean, windows.variance, windows.error))
        )
        one = usual(kind, flat)
        enough = np.isfinite(one.mean) & (days >= min(LEAST_DAYS, reference.days))
        rows = np.flatnonzero(missing)[enough]
        which[rows] = place
        found = _filled(found, one, enough, rows, len(judged))
    return found if found is not None else _nothing(len(judged)), which


def differences(
    question: Question, of: Summary, numbers: Integers, judged: Integers, seconds: int
) -> tuple[Difference, Difference, Integers]:
    """How each of consecutive windows differs from what is usual, by itself and together with the two before it.

    Arguments as in `usual_before`. Returns: both, arrays [k], and the number of the reference. [k]
    """
    expected, which = usual_before(question.kind, of, numbers, judged, seconds)
    single = difference(question, of.at(_places(numbers, judged)), expected)
    three = of.at(_places(numbers, judged[:, None] - np.arange(WINDOWS)))
    return single, difference(question, combined(three), expected), which


def _places(numbers: Integers, wanted: Integers) -> Integers:
    """Where each wanted number stands; -1 where it does not."""
    if not len(numbers):
        return np.full(wanted.shape, -1, dtype=np.int64)
    place = np.searchsorted(numbers, wanted).clip(max=len(numbers) - 1)
    return np.where(numbers[place] == wanted, place, -1)


def _nothing(count: int) -> Usual:
    return Usual(*(np.full(count, np.nan) for _ in Usual.__dataclass_fields__))


def _filled(found: Usual | None, one: Usual, enough: NDArray[np.bool_], rows: Integers, count: int) -> Usual:
    found = found or _nothing(count)
    for name in Usual.__dataclass_fields__:
        getattr(found, name)[rows] = getattr(one, name)[enough]
    return found
