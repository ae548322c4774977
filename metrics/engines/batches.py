"""How texts are put together so that a model wastes little work on padding."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def batches_by_tokens(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Groups positions of `lengths` so that (texts in the group) x (longest of them) stays within `budget` tokens.

    Longest first, so that memory peaks at the start and not at the end. A text longer than the budget stands alone:
    nothing is cut. Positions of length 0 are left out.
    """
    order = np.argsort(np.asarray(lengths, dtype=np.int64), kind="stable")[::-1]
    group: list[int] = []
    for position in order.tolist():
        if lengths[position] == 0:
            break
        if group and (len(group) + 1) * lengths[group[0]] > budget:
            yield group
            group = []
        group.append(position)
    if group:
        yield group


def padded(rows: Sequence[NDArray[np.int32]], filler: int) -> NDArray[np.int32]:
    """Rows of different lengths as one array [rows, longest], filled up on the right."""
    table = np.full((len(rows), max(len(row) for row in rows)), filler, dtype=np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
