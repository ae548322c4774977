"""Several tests looked at together: how sure is each, when one of many is unusual by chance alone?"""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number, in the same order; None stays None and counts as no test.

    If every result whose corrected value is at most 0.05 is called a difference, then the chance of one wrong call
    among all of them is at most 5 %. Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(value * (len(known) - rank), 1.0))
        corrected[place] = highest
    return corrected
