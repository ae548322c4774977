"""Lines of text that are one name or one phrase: what stands on one row, and rows that follow each other closely."""

import re
from collections.abc import Sequence

from vision.picture.boxes import area, around, gap_across, gap_down, height, middle, share_within, width
from vision.picture.found import Icon, Label, Line, Shape
from vision.picture.lookalikes import without_lookalikes
from vision.reading import Box

_LIST_ITEM = re.compile(r"^\s*[•●▪◦○·–\-—»]\s*")

_UNEVEN = 4  # pixels by which the boxes of lines of one size differ in height


def group_lines(lines: Sequence[Line], shapes: Sequence[Shape], icons: Sequence[Icon]) -> list[Label]:
    """The lines as labels, from top to bottom. Lines in different shapes are never one label."""
    lines = without_lookalikes(lines)
    homes = [innermost(line.box, shapes) for line in lines]
    groups: list[list[Line]] = []
    for home in range(-1, len(shapes)):
        own = [line for line, its in zip(lines, homes, strict=True) if its == home]
        groups += _stacked(_rows(own), icons, 0.3 if home < 0 else 0.6)
    labels = [_label(group) for group in groups]
    return sorted((label for label in labels if label.text), key=lambda label: (label.box[1], label.box[0]))


def innermost(box: Box, shapes: Sequence[Shape]) -> int:
    """The index of the smallest shape that a box lies in, -1 for none."""
    around_it = [index for index, shape in enumerate(shapes) if share_within(box, shape.box) > 0.8]
    seen = [index for index in around_it if not any(_is_behind(shapes[index], shapes[other]) for other in around_it)]
    return min(seen, key=lambda index: area(shapes[index].box), default=-1)


def _is_behind(one: Shape, other: Shape) -> bool:
    """Whether a shape of which only a part shows is half hidden by a rectangle."""
    nested = share_within(one.box, other.box) > 0.8 or share_within(other.box, one.box) > 0.8
    return one.kind == "other" and other.kind == "rectangle" and not nested


def _label(lines: Sequence[Line]) -> Label:
    text = " ".join(line.text.strip() for line in lines)
    return Label(_LIST_ITEM.sub("", text).strip(), around(line.box for line in lines), tuple(lines))


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand side by side, closer than words would be apart, as one row.

    A line that is aligned with one above or below it belongs to that, however close its neighbour at the side.
    """
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda each: each.box[0]):
        for row in rows:
            if _is_next_word(row[-1], line) and not any(_is_in_a_column(each, lines) for each in (row[-1], line)):
                row.append(line)
                break
        else:
            rows.append([line])
    return rows


def _is_next_word(line: Line, right: Line) -> bool:
    size = min(height(line.box), height(right.box))
    level = -gap_down(line.box, right.box) > 0.6 * size and max(height(line.box), height(right.box)) < 1.5 * size
    return level and -0.5 * size < gap_across(line.box, right.box) < 0.5 * size


def _is_in_a_column(line: Line, lines: Sequence[Line]) -> bool:
    size = height(line.box)
    return any(
        other is not line
        and -0.6 * size < gap_down(line.box, other.box) < 0.5 * size
        and abs(middle(line.box)[0] - middle(other.box)[0]) < 0.35 * size
        for other in lines
    )


def _stacked(rows: Sequence[list[Line]], icons: Sequence[Icon], slack: float) -> list[list[Line]]:
    """Rows one under the other that are one text; their heights differ by about the share `slack` at most."""
    groups: list[list[list[Line]]] = []
    for row in sorted(rows, key=lambda each: around(line.box for line in each)[1]):
        box = around(line.box for line in row)
        above = [group for group in groups if _continues(group, row, box, slack) and not _parted(group, box, icons)]
        if above:
            max(above, key=lambda group: _bottom(group)).append(row)
        else:
            groups.append([row])
    return [[line for row in group for line in row] for group in groups]


def _bottom(group: Sequence[Sequence[Line]]) -> int:
    return max(line.box[3] for line in group[-1])


def _continues(group: Sequence[Sequence[Line]], row: Sequence[Line], box: Box, slack: float) -> bool:
    """Whether a row is the next of a text: close under its last row, of its size, and aligned with it."""
    last = around(line.box for line in group[-1])
    size = min(_letters(group[-1]), _letters(row))
    if max(_letters(group[-1]), _letters(row)) > (1 + slack) * size + _UNEVEN or _LIST_ITEM.match(row[0].text):
        return False
    if not -0.6 * size < gap_down(last, box) < 0.55 * size or box[1] <= last[1]:
        return False
    if gap_across(last, box) > -0.5 * min(width(last), width(box)):
        return False
    centred = abs(middle(last)[0] - middle(box)[0]) < max(0.6 * size, 0.08 * max(width(last), width(box)))
    return centred or abs(last[0] - box[0]) < 0.9 * size or abs(last[2] - box[2]) < 0.5 * size


def _parted(group: Sequence[Sequence[Line]], box: Box, icons: Sequence[Icon]) -> bool:
    """Whether only one of two rows is part of an icon."""
    last = around(line.box for line in group[-1])
    return any((share_within(last, icon.box) > 0.4) != (share_within(box, icon.box) > 0.4) for icon in icons)


def _letters(row: Sequence[Line]) -> float:
    """The height of a row's letters in pixels."""
    return sum(height(line.box) for line in row) / len(row)
