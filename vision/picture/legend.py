"""The legend of a diagram: what its colours and kinds of lines mean, told by samples beside short texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.boxes import area, around, gap_across, gap_down, height, middle, share_within, width
from vision.picture.found import Icon, Label, Picture, Shape
from vision.picture.line_ink import Mask
from vision.reading import Box, LegendEntry, Style

_TITLE = re.compile(r"(legend|legende|key)\s*:?", re.IGNORECASE)
_LONGEST_SAMPLE = 7.0
"""Times the height of the text: a longer line is a line of the diagram."""
_ALIGNED = 14
"""Pixels of the picture."""


@dataclass(frozen=True)
class _Sample:
    """A piece of line, a patch of colour or a sign that stands before a text."""

    label: Label
    box: Box
    color: str
    style: Style

    @property
    def entry(self) -> LegendEntry:
        return LegendEntry(self.label.text, self.color, self.style, around([self.box, self.label.box]))


def read_legend(
    picture: Picture, labels: Sequence[Label], shapes: Sequence[Shape], icons: Sequence[Icon]
) -> tuple[list[LegendEntry], list[Label]]:
    """The entries of the legend, in pixels of the picture, and the labels that are none of it.

    A legend is two or more texts in a column or a row with a sample before each, or what stands at the word "Legend".
    """
    titles = [label for label in labels if _TITLE.fullmatch(label.text.strip())]
    pieces = _Pieces.of(picture.strokes)
    samples = [s for s in (_sample(label, picture, pieces, shapes) for label in labels) if s is not None]
    found = [s for s in samples if any(_together(s, other) for other in samples) or _near(s.label, titles)]
    if found:
        found += _signs(found, labels, icons, picture.pixels)
    found += _patches_at(titles, labels, shapes, [s.label for s in found])
    taken = {id(s.label) for s in found} | ({id(title) for title in titles} if found else set())
    found.sort(key=lambda s: (s.box[1], s.box[0]))
    return [s.entry for s in found], [label for label in labels if id(label) not in taken]


@dataclass(frozen=True)
class _Pieces:
    """The connected pieces of ink of a picture."""

    numbers: NDArray[np.int32]
    boxes: NDArray[np.int32]
    """[n, 4]: left, top, right, bottom."""

    @classmethod
    def of(cls, ink: Mask) -> "_Pieces":
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
        corners = stats[:, :2]
        return cls(np.asarray(numbers, np.int32), np.hstack([corners, corners + stats[:, 2:4]]).astype(np.int32))


def _sample(label: Label, picture: Picture, pieces: _Pieces, shapes: Sequence[Shape]) -> _Sample | None:
    """What stands before a label of one line, if it looks like the sample of a legend."""
    tall = height(label.lines[0].box) if label.lines else height(label.box)
    if width(label.box) > 25 * tall or any(_frames(shape, label) for shape in shapes):
        return None
    line = _line_before(label, tall, pieces)
    if line is not None:
        numbers, box = line
        style: Style = "dashed" if len(numbers) >= 3 else "solid"
        ink = np.isin(pieces.numbers[box[1] : box[3], box[0] : box[2]], numbers)
        return _Sample(label, box, _color(picture.pixels[box[1] : box[3], box[0] : box[2]][ink]), style)
    for shape in shapes:
        gap = label.box[0] - shape.box[2]
        level = abs(middle(shape.box)[1] - middle(label.box)[1]) < 0.5 * tall
        small = height(shape.box) < 2.2 * tall and width(shape.box) < 4 * tall
        if 0 <= gap < 2 * tall and level and small and shape.fill:
            return _Sample(label, shape.box, shape.fill, "solid")
    return _patch_before(label, tall, picture.pixels)


def _frames(shape: Shape, label: Label) -> bool:
    """Whether a label is the text of a shape, and not just one of many things in it."""
    return share_within(label.box, shape.box) > 0.9 and area(shape.box) < 10 * area(label.box)


def _line_before(label: Label, tall: int, pieces: _Pieces) -> tuple[NDArray[np.int32], Box] | None:
    """The pieces of ink of a short level line that ends a little before a label, and nothing else beside it."""
    left, top, _, bottom = label.box
    first = max(int(left - _LONGEST_SAMPLE * tall), 0)
    numbers = np.unique(pieces.numbers[top:bottom, first : max(left - 2, 0)])
    numbers = numbers[numbers > 0]
    if not 1 <= len(numbers) <= 14:
        return None
    boxes = pieces.boxes[numbers]
    # only what is level with the text and ends close to it, one piece after the other
    order = np.argsort(-boxes[:, 2])
    chosen: list[int] = []
    edge = left
    for index in order:
        if edge - boxes[index, 2] > (2.2 if not chosen else 1.0) * tall:
            break
        chosen.append(int(index))
        edge = min(edge, int(boxes[index, 0]))
    if not chosen:
        return None
    box = around([tuple(int(side) for side in boxes[index]) for index in chosen])  # type: ignore[misc]
    long_enough = width(box) >= 1.3 * tall and width(box) >= 2.2 * height(box)
    if not long_enough or box[0] <= first or height(box) > 1.1 * tall:
        return None
    if abs(middle(box)[1] - (top + bottom) / 2) > 0.4 * tall:
        return None
    return numbers[chosen], box


def _patch_before(label: Label, tall: int, pixels: NDArray[np.uint8]) -> _Sample | None:
    """A small even patch of colour right before a label."""
    left, top, _, bottom = label.box
    level = (top + bottom) // 2
    start = max(left - 4 * tall, 0)
    row = pixels[level, start : max(left - 2, 0)].astype(int)
    if len(row) < tall:
        return None
    ground = np.median(
        np.concatenate([pixels[max(top - 3, 0), start:left], pixels[bottom % len(pixels), start:left]]), axis=0
    )
    behind_text = np.median(pixels[max(top - 3, 0), left : label.box[2]], axis=0)
    if np.abs(behind_text - ground).max() > 20:
        return None
    differs = np.abs(row - ground).max(axis=1) > 24
    runs = np.flatnonzero(np.diff(np.concatenate([[0], differs.astype(np.int8), [0]])))
    if len(runs) != 2 or not 0.6 * tall <= runs[1] - runs[0] <= 3.2 * tall:
        return None
    patch = pixels[level - tall // 4 : level + tall // 4, start + runs[0] + 3 : start + runs[1] - 3].astype(int)
    if not patch.size or float(np.abs(patch - np.median(patch, axis=(0, 1))).mean()) > 6:
        return None
    box = (start + int(runs[0]), level - tall // 2, start + int(runs[1]), level + tall // 2)
    return _Sample(label, box, _color(patch.reshape(-1, 3)), "solid")


def _together(one: _Sample, other: _Sample) -> bool:
    """Whether two samples stand in one column or one row of a legend."""
    if one is other:
        return False
    tall = max(height(one.label.box), height(other.label.box))
    column = abs(one.box[0] - other.box[0]) < _ALIGNED or abs(one.label.box[0] - other.label.box[0]) < _ALIGNED
    row = abs(middle(one.box)[1] - middle(other.box)[1]) < 0.5 * tall
    near_below = gap_down(one.label.box, other.label.box) < 3.5 * tall
    beside = gap_across(around([one.box, one.label.box]), around([other.box, other.label.box])) < 12 * tall
    return (column and near_below) or (row and beside)


def _near(label: Label, titles: Sequence[Label]) -> bool:
    """Whether a label stands below or beside the word that heads a legend."""
    tall = 8 * height(label.box)
    return any(gap_down(t.box, label.box) < tall and gap_across(t.box, label.box) < 2 * tall for t in titles)


def _signs(
    found: Sequence[_Sample], labels: Sequence[Label], icons: Sequence[Icon], pixels: NDArray[np.uint8]
) -> list[_Sample]:
    """Icons with a text beside them, in the column of a legend's texts."""
    signs = []
    for label in labels:
        if any(label is s.label for s in found):
            continue
        tall = height(label.lines[0].box) if label.lines else height(label.box)
        column = [s for s in found if abs(s.label.box[0] - label.box[0]) < _ALIGNED]
        if not any(gap_down(s.label.box, label.box) < 2.5 * tall for s in column):
            continue
        for icon in icons:
            if 0 <= label.box[0] - icon.box[2] < 4 * tall and abs(middle(icon.box)[1] - middle(label.box)[1]) < tall:
                left, top, right, bottom = icon.box
                inside = pixels[top:bottom, left:right].reshape(-1, 3).astype(int)
                ground = np.median(inside, axis=0)
                ink = inside[np.abs(inside - ground).max(axis=1) > 60]
                signs.append(_Sample(label, icon.box, _color(ink if len(ink) else inside), "solid"))
                break
    return signs


def _patches_at(
    titles: Sequence[Label], labels: Sequence[Label], shapes: Sequence[Shape], taken: Sequence[Label]
) -> list[_Sample]:
    """Texts on patches of colour that stand in a row or a column with the title of a legend."""
    found = []
    for title in titles:
        reach = title.box
        inside = [(s, label) for label in labels for s in shapes if s.fill and _frames(s, label) and label is not title]
        inside.sort(key=lambda pair: abs(pair[0].box[0] - title.box[0]) + abs(pair[0].box[1] - title.box[1]))
        for shape, label in inside:
            tall = height(title.box)
            beside = gap_down(shape.box, title.box) < 0 and gap_across(shape.box, reach) < 3 * tall
            below = gap_across(shape.box, title.box) < 0 and gap_down(shape.box, reach) < 2 * tall
            if (beside or below) and not any(label is other for other in taken):
                found.append(_Sample(label, shape.box, shape.fill or "#000000", "solid"))
                reach = around([reach, shape.box])
    return [sample for number, sample in enumerate(found) if all(sample.label is not s.label for s in found[:number])]


def _color(pixels: NDArray[np.integer]) -> str:
    """The middle colour of the half of the pixels that stands out most from their mean, as `#rrggbb`."""
    values = pixels.reshape(-1, 3).astype(float)
    dark = values.sum(axis=1) <= np.median(values.sum(axis=1))
    return "#" + "".join(f"{round(part):02x}" for part in np.median(values[dark], axis=0))
