"""Thickening and thinning of pictures of 0 and 1 by rectangles (mathematical morphology, Serra 1982)."""

import cv2
import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint8]


def closed(bits: Bits, across: int, down: int) -> Bits:
    """Without the gaps that are narrower than `across` pixels or lower than `down`."""
    return np.asarray(cv2.morphologyEx(bits, cv2.MORPH_CLOSE, np.ones((down, across), np.uint8)), dtype=np.uint8)


def opened(bits: Bits, across: int, down: int) -> Bits:
    """Without what is narrower than `across` pixels or lower than `down`."""
    return np.asarray(cv2.morphologyEx(bits, cv2.MORPH_OPEN, np.ones((down, across), np.uint8)), dtype=np.uint8)


def widened(bits: Bits, size: int) -> Bits:
    """Everything thicker by `size` // 2 pixels at each side."""
    return np.asarray(cv2.dilate(bits, np.ones((size, size), np.uint8)), dtype=np.uint8)
