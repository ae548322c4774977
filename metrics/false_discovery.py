"""Many tests at once: of those that are called differences, how many may be chance?"""

import numpy as np
from numpy.typing import NDArray


def q_values(p_values: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """The p-values corrected for how many tests stand beside each other along `axis`. NaN stays NaN and is no test.

    If everything with a q-value of at most 0.01 is called a difference, then on average at most 1 % of the calls are
    wrong, also where the tests depend on each other in the same direction. Where nothing differs at all, the chance of
    any call is at most 1 %.
    Source: Benjamini, Hochberg (1995), Controlling the false discovery rate; Benjamini, Yekutieli (2001) on dependence.
    """
    tests = np.moveaxis(np.asarray(p_values, dtype=np.float64), axis, 0)
    known = np.isfinite(tests)
    count = known.sum(axis=0)
    order = np.argsort(np.where(known, tests, np.inf), axis=0)
    rising = np.take_along_axis(np.where(known, tests, 1e300), order, axis=0)
    ranks = np.arange(1, len(tests) + 1).reshape(-1, *[1] * (tests.ndim - 1))
    # From the largest down: a test is at least as sure as any that is less so.
    scaled = np.minimum.accumulate((rising * count / ranks)[::-1], axis=0)[::-1]
    corrected = np.empty_like(tests)
    np.put_along_axis(corrected, order, np.minimum(scaled, 1.0), axis=0)
    return np.moveaxis(np.where(known, corrected, np.nan), 0, axis)
