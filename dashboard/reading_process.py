"""The process that reads images for the dashboard: `python -m dashboard.reading_process`, started by it when needed.

Images of strangers are decoded here, and what reads them is loaded here: the dashboard stays small, and an image that
is too much for this process takes nothing else with it. It takes frames (`write_frame`) at its standard input: an order
(`read` or `keep`) and an image; and gives two for each image: what became of it as JSON, and the image to keep.
"""

import json
import os
import struct
import sys
from typing import IO, Any

READ, KEEP = b"read", b"keep"
"""Orders: read an image and make the copy to keep, or only make the copy."""
KEPT_SIDE = 3_000
"""Pixels that the longer side of a kept image has at most."""
_LENGTH = struct.Struct(">I")
_QUIETLY = 5
"""How much this process stands back for the pages (as `nice` counts)."""


def write_frame(stream: IO[bytes], data: bytes) -> None:
    """Send `data` with its length before it. Raises: OSError, if nobody listens any more."""
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes:
    """The next frame. Raises: EOFError, if the other side has ended."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, length)


def answer_to(order: bytes, image: bytes) -> tuple[dict[str, Any], bytes]:
    """What became of an image (`refused` with a sentence, or `reading` and `media_type`), and the copy to keep."""
    from vision.errors import VisionError
    from vision.images import without_metadata

    try:
        kept, media_type = without_metadata(image, longest_side=KEPT_SIDE)
        reading = None
        if order == READ:
            from vision.picture.reader import read_image

            reading = read_image(image).as_dict()
    except VisionError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": "The image takes more memory than there is: export it smaller."}, b""
    return {"media_type": media_type, "reading": reading}, kept


def main() -> None:
    """Read images until the dashboard ends."""
    os.nice(_QUIETLY)
    orders = sys.stdin.buffer
    # What a library prints must not get between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            order, image = read_frame(orders), read_frame(orders)
        except EOFError:
            return
        about, kept = answer_to(order, image)
        write_frame(answers, json.dumps(about).encode())
        write_frame(answers, kept)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


if __name__ == "__main__":
    main()
