"""Lines of text that are more likely drawings which look like letters: bars read as "Do", a lambda as an ideogram."""

from collections.abc import Sequence
from statistics import median

from vision.picture.boxes import height
from vision.picture.found import Line

_SHORT = 3
"""Characters of a line that a drawing may be taken for."""
_SURE = 0.8
"""Confidence from which a short line of usual height is text."""
_TALL, _HUGE = 1.8, 3.2
"""Times the usual height of lines above which a short one is doubtful, and none."""


def without_lookalikes(lines: Sequence[Line]) -> list[Line]:
    """The lines without those that are likely part of a drawing."""
    usual = median(height(line.box) for line in lines) if lines else 0.0
    plain = sum(line.text.isascii() for line in lines) > 0.8 * len(lines)
    return [line for line in lines if not _is_lookalike(line, usual, plain)]


def _is_lookalike(line: Line, usual: float, plain: bool) -> bool:
    if len(line.text) > _SHORT:
        return False
    if len(line.text) == 1 and plain and not line.text.isascii():
        return True
    if height(line.box) > _HUGE * usual:
        return True
    return line.confidence < (0.97 if height(line.box) > _TALL * usual else _SURE)
