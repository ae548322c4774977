"""Where text stands on a picture, and what it says: optical character recognition line by line, on this machine.

Source: PP-OCRv6 (PaddlePaddle), as packed with `rapidocr`, run by OpenVINO.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.found import Line, Picture
from vision.picture.line_mending import mended
from vision.reading import Box

LEAST_CONFIDENCE = 0.5
"""Lines that the recognition is less sure of are noise: pieces of icons and of crossings."""
_LINE_HEIGHT = 48  # pixels; the recognition reads lines of this height
_WIDTH_STEP = 32  # pixels; lines of one width are recognised together, and the engine prepares itself once a width
_FAINT = 0.5
"""Places that the detection is less sure of count only if words are recognised there: most are heads of arrows."""
_one_at_a_time = Lock()  # the engine keeps the state of one request


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The detection and the recognition of text, loaded once a process (about a second)."""
    from rapidocr import EngineType, RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_vertical_padding": False,
            "Det.engine_type": EngineType.OPENVINO,
            "Det.limit_type": "max",  # pictures have the right size already
            "Det.limit_side_len": 2400,
            "Det.box_thresh": 0.3,
            "Cls.engine_type": EngineType.OPENVINO,
            "Rec.engine_type": EngineType.OPENVINO,
            "Rec.rec_img_shape": [3, _LINE_HEIGHT, _LINE_HEIGHT],
        }
    )


def read_lines(picture: Picture) -> list[Line]:
    """The lines of text on a picture, from top to bottom, with boxes in its pixels."""
    corners, certainties, crops = _detect(picture.pixels)
    found = [
        Line(text, _around(place, picture), confidence)
        for place, certainty, (text, confidence) in zip(corners, certainties, recognise(crops), strict=True)
        if confidence >= LEAST_CONFIDENCE and (certainty >= _FAINT or _is_word(text, confidence))
    ]
    return mended(found, picture.pixels)


def recognise(crops: Sequence[NDArray[np.uint8]]) -> list[tuple[str, float]]:
    """The text of small pictures [height, width, 3] (red, green, blue) that hold one line each, with its confidence."""
    prepared = [_prepared(crop) for crop in crops]
    read: list[tuple[str, float]] = [("", 0.0)] * len(prepared)
    for width in sorted({line.shape[1] for line in prepared}):
        places = [place for place, line in enumerate(prepared) if line.shape[1] == width]
        with _one_at_a_time:
            found = _engine().recognize_txt([prepared[place] for place in places])
        for place, text, score in zip(places, found.txts, found.scores, strict=True):
            read[place] = (text.strip(), float(score))
    return read


def _detect(pixels: NDArray[np.uint8]) -> tuple[list[NDArray[np.float32]], list[float], list[NDArray[np.uint8]]]:
    """The corners [4, 2] of the lines on a picture, how sure each is (0 to 1), and each cut out and laid flat."""
    from rapidocr.main import RapidOCRError

    with _one_at_a_time:
        try:
            crops, found = _engine().detect_and_crop(np.ascontiguousarray(pixels[:, :, ::-1]), {})
        except RapidOCRError:  # how it says that there is no text
            return [], [], []
    return list(found.boxes), [float(score) for score in found.scores], [crop[:, :, ::-1] for crop in crops]


def _prepared(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A line in the height that the recognition reads, blue first, filled on the right to a multiple of a width."""
    height, width = crop.shape[:2]
    scaled = max(1, math.ceil(_LINE_HEIGHT * width / height))
    way = cv2.INTER_CUBIC if height < _LINE_HEIGHT else cv2.INTER_AREA
    line = cv2.resize(np.ascontiguousarray(crop[:, :, ::-1]), (scaled, _LINE_HEIGHT), interpolation=way)
    ends = np.concatenate((line[:, 0], line[:, -1]))
    ground = np.median(ends, axis=0).tolist()
    filled = cv2.copyMakeBorder(line, 0, 0, 0, -scaled % _WIDTH_STEP, cv2.BORDER_CONSTANT, value=ground)
    return np.asarray(filled, dtype=np.uint8)


def _is_word(text: str, confidence: float) -> bool:
    letters = "".join(character for character in text if character.isascii() and character.isalnum())
    if letters.isdigit() and text[0] in "([":
        return confidence >= 0.6
    if letters.isdigit() or len(letters) >= 3:
        return confidence >= 0.85
    return len(letters) == 2 and confidence >= 0.98


def _around(corners: NDArray[np.float32], picture: Picture) -> Box:
    """The upright box around four corners, within the picture."""
    height, width = picture.pixels.shape[:2]
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    return max(0, int(left)), max(0, int(top)), min(width, int(right)), min(height, int(bottom))
