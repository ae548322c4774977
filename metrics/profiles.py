"""What a column is like in a window of time: the figures of Databricks' profile tables.

Numbers are profiled many columns at once, as the columns of one matrix: a window has few rows and many columns, and
the calls are what takes time.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metrics.drift_statistics import Floats, quantiles_of_sorted

SAMPLE = 5_000
"""Rows of which quantiles, different values and the statistics of drift are taken; all others are of every row."""
FREQUENT_ITEMS = 10


@dataclass(frozen=True)
class NumberProfile:
    """A column of numbers. `rows` counts all of them, `values` (float64 [≤ SAMPLE], sorted, without missing ones) are
    those of the sample, of which `distinct` are different.

    avg, min, max: NaN where there is no value; stddev (unbiased) NaN below two.
    """

    rows: int
    nulls: int
    nans: int
    zeros: int
    avg: float
    stddev: float
    min: float
    max: float
    distinct: int
    values: Floats

    @property
    def sampled(self) -> int:
        """Rows in the sample, those without a value included."""
        return min(self.rows, SAMPLE)

    def quantiles(self, number: int) -> Floats:
        """That many quantiles, evenly spaced from the smallest value to the largest. Empty where there is no value."""
        return quantiles_of_sorted(self.values, _even_shares(number)) if len(self.values) else self.values


@dataclass(frozen=True)
class CategoryProfile:
    """A column of categories: category → rows with it, and the rows without one."""

    rows: int
    nulls: int
    counts: dict[str, int]

    @property
    def distinct(self) -> int:
        """Different categories."""
        return len(self.counts)

    @property
    def sampled(self) -> int:
        """All rows: counting categories needs no sample."""
        return self.rows

    def frequent(self) -> list[tuple[str, int]]:
        """The most frequent categories with their counts, the most frequent first; by name where they are equal."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:FREQUENT_ITEMS]


def number_profiles(numbers: Floats, nulls: NDArray[np.bool_]) -> list[NumberProfile]:
    """Profile each column of a matrix: float64 [rows, columns], NaN where a value is missing; `nulls` of that shape.

    The rows must be in an order that has nothing to do with the values of interest or in that of time: from more than
    `SAMPLE` of them every k-th is taken for what needs sorting, so the sample is spread evenly over the window.
    """
    rows = len(numbers)
    missing = np.isnan(numbers)
    known = rows - missing.sum(axis=0)
    filled = np.where(missing, 0.0, numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = filled.sum(axis=0) / known
        spread = np.sqrt((np.where(missing, 0.0, numbers - average) ** 2).sum(axis=0) / (known - 1))
    zeros = ((filled == 0) & ~missing).sum(axis=0)
    smallest = np.where(missing, np.inf, numbers).min(axis=0, initial=np.inf)
    largest = np.where(missing, -np.inf, numbers).max(axis=0, initial=-np.inf)
    ordered = np.sort(numbers[evenly_spaced(rows)], axis=0)
    sizes = len(ordered) - np.isnan(ordered).sum(axis=0)
    # Missing values stand last and are greater than nothing.
    distinct = (ordered[1:] > ordered[:-1]).sum(axis=0) + (sizes > 0)
    return [
        NumberProfile(
            rows=rows,
            nulls=int(nulls[:, column].sum()),
            nans=int((missing[:, column] & ~nulls[:, column]).sum()),
            zeros=int(zeros[column]),
            avg=float(average[column]),
            stddev=float(spread[column]) if known[column] > 1 else float("nan"),
            min=float(smallest[column]) if known[column] else float("nan"),
            max=float(largest[column]) if known[column] else float("nan"),
            distinct=int(distinct[column]),
            values=ordered[: sizes[column], column],
        )
        for column in range(numbers.shape[1])
    ]


@lru_cache(maxsize=8)
def _even_shares(number: int) -> Floats:
    return np.linspace(0, 1, number)


def evenly_spaced(rows: int) -> "slice | NDArray[np.int64]":
    """Which rows the sample has: all, or `SAMPLE` of them at even distances."""
    return slice(None) if rows <= SAMPLE else np.arange(SAMPLE, dtype=np.int64) * rows // SAMPLE
