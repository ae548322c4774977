"""Which label names which icon: the one below it, else beside it or above it."""

from collections.abc import Sequence

from vision.picture.boxes import gap_across, gap_down, height, middle, width
from vision.picture.found import Icon, Label
from vision.reading import Box


def match_captions(labels: Sequence[Label], icons: Sequence[Icon]) -> dict[int, int]:
    """The index of the icon that each label (by its index) names; each icon has one name."""
    offers = [
        (cost, number, index)
        for number, label in enumerate(labels)
        for index, icon in enumerate(icons)
        if (cost := caption_cost(label, icon.box)) is not None
    ]
    matched: dict[int, int] = {}
    for _, number, index in sorted(offers):
        if number not in matched and index not in matched.values():
            matched[number] = index
    return matched


def caption_cost(label: Label, icon: Box) -> float | None:
    """How ill a label suits as the name of what is drawn at a place: 0 just below it, None where it cannot be."""
    size = height(label.lines[0].box)
    if is_below(label, icon):
        return max(0, gap_down(icon, label.box)) / size
    off = abs(middle(label.box)[1] - middle(icon)[1])
    beside = gap_across(icon, label.box)
    if off < 0.5 * height(icon) and -0.3 * size < beside < 1.2 * size and label.box[0] > middle(icon)[0]:
        return 1.5 + beside / size + off / size
    if is_below(Label(label.text, _mirrored(label.box, icon), label.lines), icon):
        return 2.5 + max(0, gap_down(icon, label.box)) / size
    return None


def is_below(label: Label, icon: Box) -> bool:
    """Whether a label stands centred right below a place."""
    size = height(label.lines[0].box)
    off = abs(middle(label.box)[0] - middle(icon)[0])
    near = -0.6 * size < label.box[1] - icon[3] < 1.7 * size
    return near and off < max(0.22 * width(icon), 0.15 * width(label.box), 0.5 * size)


def _mirrored(box: Box, icon: Box) -> Box:
    """A box above an icon put as far below it."""
    top = icon[1] + icon[3] - box[3]
    return box[0], top, box[2], top + height(box)
