"""Where text stands on a picture, and what it says: optical character recognition line by line, on this machine.

Source: PP-OCRv6 (PaddlePaddle), as packed with `rapidocr`, run by OpenVINO.
"""

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.found import Line, Picture
from vision.reading import Box

LEAST_CONFIDENCE = 0.5
"""Lines that the recognition is less sure of are noise: pieces of icons and of line crossings."""

_LONGEST_SIDE = 2400  # pixels; pictures are smaller, so that nothing is scaled a second time
_one_at_a_time = Lock()  # the engine keeps the state of one request


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The detection and the recognition of text, loaded once a process (about a second)."""
    from rapidocr import EngineType, RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_cls": False,  # nothing on a diagram stands upside down
            "Global.text_score": LEAST_CONFIDENCE,
            "Global.max_side_len": _LONGEST_SIDE,
            "Det.engine_type": EngineType.OPENVINO,
            "Cls.engine_type": EngineType.OPENVINO,
            "Rec.engine_type": EngineType.OPENVINO,
        }
    )


def read_lines(picture: Picture) -> list[Line]:
    """The lines of text on a picture, from top to bottom, with boxes in its pixels."""
    with _one_at_a_time:
        found = _engine()(picture.pixels[:, :, ::-1].copy())
    if found.boxes is None:
        return []
    return [
        Line(text.strip(), _around(corners, picture), float(score))
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        if text.strip()
    ]


def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[tuple[str, float]]:
    """The text of small pictures [height, width, 3] (red, green, blue) that hold one line each, with its confidence."""
    if not crops:
        return []
    with _one_at_a_time:
        found = _engine().recognize_txt([crop[:, :, ::-1].copy() for crop in crops])
    return [(text.strip(), float(score)) for text, score in zip(found.txts, found.scores, strict=True)]


def _around(corners: NDArray[np.float32], picture: Picture) -> Box:
    """The upright box around four corners, within the picture."""
    height, width = picture.pixels.shape[:2]
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))
