"""Sudden rises in a series of sums: requests, tokens or cost for each stretch of time.

A value is compared with what is usual at the same place of its season (the same hour of other days or weeks), times the
level of the time around it. Both are medians of logarithms, so that neither a spike nor a night without traffic moves
them, and a permanent change of level stops being a spike after half a season. How much is unusual is told by the median
absolute deviation at the same place of the season.

Source: a median in place of the trend and the median absolute deviation in place of the standard deviation are those of
Hochenbaum, Vallis, Kejariwal (2017), Automatic Anomaly Detection in the Cloud Via Statistical Learning (arXiv
1704.07706); the started logarithm is that of Tukey (1977), Exploratory Data Analysis.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_SEASONS = 3
"""Whole seasons from which on the season is the reference; with fewer it is the time around a value."""
LEAST_BINS = 12
"""Bins with a value from which on anything can be said."""
LEAST_SCORE = 4.5
"""Robust standard deviations above the expected value, from which on a value is a spike."""
LEAST_RISE = 1.5
"""A spike is at least this many times the expected value."""

_WITHOUT_SEASON = 24
"""Bins around a value that are its reference where there is no season."""
_NEIGHBOURS = 2
"""Places of the season on either side whose spread counts, too."""
_LEAST_SPREAD = 0.08
"""Of the logarithms: a series that never moves has no spread, and a rise of 60 % is unusual in it."""
_TO_DEVIATION = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Spike:
    """A value far above what was to be expected. `score` is in robust standard deviations of the logarithm."""

    index: int
    value: float
    expected: float
    score: float


def spikes(times_ms: NDArray[np.int64], values: Numbers, *, season_bins: int, minimum: float) -> list[Spike]:
    """The values that rise far above their reference, in the order of time.

    Args:
        times_ms: starts of the bins, rising and equally far apart (milliseconds since 1970). [n]
        values: the sum of each bin, 0 where nothing happened and NaN where nothing is known. [n] Zeros before the first
            value above 0 are a time before there was anything and are not counted.
        season_bins: bins of a season; 0 where there is none. Up to two months of hours are better told by the day (24)
            than by the week (168), of which there are too few: the level follows the weekend by itself.
        minimum: the least rise above the expected value that matters, in the unit of the values; above 0.

    Raises: ValueError, if the arrays differ in length, the bins are not equally far apart, or `minimum` is not above 0.
    """
    _check(times_ms, values, minimum)
    known = np.isfinite(values) & (np.cumsum(np.nan_to_num(values) > 0) > 0)
    if known.sum() < LEAST_BINS:
        return []
    # Started: differences below the minimum are small wherever they are, also next to zero.
    start = minimum / 2
    logs = np.where(known, np.log(np.where(known, np.maximum(values, 0.0), 0.0) + start), np.nan)
    seasonal = season_bins > 1 and known.sum() >= LEAST_SEASONS * season_bins
    width = season_bins if seasonal else _WITHOUT_SEASON
    season = _season(logs, season_bins) if seasonal else np.zeros(len(logs))
    usual = season + _rolling_median(logs - season, width)
    above = logs - usual
    spread = _spread(above, season_bins) if seasonal else _rolling_median(np.abs(above), width) * _TO_DEVIATION
    score = above / np.fmax(spread, _LEAST_SPREAD)
    expected = np.maximum(np.exp(usual) - start, 0.0)
    with np.errstate(invalid="ignore"):
        found = known & (score >= LEAST_SCORE) & (values >= LEAST_RISE * expected) & (values - expected >= minimum)
    return [
        Spike(int(place), float(values[place]), float(expected[place]), float(score[place]))
        for place in np.flatnonzero(found)
    ]


def _check(times_ms: NDArray[np.int64], values: Numbers, minimum: float) -> None:
    if len(times_ms) != len(values):
        raise ValueError(f"There are {len(times_ms)} times for {len(values)} values.")
    steps = np.diff(times_ms)
    if len(steps) and (steps[0] <= 0 or (steps != steps[0]).any()):
        raise ValueError("The bins of a series have to rise and be equally far apart.")
    if not minimum > 0:
        raise ValueError(f"The least rise that matters has to be above 0, not {minimum}.")


def _season(logs: Numbers, bins: int) -> Numbers:
    """What the place in the season adds to each value: the median of the other seasons at that place. [n]

    A value is left out of its own reference, else few seasons would explain their own spikes.
    """
    table = _by_season(logs, bins)
    with warnings.catch_warnings():
        # A season, or a place, of which nothing is known has no median.
        warnings.simplefilter("ignore", RuntimeWarning)
        complete = np.isfinite(table).mean(axis=1) > 0.75
        level = np.where(complete, np.nanmedian(table, axis=1), np.nan)
        shape = table - level[:, None]
        others = np.repeat(shape[None], len(shape), axis=0)
        others[np.arange(len(shape)), np.arange(len(shape))] = np.nan
        reference = np.nanmedian(others, axis=1)
    flat: Numbers = reference.ravel()[-len(logs) :]
    return np.where(np.isfinite(flat), flat, 0.0)


def _spread(above: Numbers, bins: int) -> Numbers:
    """The robust standard deviation at each value's place of the season and beside it, never below half of all. [n]"""
    table = np.abs(_by_season(above, bins))
    beside = np.concatenate([np.roll(table, shift, axis=1) for shift in range(-_NEIGHBOURS, _NEIGHBOURS + 1)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        of_place = np.nanmedian(beside, axis=0)
    whole = float(np.nanmedian(table))
    spread = np.fmax(of_place, whole / 2) * _TO_DEVIATION
    flat: Numbers = np.tile(spread, len(table))[-len(above) :]
    return flat


def _by_season(values: Numbers, bins: int) -> Numbers:
    """The values in rows of a season, the last of which is complete; NaN before the first value. [seasons, bins]"""
    missing = -len(values) % bins
    return np.concatenate([np.full(missing, np.nan), values]).reshape(-1, bins)


def _rolling_median(values: Numbers, width: int) -> Numbers:
    """The median of the `width` values around each, and of fewer at both ends. [n]"""
    before, after = width // 2, width - width // 2
    padded = np.concatenate([np.full(before, np.nan), values, np.full(after, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, width + 1)[: len(values)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found: Numbers = np.nanmedian(windows, axis=1)
    return found
