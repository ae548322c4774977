"""Scores that spread over orders of magnitude, compared by how many times as large one is as the other."""

import math
from dataclasses import dataclass

import numpy as np

from metrics.comparison import Moments, compare
from metrics.distributions import Distribution


@dataclass(frozen=True)
class RatioComparison:
    """Two geometric means and their ratio, b over a, with its 95 % interval (None where a side is too small).

    effect_size: Cohen's d of the logarithms.
    """

    mean_a: float
    mean_b: float
    ratio: float
    low: float | None
    high: float | None
    p_value: float | None
    effect_size: float | None
    test: str = "Welch's t-test of the logarithms"


def log_moments(of: Distribution, n: int) -> Moments:
    """The moments of the natural logarithms of n positive values.

    The middle of a bucket stands for its values, which moves the mean of the logarithms by less than 0.01.
    Raises: ValueError, if a value is not above 0.
    """
    if n <= 0 or not len(of.weight):
        return Moments(0, math.nan, math.nan)
    if not of.positive:
        raise ValueError("A ratio needs values above 0, and some of these are not.")
    logs = (np.log(of.lower) + np.log(of.upper)) / 2
    mean = float(np.average(logs, weights=of.weight))
    kish = None if of.size == n else of.size
    if of.size <= 1:
        return Moments(n, mean, math.nan, kish)
    spread = float(np.average((logs - mean) ** 2, weights=of.weight))
    return Moments(n, mean, spread * of.size / (of.size - 1), kish)


def compare_ratio(a: Moments, b: Moments) -> RatioComparison:
    """The ratio of the geometric means of two independent samples, given by the moments of their logarithms."""
    logs = compare(a, b)
    return RatioComparison(
        math.exp(logs.mean_a),
        math.exp(logs.mean_b),
        math.exp(logs.difference),
        None if logs.low is None else math.exp(logs.low),
        None if logs.high is None else math.exp(logs.high),
        logs.p_value,
        logs.effect_size,
    )
