"""The whole reading of an image: every stage in turn, and the way back to the pixels of the image as uploaded."""

import time

from vision.images import check_image, open_picture
from vision.lines import read_lines
from vision.reading import Reading, Text


def read_image(image: bytes) -> Reading:
    """All that can be read on an image. Raises: ImageRefused."""
    started = time.monotonic()
    _, width, height = check_image(image)
    picture = open_picture(image)
    lines = read_lines(picture)
    return Reading(
        width=width,
        height=height,
        text=tuple(Text(line.text, picture.original(line.box), line.confidence) for line in lines),
        seconds=round(time.monotonic() - started, 2),
    )
