"""What was read on an image is kept by the hash of its file and the version of the reader."""

from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.appends import append
from lakehouse.store import open_to_read
from settings import Settings
from tests.vision.example_diagrams import example
from vision.reading_cache import hash_of, keep_reading, known_reading


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_a_reading_that_is_kept_is_known_as_it_was(settings: Settings) -> None:
    reading = example("models")
    keep_reading(settings, hash_of(b"image"), reading)

    assert known_reading(settings, hash_of(b"image")) == reading
    assert known_reading(settings, hash_of(b"another image")) is None


def test_a_reading_of_another_version_of_the_reader_is_not_used(settings: Settings) -> None:
    keep_reading(settings, hash_of(b"image"), replace(example("models"), reader="0.old"))

    assert known_reading(settings, hash_of(b"image")) is None


def test_the_newest_reading_holds_and_the_same_is_written_once(settings: Settings) -> None:
    keep_reading(settings, hash_of(b"image"), example("models"))
    version = open_to_read(settings, "image_readings").version()
    keep_reading(settings, hash_of(b"image"), replace(example("models"), seconds=9.5))

    assert open_to_read(settings, "image_readings").version() == version

    keep_reading(settings, hash_of(b"image"), example("stream"))

    assert known_reading(settings, hash_of(b"image")) == example("stream")


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"image": {}}', '{"image": 3}'])
def test_a_damaged_row_means_that_the_image_is_read_again(settings: Settings, damaged: str) -> None:
    reading = example("stream")
    row = {"image_hash": hash_of(b"image"), "reader_version": reading.reader, "reading": damaged}
    append(settings, "image_readings", [row])

    assert known_reading(settings, hash_of(b"image")) is None

    keep_reading(settings, hash_of(b"image"), reading)

    assert known_reading(settings, hash_of(b"image")) == reading
