"""Images that strangers upload: what they are by their first bytes, whether they may be read, and the picture to read.

Nothing is decoded before its kind and its size in pixels are known to be allowed.
"""

import io
import re
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from vision.errors import ImageRefused
from vision.picture.found import Picture

MediaType = Literal["image/png", "image/jpeg"]

MOST_BYTES = 200_000_000
"""200 MB, as people count them."""
MOST_PIXELS = 50_000_000
"""An image of this size takes about 400 MB while it is opened."""
MOST_SCANS = 100
"""Passes over the pixels that a progressive JPEG may ask for: programs write about ten."""
MOST_SEGMENTS = 20_000
"""Segments of a JPEG, which have up to 64 kB: 200 MB of full ones are 3,000."""
LEAST_SIDE = 16
"""Pixels: a smaller image cannot hold a readable text."""
MOST_STRETCHED = 50
"""Times the short side that the long one may have: a longer image has no readable text once it is reduced."""
LARGE_PNG = 4_000_000
"""Bytes from which a PNG made here is written as JPEG: it is a photograph or a scan, and several times smaller so."""
SHORT, LONG = 1600, 2200
"""The long side of a picture in pixels: smaller images are enlarged, larger ones reduced."""
MOST_ENLARGED = 4.0

_READABLE_ON_WHITE, _HARDLY_ANY = 160, 0.02  # grey level; part of the pixels that are not transparent
_SAMPLE = 1000  # pixels of the long side of what is looked at to choose a ground

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_OTHER_KINDS = (
    (b"GIF8", 0, "a GIF"),
    (b"WEBP", 8, "a WebP"),
    (b"BM", 0, "a BMP"),
    (b"II*\0", 0, "a TIFF"),
    (b"MM\0*", 0, "a TIFF"),
    (b"%PDF", 0, "a PDF"),
    (b"ftyphei", 4, "a HEIC"),
    (b"ftypavif", 4, "an AVIF"),
    (b"PK\x03\x04", 0, "a ZIP or Office"),
)
_ORIENTATION = 0x0112  # the number of an EXIF field
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # what begins a segment of a JPEG: not a byte of coded pixels
_START_OF_SCAN, _END_OF_IMAGE, _WITHOUT_LENGTH = 0xDA, 0xD9, (0x01, 0xD8)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error, zlib.error)


def check_image(data: bytes) -> tuple[MediaType, int, int]:
    """The media type of an image by its first bytes, and its width and height in pixels as it is shown.

    Raises: ImageRefused for anything but a PNG or JPEG that may be read; nothing but its head is read.
    """
    image = _opened(data)
    width, height = image.size
    if isinstance(image, PngImageFile):
        return "image/png", width, height
    return ("image/jpeg", height, width) if _is_on_its_side(image) else ("image/jpeg", width, height)


def open_picture(data: bytes) -> Picture:
    """The picture of an uploaded image, upright, flattened on a ground that its own colours stand out from.

    Raises: ImageRefused.
    """
    _, width, height = check_image(data)
    longest = max(width, height)
    scale = min(SHORT / longest, MOST_ENLARGED) if longest < SHORT else min(LONG / longest, 1.0)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = _decoded(data, (LONG, LONG))
    ground = _ground(image)
    return Picture(np.asarray(_on(ground, image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))), scale)


def without_metadata(data: bytes, longest_side: int | None = None) -> tuple[bytes, MediaType]:
    """The same picture encoded anew, upright, without transparency, EXIF and other metadata.

    It is reduced to the longest side where one is given. A PNG that is large becomes a JPEG. Raises: ImageRefused.
    """
    image = _decoded(data)
    ground = _ground(image)
    if longest_side is not None:
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    image = _on(ground, image)
    image.info.clear()
    written = io.BytesIO()
    if data.startswith(_PNG):
        image.save(written, "PNG")
        if written.tell() <= LARGE_PNG:
            return written.getvalue(), "image/png"
        written = io.BytesIO()
    # Colours at full resolution: thin coloured lines stay what they are.
    image.save(written, "JPEG", quality=92, subsampling=0)
    return written.getvalue(), "image/jpeg"


def opaque(image: Image.Image) -> Image.Image:
    """The image in RGB, flattened as the reader sees it."""
    return _on(_ground(image), image)


def _opened(data: bytes) -> Image.Image:
    """An image of an allowed kind and size, not decoded yet."""
    if len(data) > MOST_BYTES:
        raise ImageRefused(f"The image has {len(data) / 1e6:,.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be read.")
    kind = _kind(data)
    if kind == "JPEG":
        _check_segments(data)
    try:
        # The classes of the two kinds, not Image.open: no other decoder ever sees a stranger's bytes.
        image = (PngImageFile if kind == "PNG" else JpegImageFile)(io.BytesIO(data))
    except _BROKEN as error:
        raise ImageRefused(f"The {kind} image is damaged: export or save it again and upload the new file.") from error
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ImageRefused(
            f"The image has {width:,} × {height:,} pixels; at most {MOST_PIXELS / 1e6:.0f} million can be read: "
            "export it smaller."
        )
    if min(width, height) < LEAST_SIDE:
        raise ImageRefused(
            f"The image has only {width} × {height} pixels, too few for a readable diagram: upload a larger one."
        )
    if max(width, height) > MOST_STRETCHED * min(width, height):
        raise ImageRefused(
            f"The image has {width:,} × {height:,} pixels; one side may be at most {MOST_STRETCHED} times as long "
            "as the other: cut it into pieces."
        )
    return image


def _check_segments(data: bytes) -> None:
    """Refuse a JPEG that keeps a decoder busy with passes or segments; what follows its end is not looked at."""
    scans = segments = 0
    place = 2
    while marker := _MARKER.search(data, place):
        place = marker.end()
        kind = data[place - 1]
        if kind == _END_OF_IMAGE:
            return
        if kind not in _WITHOUT_LENGTH:
            place += max(2, int.from_bytes(data[place : place + 2]))
        scans += kind == _START_OF_SCAN
        segments += 1
        if scans > MOST_SCANS or segments > MOST_SEGMENTS:
            what = f"{MOST_SCANS} passes" if scans > MOST_SCANS else f"{MOST_SEGMENTS:,} segments"
            raise ImageRefused(f"The JPEG has more than {what}: save it again and upload the new file.")


def _kind(data: bytes) -> Literal["PNG", "JPEG"]:
    """What the first bytes say. Raises: ImageRefused for every other kind, by its name where it is known."""
    if not data:
        raise ImageRefused("The file is empty.")
    if data.startswith(_PNG):
        return "PNG"
    if data.startswith(_JPEG):
        return "JPEG"
    if b"<svg" in data[:4096].lower():
        raise ImageRefused(
            "This is an SVG drawing, not an image of pixels: open it in a browser or drawing program, "
            "export it as PNG and upload that."
        )
    for sign, place, name in _OTHER_KINDS:
        if data[place : place + len(sign)] == sign:
            raise ImageRefused(f"This is {name} file, whatever its name says: save it as PNG or JPEG and upload that.")
    raise ImageRefused("This file is not an image that can be read: upload a PNG or JPEG.")


def _is_on_its_side(image: Image.Image) -> bool:
    try:
        return image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except _BROKEN as error:
        raise ImageRefused("The image's EXIF data are damaged: save it again without them and upload it.") from error


def _decoded(data: bytes, enough: tuple[int, int] | None = None) -> Image.Image:
    """The pixels of an image, upright, in mode L, LA, RGB or RGBA.

    `enough`: a large JPEG is decoded at a half, a quarter or an eighth of its size, as long as it is not smaller.
    """
    image = _opened(data)
    try:
        if enough is not None:
            image.draft(image.mode, enough)
        image.load()
        # Cameras turn JPEGs; in a PNG an orientation would stand behind the pixels, and means nothing to most programs.
        upright = image if isinstance(image, PngImageFile) else ImageOps.exif_transpose(image)
    except _BROKEN as error:
        raise ImageRefused("The image is cut off or damaged: export or save it again and upload it.") from error
    if upright.mode.startswith("I"):  # 16 bits of grey
        return Image.fromarray((np.asarray(upright).astype(np.uint32) >> 8).astype(np.uint8))
    if upright.mode in ("P", "PA", "1") or "transparency" in upright.info:
        return upright.convert("RGBA")
    return upright if upright.mode in ("L", "LA", "RGB", "RGBA") else upright.convert("RGB")


def _ground(image: Image.Image) -> Literal["white", "black"]:
    """What a transparent image is shown on: white, or black where what is seen is nearly white.

    Taken from an image before it is reduced, so that everybody who reduces it otherwise gets the same.
    """
    if not image.has_transparency_data:
        return "white"
    part = min(1.0, _SAMPLE / max(image.size))
    size = max(1, round(image.width * part)), max(1, round(image.height * part))
    sample = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    sample = sample.resize(size, Image.Resampling.NEAREST).convert("RGBA")
    brightness, opacity = np.asarray(sample.convert("L")), np.asarray(sample.getchannel("A"))
    seen = opacity > 128
    light_only = bool(seen.any()) and not seen.all() and np.mean(brightness[seen] < _READABLE_ON_WHITE) < _HARDLY_ANY
    return "black" if light_only else "white"


def _on(ground: Literal["white", "black"], image: Image.Image) -> Image.Image:
    """The image in RGB, on a ground where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    solid = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, ground), solid).convert("RGB")
