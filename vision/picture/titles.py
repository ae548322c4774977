"""Which of the texts in a region is its title."""

from collections.abc import Sequence

from vision.picture.boxes import height, middle, share_within, width
from vision.picture.captions import is_below
from vision.picture.found import Icon, Label
from vision.reading import Box


def best_title(box: Box, labels: Sequence[Label], icons: Sequence[Icon]) -> Label | None:
    """The label that names a region: large, at its upper or lower end, no caption of an icon. None where none suits."""
    if not labels:
        return None
    sizes = sorted(_size(label) for label in labels)
    usual = sizes[len(sizes) // 2]
    scored = [(_score(label, box, icons, usual), -number, label) for number, label in enumerate(labels)]
    score, _, title = max(scored, key=lambda entry: entry[:2])
    return title if score > 0.9 else None


def _score(label: Label, box: Box, icons: Sequence[Icon], usual: float) -> float:
    size = _size(label)
    at_top = label.box[1] - box[1] < 2.2 * size
    at_bottom = box[3] - label.box[3] < 2.2 * size
    score = 1.2 if at_top else 0.9 if at_bottom else -1.0
    score += min(0.6, 2.0 * (size / usual - 1))
    if label.box[0] - box[0] < 2 * size or abs(middle(label.box)[0] - middle(box)[0]) < 0.06 * width(box):
        score += 0.4
    if any(is_below(label, icon.box) and width(label.box) < 2.2 * width(icon.box) for icon in icons):
        score -= 0.8
    if any(share_within(label.box, icon.box) > 0.5 for icon in icons):
        score -= 2.0
    return score


def _size(label: Label) -> float:
    return sum(height(line.box) for line in label.lines) / len(label.lines)
