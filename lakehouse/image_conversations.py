"""Writing conversations about images: an image is kept once, each question with its answer is a row, and what is
deleted is erased.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow.compute as pc

from lakehouse.appends import append
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.image_tables import IMAGE_QUESTIONS, IMAGE_READINGS, IMAGES
from lakehouse.store import first_line, open_table, open_to_read, read_rows
from settings import Settings

Event = Literal["answered", "stopped", "failed"]
"""What became of a question: `stopped` by who asked, so that the answer breaks off."""
LONGEST_NAME = 120
"""Characters of a file's name that are kept."""
_ID = re.compile(r"[0-9a-f]{32,64}")
_TRIES = 3
"""An erasure is made anew where another writer committed in the middle of it."""


@dataclass(frozen=True)
class ImageToKeep:
    """An image: the hash of its file as uploaded, and the copy that is kept. Sizes in pixels."""

    image_hash: str
    media_type: str
    width: int
    height: int
    image: bytes


@dataclass(frozen=True)
class GivenAnswer:
    """A question about an image and what came of it; `error` is the sentence of a failure. Tokens and cost may be
    unknown."""

    event: Event
    question: str
    answer: str
    answerer: str
    seconds: float
    error: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    price_source: str | None = None


def keep_image(settings: Settings, kept: ImageToKeep) -> None:
    """Keep an image, once. Raises: LakehouseError."""
    same = pc.field("image_hash") == kept.image_hash
    if read_rows(open_to_read(settings, IMAGES.name), ["image_hash"], where=same).num_rows:
        return
    append(settings, IMAGES.name, [{**vars(kept), "uploaded_at": datetime.now(UTC)}])


def open_conversation(settings: Settings, image_hash: str, image_name: str, *, actor: str, role: str) -> str:
    """Begin a conversation about an image that is kept. Returns: its id. Raises: LakehouseError."""
    conversation_id = uuid.uuid4().hex
    row = {"event": "opened", "image_hash": image_hash, "image_name": image_name.strip()[:LONGEST_NAME]}
    _record(settings, conversation_id, row, actor, role)
    return conversation_id


def record_answer(
    settings: Settings, conversation_id: str, image_hash: str, given: GivenAnswer, *, actor: str, role: str
) -> str:
    """Write down a question with its answer. Returns: the question's id. Raises: LakehouseError."""
    question_id = uuid.uuid4().hex
    row = {"question_id": question_id, "image_hash": image_hash, **vars(given), "error": given.error or None}
    _record(settings, conversation_id, row, actor, role)
    return question_id


def delete_conversation(settings: Settings, conversation_id: str, *, actor: str, role: str) -> None:
    """Delete a conversation of this person and erase what was said in it, and its image if it was the last about it.

    It is gone from every page at once; the files leave the disk with the upkeep of the next days.
    Raises: LakehouseError.
    """
    rows = _rows_of(settings, conversation_id)
    if not any(row["event"] == "opened" and row["actor"] == actor for row in rows):
        raise LakehouseError("There is no such conversation of yours: it may be deleted already.")
    _record(settings, conversation_id, {"event": "deleted"}, actor, role)
    _erase(settings, IMAGE_QUESTIONS.name, "conversation_id", conversation_id, "event <> 'deleted'")
    for image_hash in {str(row["image_hash"]) for row in rows if row["image_hash"]}:
        wanted = (pc.field("image_hash") == image_hash) & (pc.field("event") == "opened")
        if not read_rows(open_to_read(settings, IMAGE_QUESTIONS.name), ["event"], where=wanted).num_rows:
            for name in (IMAGES.name, IMAGE_READINGS.name):
                _erase(settings, name, "image_hash", image_hash)


def _rows_of(settings: Settings, conversation_id: str) -> list[dict[str, object]]:
    wanted = pc.field("conversation_id") == conversation_id
    table = open_to_read(settings, IMAGE_QUESTIONS.name)
    found: list[dict[str, object]] = read_rows(table, ["event", "actor", "image_hash"], where=wanted).to_pylist()
    return found


def _record(settings: Settings, conversation_id: str, row: Mapping[str, object], actor: str, role: str) -> None:
    about = {"conversation_id": conversation_id, "time": datetime.now(UTC), "actor": actor, "role": role}
    append(settings, IMAGE_QUESTIONS.name, [{**row, **about}])


def _erase(settings: Settings, name: str, column: str, value: str, also: str = "") -> None:
    """Rewrite a table without the rows whose `column` is an id."""
    from deltalake.exceptions import CommitFailedError, DeltaError

    if not _ID.fullmatch(value):
        # The condition is a text: nothing but an id of ours may stand in it.
        raise LakehouseError(f"{value[:80]!r} is no id: nothing was erased.")
    condition = f"{column} = '{value}'" + (f" AND {also}" if also else "")
    for last in (*[False] * (_TRIES - 1), True):
        try:
            open_table(settings, name).delete(condition)
        except CommitFailedError as error:
            if last:
                raise CommitConflict(f"The table {name} was written meanwhile, delete once more: {error}.") from error
        except (DeltaError, OSError) as error:
            raise LakehouseError(f"Rows of the table {name} cannot be erased: {first_line(error)}") from error
        else:
            return
