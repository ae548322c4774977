"""Which pixels of a picture are drawn lines: thin strokes that stand out from what is around them."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.reading import Box

Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

LEAST_CONTRAST = 32
"""Of 255, in one channel: paper grain, grid paper and JPEG's rings are below it, pale lines above."""
CLEAR_CONTRAST = 48
"""A stroke reaches it somewhere along its length."""
SHARE_OF_CONTRAST = 0.4
"""Of the strongest contrast next to a pixel: cuts off the soft rim that scaling gives a line."""


def widest_stroke(picture: Pixels | Mask) -> int:
    """Side in pixels of the square that is laid over strokes: lines and the heads of arrows are narrower, areas not."""
    return int(max(picture.shape[:2]) / 62) | 1


def stroke_contrast(picture: Pixels) -> NDArray[np.uint8]:
    """How much each pixel stands out as part of something narrow, 0 to 255 [height, width].

    Strokes are darker than what is around them, or lighter where the picture as a whole is dark. Source: the
    black-hat and top-hat transforms of mathematical morphology (Serra 1982).
    """
    size = widest_stroke(picture)
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    dark_theme = float(np.median(picture)) < 110
    kind = cv2.MORPH_TOPHAT if dark_theme else cv2.MORPH_BLACKHAT
    return np.asarray(cv2.morphologyEx(picture, kind, square).max(axis=2), dtype=np.uint8)


def stroke_mask(picture: Pixels) -> Mask:
    """The pixels of lines, outlines, heads and whatever else is narrow [height, width]."""
    contrast = stroke_contrast(picture)
    around = cv2.dilate(contrast, np.ones((7, 7), np.uint8))
    mask = (contrast >= LEAST_CONTRAST) & (contrast >= SHARE_OF_CONTRAST * around)
    count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    clear = np.zeros(count, dtype=np.bool_)
    clear[pieces[mask & (contrast >= CLEAR_CONTRAST)]] = True
    return np.asarray(clear[pieces] & mask, dtype=np.bool_)


def filled(mask: Mask, largest: int) -> Mask:
    """The mask without small round holes: heads that are drawn as an outline become solid ones."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    wide, high, size = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_AREA]
    round_ones = (wide <= largest) & (high <= largest) & (wide < 2.5 * high) & (high < 2.5 * wide)
    hole = round_ones & (size >= 6) & (size >= 0.3 * wide * high)
    hole[0] = False
    return np.asarray(mask | hole[pieces], dtype=np.bool_)


def boxes_mask(shape: tuple[int, ...], boxes: Iterable[Box], margin: int = 0) -> Mask:
    """True inside any of the boxes, each grown by `margin` pixels (shrunk where it is negative)."""
    mask = np.zeros(shape, dtype=np.bool_)
    for left, top, right, bottom in boxes:
        mask[max(top - margin, 0) : max(bottom + margin, 0), max(left - margin, 0) : max(right + margin, 0)] = True
    return mask
