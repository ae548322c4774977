"""Images that strangers upload: which are read, which are refused in one sentence, and what is left of them."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from vision.errors import ImageRefused
from vision.images import (
    LARGE_PNG,
    LEAST_SIDE,
    MOST_PIXELS,
    MOST_SEGMENTS,
    MOST_STRETCHED,
    check_image,
    opaque,
    open_picture,
    without_metadata,
)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def png_head(width: int, height: int) -> bytes:
    """The head of a PNG that says it is of this size, with hardly any data behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def drawing(mode: str = "RGB", size: tuple[int, int] = (400, 200)) -> Image.Image:
    """White with a black quarter at the top left."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1] // 2 - 1), fill="black")
    return image.convert(mode)


REFUSED = {
    "nothing": (b"", "empty"),
    "words": (b"hello", "not an image"),
    "svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
    "svg with a comment": (b"<!-- " + b"x" * 1000 + b" -->\n<SVG></SVG>", "SVG"),
    "gif named png": (encoded(drawing(), "GIF"), "GIF"),
    "webp": (encoded(drawing(), "WEBP"), "WebP"),
    "bmp": (encoded(drawing(), "BMP"), "BMP"),
    "tiff": (encoded(drawing(), "TIFF"), "TIFF"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "one pixel": (encoded(Image.new("RGB", (1, 1))), "1 × 1"),
    "a thin line": (encoded(Image.new("RGB", (5000, LEAST_SIDE - 1))), "5000 × 15"),
    "a ribbon": (encoded(Image.new("RGB", (LEAST_SIDE, 200_000))), "16 × 200,000"),
    "20,000 by 20,000": (png_head(20_000, 20_000), "20,000 × 20,000"),
    "the largest that a head can say": (png_head(2**31 - 1, 2**31 - 1), "pixels"),
    "no pixels": (png_head(0, 0), "damaged"),
    "a head alone": (b"\x89PNG\r\n\x1a\n", "damaged"),
    "a jpeg head alone": (b"\xff\xd8\xff", "damaged"),
    "noise after a head": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(name: str) -> None:
    data, word = REFUSED[name]
    for refuses in (check_image, open_picture, without_metadata):
        with pytest.raises(ImageRefused) as refused:
            refuses(data)
        assert word in str(refused.value)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_that_is_cut_off_is_refused_when_it_is_opened(kind: str) -> None:
    rng = np.random.default_rng(1)
    whole = encoded(Image.fromarray(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)), kind)
    with pytest.raises(ImageRefused, match="cut off or damaged"):
        open_picture(whole[: len(whole) // 2])


def test_a_huge_image_is_refused_before_its_pixels_take_memory() -> None:
    side = int(MOST_PIXELS**0.5) + 1
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    tracemalloc.start()
    with pytest.raises(ImageRefused, match="million"):
        open_picture(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_text_chunk_that_unpacks_to_much_more_is_refused_or_left_out() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 80_000_000, zip=True)
    bomb = encoded(drawing(), "PNG", pnginfo=info)
    assert len(bomb) < 200_000
    with pytest.raises(ImageRefused, match="damaged"):
        check_image(bomb)


def test_more_bytes_than_allowed_are_refused_by_their_number() -> None:
    with pytest.raises(ImageRefused, match="201 MB; at most 200 MB"):
        check_image(b"\x89PNG\r\n\x1a\n" + bytes(201_000_000))


def test_a_jpeg_that_asks_for_thousands_of_passes_is_refused_by_its_number() -> None:
    whole = encoded(drawing(), "JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageRefused, match="more than 100 passes"):
        open_picture(whole[:-2] + scan * 5000 + whole[-2:])


def test_a_jpeg_made_of_tiny_segments_is_refused_before_they_are_gone_through() -> None:
    whole = encoded(drawing(), "JPEG")
    with pytest.raises(ImageRefused, match="more than 20,000 segments"):
        check_image(whole[:2] + b"\xff\xfe\0\2" * (MOST_SEGMENTS + 1) + whole[2:])


def test_what_only_looks_like_a_pass_of_a_jpeg_is_none() -> None:
    """Signs of passes behind the end, as of a video behind a photograph, or in the preview that a camera writes."""
    whole = encoded(drawing(), "JPEG", comment=b"\xff\xda" * 500, progressive=True)
    data = whole + b"\xff\xda" * 500
    assert check_image(data) == ("image/jpeg", 400, 200)
    assert open_picture(data).pixels[100, 100].max() < 12


def test_the_longest_image_that_is_read_keeps_a_height_to_read() -> None:
    picture = open_picture(encoded(Image.new("RGB", (100 * MOST_STRETCHED, 100), "white")))
    assert min(picture.pixels.shape[:2]) > LEAST_SIDE


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_way_to_store_colours_gives_the_same_picture(mode: str) -> None:
    if mode == "I;16":
        grey = np.asarray(drawing("L")).astype(np.uint16) * 257
        data = encoded(Image.fromarray(grey))
    else:
        data = encoded(drawing(mode))
    picture = open_picture(data)
    assert picture.pixels.shape == (800, 1600, 3)
    assert picture.pixels[100, 100].tolist() == [0, 0, 0]
    assert picture.pixels[700, 1500].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_way_to_store_colours_in_a_jpeg_gives_the_same_picture(mode: str) -> None:
    picture = open_picture(encoded(drawing(mode), "JPEG", quality=95))
    assert picture.pixels[100, 100].max() < 12
    assert picture.pixels[700, 1500].min() > 243


def test_the_first_bytes_decide_and_not_the_name() -> None:
    assert check_image(encoded(drawing(), "JPEG")) == ("image/jpeg", 400, 200)
    assert check_image(encoded(drawing(), "PNG")) == ("image/png", 400, 200)


@pytest.mark.parametrize(("size", "picture_size"), [((400, 200), (1600, 800)), ((100, 60), (400, 240))])
def test_a_small_image_is_enlarged_but_not_beyond_what_helps(
    size: tuple[int, int], picture_size: tuple[int, int]
) -> None:
    picture = open_picture(encoded(drawing(size=size)))
    assert picture.pixels.shape[1::-1] == picture_size
    assert picture.original((0, 0, *picture_size)) == (0, 0, *size)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_image_is_reduced_and_boxes_come_back_in_its_own_pixels(kind: str) -> None:
    picture = open_picture(encoded(drawing(size=(4400, 600)), kind))
    assert picture.pixels.shape == (300, 2200, 3)
    assert picture.original((1100, 150, 2200, 300)) == (2200, 300, 4400, 600)


def test_an_image_between_the_two_is_left_as_it_is() -> None:
    assert open_picture(encoded(drawing(size=(1900, 700)))).scale == 1.0


def test_a_photograph_on_its_side_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    data = encoded(drawing(), "JPEG", exif=exif, quality=95)
    assert check_image(data) == ("image/jpeg", 200, 400)
    picture = open_picture(data)
    assert picture.pixels.shape == (1600, 800, 3)
    assert picture.pixels[100, 700].max() < 12  # the black quarter is at the top right now
    clean, _ = without_metadata(data)
    assert check_image(clean) == ("image/jpeg", 200, 400)


def test_what_is_transparent_becomes_white() -> None:
    image = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 199, 99), fill=(30, 30, 30, 255))
    picture = open_picture(encoded(image))
    assert picture.pixels[700, 1500].tolist() == [255, 255, 255]


def test_white_words_on_nothing_are_put_on_black() -> None:
    image = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 199, 99), fill=(250, 250, 250, 255))
    picture = open_picture(encoded(image))
    assert picture.pixels[700, 1500].tolist() == [0, 0, 0]


@pytest.mark.parametrize("longest_side", [None, 300])
@pytest.mark.parametrize(("ink", "ground"), [((30, 30, 30), 255), ((250, 250, 250), 0)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_transparent_image_is_the_same_for_everybody(
    mode: str, ink: tuple[int, int, int], ground: int, longest_side: int | None
) -> None:
    """Where it is shown or sent the ground is the one that the reader saw."""
    image = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 199, 99), fill=(*ink, 255))
    data = encoded(image.convert(mode))
    copy = Image.open(io.BytesIO(without_metadata(data, longest_side)[0]))
    assert copy.mode == "RGB"
    assert copy.getpixel((copy.width - 5, copy.height - 5)) == (ground,) * 3
    assert copy.getpixel((5, 5)) == ink
    assert opaque(Image.open(io.BytesIO(data))).getpixel((395, 195)) == (ground,) * 3
    assert open_picture(data).pixels[-5, -5].tolist() == [ground] * 3


def test_a_copy_that_would_be_large_as_png_becomes_a_jpeg() -> None:
    rng = np.random.default_rng(1)
    noise = encoded(Image.fromarray(rng.integers(0, 255, (1300, 1300, 3), dtype=np.uint8)))
    assert len(noise) > LARGE_PNG
    copy, media_type = without_metadata(noise)
    assert (media_type, len(copy) < len(noise)) == ("image/jpeg", True)
    assert check_image(copy) == ("image/jpeg", 1300, 1300)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_nothing_but_the_picture_is_left_without_metadata(kind: str) -> None:
    secret = "51.5007 N, 0.1246 W"
    exif = Image.Exif()
    exif[0x010E] = secret
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", secret)
        data = encoded(drawing(), "PNG", exif=exif, pnginfo=info)
    else:
        data = encoded(drawing(), "JPEG", exif=exif, comment=secret)
    assert secret.encode() in data
    clean, media_type = without_metadata(data + b"<script>")
    assert secret.encode() not in clean
    assert b"<script>" not in clean
    assert check_image(clean) == (media_type, 400, 200)
    assert not Image.open(io.BytesIO(clean)).getexif()


def test_a_picture_for_a_model_is_not_larger_than_asked_for() -> None:
    clean, _ = without_metadata(encoded(drawing(size=(1800, 600))), longest_side=1500)
    assert check_image(clean) == ("image/png", 1500, 500)
