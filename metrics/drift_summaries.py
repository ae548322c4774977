"""What a window of time says of a column in four numbers, with bursts of one requester held back.

Drift is told of the traffic, not of a person: who sends far more than usual counts little more than usual, and what
the requests of one requester have in common makes an average less certain, not more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_SHARE = 0.05
"""Of a window's requests that any requester may count with."""
TIMES_USUAL = 2.0
"""A requester may count with so many times the share that it usually has, where that is more."""
LEAST_REQUESTERS = 10
"""From so many on, what a requester's requests have in common can be told from chance."""


@dataclass(frozen=True)
class Summary:
    """The values of windows, arrays of one shape: a cell for each window, all 0 where it has none.

    n: how many values of equal weight tell as much (Kish). mean. variance: of the single values. error: the variance of
    the mean, which is more than variance / n where requests come in clusters.
    """

    n: Floats
    mean: Floats
    variance: Floats
    error: Floats

    def at(self, places: Integers) -> "Summary":
        """The windows at some places of a one-dimensional summary; nothing where the place is negative."""
        kept = places >= 0
        parts = (self.n, self.mean, self.variance, self.error)
        if not len(self.n):
            return Summary(*(np.zeros(places.shape) for _ in parts))
        return Summary(*(np.where(kept, part[np.where(kept, places, 0)], 0.0) for part in parts))


def summarise(
    windows: Integers,
    values: Floats,
    count: int,
    *,
    weights: Floats | None = None,
    requesters: Integers | None = None,
    usual_shares: Floats | None = None,
) -> Summary:
    """The summaries of `count` windows. [count]

    Args:
        windows: the window of each value, from 0 to count - 1. [n]
        values: NaN for none. [n]
        weights: for how many requests each stands. All 1 unless given. [n]
        requesters: a number from 0 on for who sent it, -1 for nobody knows: then it belongs to nobody else's. [n]
        usual_shares: of each requester among all requests, 0 to 1. Without, nobody has a usual share. [requesters]

    Source of `error`: Liang, Zeger (1986), with the factor G / (G - 1) for G clusters.
    """
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    kept = np.isfinite(values) & (weight > 0)
    windows, values, weight = windows[kept], values[kept], weight[kept]
    owners = None if requesters is None else requesters[kept]
    clusters = None if owners is None else _clusters(windows, owners)
    if clusters is not None and owners is not None:
        weight = weight * _held_back(windows, weight, clusters, owners, count, usual_shares)
    total = np.bincount(windows, weight, count)
    squares = np.bincount(windows, weight**2, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.where(squares > 0, total**2 / squares, 0.0)
        mean = np.where(total > 0, np.bincount(windows, weight * values, count) / total, 0.0)
        apart = weight * (values - mean[windows])
        spread = np.bincount(windows, apart * (values - mean[windows]), count) / total
        variance = np.where(n > 1, spread * n / (n - 1), 0.0)
        error = np.where(n > 1, variance / n, 0.0)
        if clusters is not None:
            clustered = _clustered_error(windows, apart, clusters, count) / total**2
            error = np.where(n > 1, np.fmax(error, clustered), 0.0)
    return Summary(n, mean, variance, error)


def combined(parts: Summary, axis: int = -1) -> Summary:
    """Several windows as one: the windows of an axis, which goes."""
    n = parts.n.sum(axis=axis)
    safe = np.where(n > 0, n, 1.0)
    mean = (parts.n * parts.mean).sum(axis=axis) / safe
    between = (parts.mean - np.expand_dims(mean, axis)) ** 2
    variance = (parts.n * (parts.variance + between)).sum(axis=axis) / safe
    error = (parts.n**2 * parts.error).sum(axis=axis) / safe**2
    return Summary(n, mean, np.where(n > 0, variance, 0.0), error)


@dataclass(frozen=True)
class _Clusters:
    """Who sent what when: each pair of a window and a requester is a cluster."""

    of: Integers
    """The cluster of each value; -1 for a value that nobody is known to have sent. [n]"""
    window: Integers
    owner: Integers


def _clusters(windows: Integers, owners: Integers) -> _Clusters:
    people = int(owners.max(initial=0)) + 1
    keys = np.where(owners >= 0, windows * people + owners, -1)
    names, of = np.unique(keys, return_inverse=True)
    of = of.reshape(-1)
    if len(names) and names[0] < 0:
        names, of = names[1:], of - 1
    return _Clusters(of, names // people, names % people)


def _held_back(
    windows: Integers,
    weight: Floats,
    clusters: _Clusters,
    owners: Integers,
    count: int,
    usual_shares: Floats | None,
) -> Floats:
    """By what each value's weight is multiplied, so that its requester counts with no more than it may. [n]"""
    known = owners >= 0
    sent = np.bincount(clusters.of[known], weight[known], len(clusters.window))
    usual = np.zeros(len(clusters.window)) if usual_shares is None else usual_shares[clusters.owner]
    most = np.maximum(LEAST_SHARE, TIMES_USUAL * usual) * np.bincount(windows, weight, count)[clusters.window]
    factors = np.ones(len(weight))
    factors[known] = np.minimum(1.0, most / np.maximum(sent, 1e-300))[clusters.of[known]]
    return factors


def _clustered_error(windows: Integers, apart: Floats, clusters: _Clusters, count: int) -> Floats:
    """The squared sums of what a requester's values have in common, for each window; 0 with few requesters. [count]"""
    alone = clusters.of < 0
    sums = np.bincount(clusters.of[~alone], apart[~alone], len(clusters.window))
    squares = np.bincount(clusters.window, sums**2, count) + np.bincount(windows[alone], apart[alone] ** 2, count)
    people = np.bincount(clusters.window, minlength=count) + np.bincount(windows[alone], minlength=count)
    correction = people / np.maximum(people - 1, 1)
    return np.asarray(np.where(people >= LEAST_REQUESTERS, squares * correction, 0.0))
