"""The process that reads images: one at a time, in turn, and what breaks it breaks one image."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dashboard import reading_process
from dashboard.actions import image_reader
from dashboard.actions.image_reader import ImageJob, ImageReader, ReaderBroke, ReaderBusy, ReadImage
from dashboard.reading_process import KEPT_SIDE, read_frame, write_frame
from tests.dashboard.image_readings import drawn
from vision.errors import ImageRefused


@pytest.fixture
def reader() -> Iterator[ImageReader]:
    found = ImageReader()
    yield found
    found.close()


def kept_only(image: bytes, then: Any = lambda read: read, actor: str = "ana") -> ImageJob:
    return ImageJob(image, actor, lambda: False, then)


def busy(reader: ImageReader) -> threading.Event:
    """Give the reader an image of somebody that is not done before the event is set."""
    go_on = threading.Event()
    first = kept_only(png((64, 64)), lambda read: go_on.wait(100), actor="busy")
    reader.submit(first)
    while first.begun_at is None:
        first.wait(0.01)
    return go_on


def png(size: tuple[int, int]) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "white").save(written, "PNG")
    return written.getvalue()


def test_an_image_is_read_in_another_process(reader: ImageReader) -> None:
    job = ImageJob(drawn(), "ana", lambda: True, lambda read: read)
    reader.submit(job)
    assert job.wait(200)
    assert job.error is None
    assert isinstance(job.value, ReadImage)
    assert "Model registry" in {line["text"] for line in job.value.reading["text"]}
    assert job.value.image.startswith(b"\x89PNG")
    assert job.image == b""


def test_a_refused_image_is_a_sentence_and_the_next_one_is_taken(reader: ImageReader) -> None:
    cut = png((400, 300))[:150]
    jobs = [kept_only(cut), kept_only(png((400, 300)))]
    for job in jobs:
        reader.submit(job)
    assert all(job.wait(100) for job in jobs)
    assert isinstance(jobs[0].error, ImageRefused)
    assert "damaged" in str(jobs[0].error)
    assert jobs[1].error is None


def test_the_kept_copy_is_upright_without_metadata_and_not_too_large(reader: ImageReader) -> None:
    written = io.BytesIO()
    tags = Image.Exif()
    tags[0x0112], tags[0x010E] = 6, "secret place"
    Image.new("RGB", (4000, 1000), "white").save(written, "JPEG", exif=tags)
    job = kept_only(written.getvalue())
    reader.submit(job)
    assert job.wait(100)
    assert b"secret place" not in job.value.image
    with Image.open(io.BytesIO(job.value.image)) as kept:
        assert kept.height <= KEPT_SIDE
        assert kept.height > kept.width
    assert job.value.media_type == "image/jpeg"


def test_images_wait_in_their_turn_and_one_too_many_is_refused(reader: ImageReader) -> None:
    go_on = busy(reader)
    others = [kept_only(png((64, 64)), actor=str(number)) for number in range(image_reader.MOST_WAITING)]
    for job in others:
        reader.submit(job)
    assert [reader.before(job) for job in others] == list(range(1, len(others) + 1))
    with pytest.raises(ReaderBusy, match="try again"):
        reader.submit(kept_only(png((64, 64))))
    others[0].drop()
    assert reader.before(others[1]) == 1
    reader.submit(kept_only(png((64, 64))))
    go_on.set()
    assert others[-1].wait(100)
    assert others[0].value is None


def test_nobody_fills_the_queue_alone(reader: ImageReader) -> None:
    go_on = busy(reader)
    mine = [kept_only(png((64, 64))) for _ in range(image_reader.MOST_OF_ONE)]
    for job in mine:
        reader.submit(job)
    with pytest.raises(ReaderBusy, match="of yours"):
        reader.submit(kept_only(png((64, 64))))
    # The one that is being read counts, too.
    reader.submit(kept_only(png((64, 64)), actor="busy"))
    with pytest.raises(ReaderBusy, match="of yours"):
        reader.submit(kept_only(png((64, 64)), actor="busy"))
    reader.submit(kept_only(png((64, 64)), actor="ben"))
    mine[0].drop()
    last = kept_only(png((64, 64)))
    reader.submit(last)
    go_on.set()
    assert last.wait(100)


def test_files_that_wait_are_not_too_large_together(reader: ImageReader, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = busy(reader)
    monkeypatch.setattr(image_reader, "MOST_WAITING_MEGABYTES", 1)
    large = kept_only(b"x" * 700_000)
    reader.submit(large)
    with pytest.raises(ReaderBusy, match="too large together"):
        reader.submit(kept_only(b"x" * 700_000, actor="ben"))
    large.drop()
    assert large.done
    assert large.image == b""
    last = kept_only(b"x" * 700_000, actor="ben")
    reader.submit(last)
    go_on.set()
    assert last.wait(100)


def test_what_is_cancelled_while_it_is_read_is_not_kept(reader: ImageReader) -> None:
    kept: list[ReadImage] = []

    def cancelled_by_now() -> bool:
        # Asked as it begins: the image is cancelled before it is read to its end.
        job.drop()
        return False

    job = ImageJob(png((64, 64)), "ana", cancelled_by_now, kept.append)
    reader.submit(job)
    after = kept_only(png((64, 64)))
    reader.submit(after)
    assert after.wait(100)
    assert job.done
    assert (job.value, job.error, kept) == (None, None, [])


def test_the_process_has_no_key_in_its_environment(reader: ImageReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHELM_VISION_SERVER_URL", "http://user:word@example.com")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-hidden")
    job = kept_only(png((64, 64)))
    reader.submit(job)
    assert job.wait(100)
    assert job.error is None
    assert reader._process is not None
    environment = Path(f"/proc/{reader._process.pid}/environ")
    if not environment.exists():
        pytest.skip("Only Linux tells the environment of a process here.")
    held = environment.read_bytes()
    assert b"PATH=" in held
    assert b"very-hidden" not in held
    assert b"LAKEHELM_" not in held


def test_a_process_that_ends_takes_one_image_with_it(reader: ImageReader) -> None:
    started = kept_only(png((64, 64)))
    reader.submit(started)
    assert started.wait(100)
    assert reader._process is not None
    reader._process.kill()
    reader._process.wait()
    after = kept_only(png((64, 64)))
    reader.submit(after)
    assert after.wait(100)
    assert after.error is None


def test_a_process_that_ends_while_an_image_is_sent_is_a_sentence(reader: ImageReader) -> None:
    def ended() -> bool:
        process = reader._running()
        process.kill()
        process.wait()
        return False

    # So large that it is sent in pieces; the process is there when it is asked for and gone a moment later.
    job = ImageJob(b"x" * 3_000_000, "ana", ended, lambda read: read)
    reader._running()
    original, reader._running = reader._running, lambda: process  # type: ignore[method-assign]
    process = original()
    reader.submit(job)
    assert job.wait(100)
    assert isinstance(job.error, ReaderBroke)


def test_an_image_that_takes_too_long_is_given_up(reader: ImageReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_reader, "MOST_SECONDS", 0.01)
    job = kept_only(png((64, 64)))
    reader.submit(job)
    assert job.wait(100)
    assert isinstance(job.error, ReaderBroke)
    assert "smaller" in str(job.error)


def test_what_cannot_be_kept_is_the_jobs_failure(reader: ImageReader) -> None:
    def fails(read: ReadImage) -> None:
        raise OSError("no space left")

    job = kept_only(png((64, 64)), fails)
    reader.submit(job)
    assert job.wait(100)
    assert isinstance(job.error, OSError)


def test_frames_are_read_as_they_were_written() -> None:
    stream = io.BytesIO()
    for data in (b"", b"one", b"\n" * 70_000):
        write_frame(stream, data)
    stream.seek(0)
    assert [read_frame(stream) for _ in range(3)] == [b"", b"one", b"\n" * 70_000]
    with pytest.raises(EOFError):
        read_frame(stream)


def test_no_image_is_read_where_only_a_copy_is_wanted() -> None:
    about, kept = reading_process.answer_to(reading_process.KEEP, png((64, 64)))
    assert about == {"media_type": "image/png", "reading": None}
    assert kept.startswith(b"\x89PNG")
