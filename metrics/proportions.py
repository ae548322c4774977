"""Shares of counts with how sure they are."""

import math

from metrics.normal import Z_95


def wilson_interval(hits: float, n: float) -> tuple[float, float]:
    """The 95 % interval (0 to 1) of a share of which `hits` of `n` were seen; 0 to 1 where nothing was.

    n: how many, or the effective number where they weigh differently. It is sensible for small n and for shares of 0
    and 1, where the usual interval has no width.
    Raises: ValueError, for hits below 0 or above n. Source: Wilson (1927), Probable Inference.
    """
    if not 0 <= hits <= n * (1 + 1e-9):
        raise ValueError(f"{hits} of {n} is no share.")
    if n <= 0:
        return 0.0, 1.0
    share = min(hits / n, 1.0)
    centre = share + Z_95 * Z_95 / (2 * n)
    spread = Z_95 * math.sqrt(share * (1 - share) / n + Z_95 * Z_95 / (4 * n * n))
    scale = 1 + Z_95 * Z_95 / n
    # Rounding would leave a trace where the end is 0 or 1 exactly.
    low = 0.0 if share == 0 else max((centre - spread) / scale, 0.0)
    high = 1.0 if share == 1 else min((centre + spread) / scale, 1.0)
    return low, high
