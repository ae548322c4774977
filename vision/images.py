"""Images that strangers upload: what they are by their first bytes, whether they may be read, and the picture to read.

Nothing is decoded before its kind and its size in pixels are known to be allowed.
"""

import io
import struct
import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from vision.errors import ImageRefused
from vision.found import Picture

MediaType = Literal["image/png", "image/jpeg"]

MOST_BYTES = 200_000_000
"""200 MB, as people count them."""
MOST_PIXELS = 50_000_000
"""An image of this size takes about 400 MB while it is opened."""
MOST_SCANS = 100
"""Passes over the pixels that a progressive JPEG may ask for: programs write about ten."""
LEAST_SIDE = 16
"""Pixels: a smaller image cannot hold a readable text."""
SHORT, LONG = 1600, 2200
"""The long side of a picture in pixels: smaller images are enlarged, larger ones reduced."""
MOST_ENLARGED = 4.0

_READABLE_ON_WHITE, _HARDLY_ANY = 160, 0.02  # grey level; part of the pixels that are not transparent

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
    return Picture(_flattened(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)), scale)


def without_metadata(data: bytes, longest_side: int | None = None) -> tuple[bytes, MediaType]:
    """The same picture encoded anew, upright and without EXIF or other metadata; smaller if a longest side is given.

    Raises: ImageRefused.
    """
    image = _decoded(data)
    if longest_side is not None:
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    image.info.clear()
    written = io.BytesIO()
    if data.startswith(_JPEG):
        image.convert("RGB").save(written, "JPEG", quality=92)
        return written.getvalue(), "image/jpeg"
    image.save(written, "PNG")
    return written.getvalue(), "image/png"


def _opened(data: bytes) -> Image.Image:
    """An image of an allowed kind and size, not decoded yet."""
    if len(data) > MOST_BYTES:
        raise ImageRefused(f"The image has {len(data) / 1e6:,.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be read.")
    kind = _kind(data)
    try:
        # The classes of the two kinds, not Image.open: no other decoder ever sees a stranger's bytes.
        image = (PngImageFile if kind == "PNG" else JpegImageFile)(io.BytesIO(data))
    except _BROKEN as error:
        raise ImageRefused(f"The {kind} image is damaged: export or save it again and upload the new file.") from error
    if kind == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
        raise ImageRefused(f"The JPEG has more than {MOST_SCANS} passes: save it again and upload the new file.")
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
    return image


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


def _flattened(image: Image.Image) -> NDArray[np.uint8]:
    """The image without transparency, [height, width, 3]: on white, or on black where what is seen is nearly white."""
    if "A" not in image.getbands():
        return np.asarray(image.convert("RGB"))
    solid = image.convert("RGBA")
    brightness, opacity = np.asarray(image.convert("L")), np.asarray(solid.getchannel("A"))
    seen = opacity > 128
    light_only = bool(seen.any()) and not seen.all() and np.mean(brightness[seen] < _READABLE_ON_WHITE) < _HARDLY_ANY
    ground = Image.new("RGBA", image.size, "black" if light_only else "white")
    return np.asarray(Image.alpha_composite(ground, solid).convert("RGB"))
