"""Readings that are known: in the table `image_readings`, by the hash of the image and the version of the reader."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.image_tables import IMAGE_READINGS
from lakehouse.store import open_to_read, read_rows
from settings import Settings
from vision.reading import READER_VERSION, Reading


def hash_of(image: bytes) -> str:
    """What an image is known by: the SHA-256 of its file as uploaded, in hexadecimal digits."""
    return hashlib.sha256(image).hexdigest()


def known_reading(settings: Settings, image_hash: str) -> Reading | None:
    """The newest reading of an image by this version of the reader; None if it has to be read. Raises: LakehouseError.

    A row that is damaged counts as none: the image is read anew.
    """
    wanted = (pc.field("image_hash") == image_hash) & (pc.field("reader_version") == READER_VERSION)
    table = open_to_read(settings, IMAGE_READINGS.name)
    rows = read_rows(table, ["read_at", "reading"], where=wanted).to_pylist()
    rows = [row for row in rows if row["read_at"] is not None and row["reading"]]
    if not rows:
        return None
    newest = max(rows, key=lambda row: row["read_at"])
    try:
        return Reading.from_dict(json.loads(newest["reading"]))
    except (ValueError, KeyError, TypeError):
        return None


def keep_reading(settings: Settings, image_hash: str, reading: Reading) -> None:
    """Keep what was read on an image, unless the same is known, however long it took. Raises: LakehouseError."""
    known = known_reading(settings, image_hash)
    if known is not None and replace(known, seconds=reading.seconds) == reading:
        return
    row = {
        "image_hash": image_hash,
        "reader_version": reading.reader,
        "read_at": datetime.now(UTC),
        "reading": json.dumps(reading.as_dict(), ensure_ascii=False),
    }
    append(settings, IMAGE_READINGS.name, [row])
