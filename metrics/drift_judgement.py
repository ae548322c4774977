"""Has a column drifted: judged so that a real shift is found soon and a usual day is left alone.

A window of time is compared with earlier windows of the same hour, by its mean (of logarithms where values have a long
tail) or its share. Four things keep chance and habit from being called drift:

- what the earlier windows differ by among themselves counts as uncertainty, beside that of the single values;
- a difference has to be large enough to matter;
- q-values take into account how many columns and slices are looked at (`metrics.false_discovery`);
- it has to be seen in two of three windows, and the three together have to be beyond doubt, as if what moves one of
  them moved them all.

The scale is learned from some dozens of windows, so p-values are Student's with that many degrees of freedom.
Sources: DerSimonian, Laird (1986), Meta-analysis in clinical trials, for the variance between windows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.drift_summaries import Summary
from metrics.false_discovery import q_values

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Kind = Literal["ratio", "mean", "share"]

LARGEST_Q = 0.02
"""A window in which a difference is seen has at most this q-value."""
LARGEST_Q_TOGETHER = 1e-4
"""The last three windows together have at most this one, for somebody to be told."""
WINDOWS = 3
LEAST_WINDOWS = 2
"""In so many of `WINDOWS` a difference has to be seen."""
LEAST_VALUES = 50
"""In a window that is judged."""
LEAST_REFERENCE_VALUES = 300
LEAST_REFERENCE_WINDOWS = 8
_LEAST_IN_REFERENCE_WINDOW = 20
_OUTLIER = 5.0
"""Robust standard deviations from the middle, beyond which an earlier window was an incident and no reference."""
_TO_DEVIATION = 1.4826
_MOST_OUTLIERS = 0.25


@dataclass(frozen=True)
class Question:
    """What is asked of a column: by which measure, and from which change on it matters.

    kind: "ratio" compares means of logarithms, "mean" plain means, "share" how many of 0 and 1 are 1.
    least_change: a ratio (1.15: 15 % more, or 1/1.15 of it), a difference of means in standard deviations, or a
    difference of shares (0.03: three percentage points). least_ratio: what a share has to change by, besides.
    """

    column: str
    kind: Kind
    least_change: float
    least_ratio: float = 1.0
    least_deviations: float = 0.2
    """What a ratio has to be in standard deviations of the logarithms, besides."""


@dataclass(frozen=True)
class Usual:
    """What earlier windows say together, arrays of one shape.

    n: values. windows: how many windows. mean, variance: of the values. error: the variance of the mean. wander: the
    variance between windows beyond that of chance. NaN where there is too little.
    """

    n: Floats
    windows: Floats
    mean: Floats
    variance: Floats
    error: Floats
    wander: Floats


@dataclass(frozen=True)
class Difference:
    """How windows differ from what is usual, arrays of one shape; NaN where too little is known.

    value, compared: in the column's unit. effect: a ratio, standard deviations or a difference of shares, as the
    question has it. matters: it is large enough. direction: 1 for more, -1 for less.
    """

    n: Floats
    n_compared: Floats
    value: Floats
    compared: Floats
    effect: Floats
    direction: Floats
    matters: Booleans
    p_value: Floats


@dataclass(frozen=True)
class Judgement:
    """The verdict on each question [question, window]. seen: in this window. confirmed: somebody should be told.

    windows: in how many of the last `WINDOWS` it was seen, in the same direction.
    """

    q_value: Floats
    q_together: Floats
    seen: Booleans
    windows: Integers
    confirmed: Booleans


def usual(kind: Kind, reference: Summary) -> Usual:
    """What the windows on the last axis of `reference` say together. Former incidents among them are left out."""
    enough = reference.n >= _LEAST_IN_REFERENCE_WINDOW
    n = np.where(enough, reference.n, 0.0)
    pooled_mean, pooled = _pooled(kind, n, reference)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.fmax(reference.error, pooled[..., None] / reference.n)
    kept = enough & ~_outliers(np.where(enough, reference.mean, np.nan), own)
    n = np.where(kept, n, 0.0)
    pooled_mean, pooled = _pooled(kind, n, reference)
    windows = kept.sum(axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.fmax(reference.error, pooled[..., None] / reference.n)
        wander = _wander(np.where(kept, reference.mean, 0.0), np.where(kept, 1 / own, 0.0), windows)
        weight = np.where(kept, 1 / (own + wander[..., None]), 0.0)
        total = weight.sum(axis=-1)
        mean = (weight * reference.mean).sum(axis=-1) / total
        # A column that never varies has no errors to weigh by.
        error = np.where(np.isfinite(total), 1 / total, 0.0)
    mean = np.where(np.isfinite(mean), mean, pooled_mean)
    count = n.sum(axis=-1)
    known = (windows >= LEAST_REFERENCE_WINDOWS) & (count >= LEAST_REFERENCE_VALUES)
    parts = (mean, pooled, error, np.nan_to_num(wander))
    return Usual(count, windows, *(np.where(known, part, np.nan) for part in parts))


def difference(question: Question, now: Summary, of: Usual) -> Difference:
    """How the windows `now` differ from what is usual, two-sided."""
    known = (now.n >= LEAST_VALUES) & np.isfinite(of.mean)
    apart = np.where(known, now.mean - of.mean, np.nan)
    freedom = np.maximum(of.windows - 1, 1)
    if question.kind == "share":
        p_value = _p_of_shares(now, of, freedom)
        value, compared, effect = now.mean, of.mean, apart
        matters = np.abs(apart) >= question.least_change
        high, low = np.fmax(now.mean, of.mean), np.fmin(now.mean, of.mean)
        matters &= high >= question.least_ratio * low
    else:
        p_value = _p_of_means(apart, now, of, freedom)
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations = np.abs(apart) / np.sqrt(of.variance)
        if question.kind == "ratio":
            value, compared, effect = np.exp(now.mean), np.exp(of.mean), np.exp(apart)
            matters = (np.abs(apart) >= np.log(question.least_change)) & (deviations >= question.least_deviations)
        else:
            value, compared, effect = now.mean, of.mean, deviations * np.sign(apart)
            matters = deviations >= question.least_change
    return Difference(
        np.where(known, now.n, np.nan),
        np.where(known, of.n, np.nan),
        np.where(known, value, np.nan),
        np.where(known, compared, np.nan),
        np.where(known, effect, np.nan),
        np.sign(np.nan_to_num(apart)),
        matters & known,
        np.where(known, p_value, np.nan),
    )


def stacked(differences: list[Difference]) -> Difference:
    """Differences of several questions over the same windows, one beside the other: [question, window]."""
    names = Difference.__dataclass_fields__
    return Difference(**{name: np.stack([getattr(one, name) for one in differences]) for name in names})


def judge(single: Difference, together: Difference) -> Judgement:
    """The verdict on consecutive windows.

    single: each window against what is usual. [question, window] together: each window with the two before it as one.
    """
    q_value, q_together = q_values(single.p_value), q_values(together.p_value)
    with np.errstate(invalid="ignore"):
        seen = single.matters & (q_value <= LARGEST_Q)
        certain = together.matters & (q_together <= LARGEST_Q_TOGETHER)
    rising, falling = _of_the_last(seen & (single.direction > 0)), _of_the_last(seen & (single.direction < 0))
    windows = np.where(single.direction > 0, rising, falling)
    confirmed = seen & certain & (windows >= LEAST_WINDOWS) & (single.direction == together.direction)
    return Judgement(q_value, q_together, seen, windows, confirmed)


def _pooled(kind: Kind, n: Floats, reference: Summary) -> tuple[Floats, Floats]:
    """The mean of all values and the variance of a single one around its window's mean. For a share what follows from
    it: a window without a single 1 has no variance of its own."""
    count = n.sum(axis=-1)
    safe = np.maximum(count, 1.0)
    mean = (n * reference.mean).sum(axis=-1) / safe
    if kind == "share":
        share = (n * reference.mean).sum(axis=-1) + 0.5
        return mean, share / (count + 1) * (1 - np.minimum(share / (count + 1), 1 - 0.5 / (count + 1)))
    return mean, (n * reference.variance).sum(axis=-1) / safe


def _outliers(means: Floats, errors: Floats) -> Booleans:
    """Windows far from the middle of all; none where there are so many that they are no exception."""
    count = np.isfinite(means).sum(axis=-1)
    middle = _median(means, count)
    away = np.abs(means - middle[..., None])
    scale = np.maximum(_TO_DEVIATION * _median(away, count)[..., None], np.sqrt(errors))
    with np.errstate(invalid="ignore"):
        far = away > _OUTLIER * scale
    return np.asarray(far & (far.sum(axis=-1) <= _MOST_OUTLIERS * count)[..., None])


def _median(values: Floats, count: NDArray[np.int64]) -> Floats:
    """The median of the last axis, NaN left out. (numpy's own is a hundred times slower where some are missing.)"""
    rising = np.sort(values, axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[-1] - 1)
    taken = [np.take_along_axis(rising, place[..., None], axis=-1)[..., 0] for place in (low, high)]
    return np.asarray((taken[0] + taken[1]) / 2)


def _wander(means: Floats, precision: Floats, windows: Floats) -> Floats:
    """The variance between windows that the errors of their means do not explain, at least 0."""
    total = precision.sum(axis=-1)
    centre = (precision * means).sum(axis=-1) / total
    scatter = (precision * (means - centre[..., None]) ** 2).sum(axis=-1)
    found = (scatter - (windows - 1)) / (total - (precision**2).sum(axis=-1) / total)
    return np.asarray(np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0))


def _p_of_means(apart: Floats, now: Summary, of: Usual, freedom: Floats) -> Floats:
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        own = np.fmax(now.error, of.variance / now.n)
        spread = np.sqrt(own + of.wander + of.error)
        score = np.where(apart == 0, 0.0, np.abs(apart) / spread)
    return np.asarray(2 * stdtr(freedom, -score))


def _p_of_shares(now: Summary, of: Usual, freedom: Floats) -> Floats:
    """By the binomial distribution, with as many trials as make its variance what it is with clusters and wander."""
    from scipy.special import betainc, ndtri, stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((of.mean * of.n + 0.5) / (of.n + 1), 1e-12, 1 - 1e-12)
        own = share * (1 - share) / now.n
        # How much less sure the mean is than that of independent requests.
        clustered = np.where(now.variance > 0, now.error * now.n / now.variance, 1.0)
        trials = share * (1 - share) / (own * np.fmax(clustered, 1.0) + of.wander + of.error)
        hits = now.mean * trials
        more = np.where(hits > 0, betainc(np.fmax(hits, 1e-9), trials - hits + 1, share), 1.0)
        less = np.where(hits < trials, betainc(np.fmax(trials - hits, 1e-9), hits + 1, 1 - share), 1.0)
        tail = np.clip(np.fmin(more, less), 1e-300, 0.5)
    return np.asarray(2 * stdtr(freedom, ndtri(tail)))


def _of_the_last(seen: Booleans) -> Integers:
    """In how many of the last `WINDOWS` windows something was seen, this one included. [question, window]"""
    padded = np.concatenate([np.zeros((*seen.shape[:-1], WINDOWS - 1), dtype=np.int64), seen.astype(np.int64)], axis=-1)
    return np.asarray(sum(padded[..., shift : shift + seen.shape[-1]] for shift in range(WINDOWS)))
