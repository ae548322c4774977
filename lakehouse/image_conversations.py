"""Writing conversations about images: an image is kept once, each question with its answer is a row, and what is
deleted is erased.
"""

import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
_LEFT_ALONE = timedelta(days=1)
"""An image that no conversation is about may be about to get one; after this time it gets none."""

CHANGING = threading.RLock()
"""Held by whoever keeps an image and begins a conversation about it, and while one is deleted: else the image of the
new one could go with the old one. Other processes do not see it; the upkeep mends what they leave."""


class ConversationGone(LakehouseError):
    """A conversation was deleted, so that nothing is written into it any more."""


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
    """Write down a question with its answer. Returns: the question's id. Raises: ConversationGone, LakehouseError."""
    question_id = uuid.uuid4().hex
    row = {"question_id": question_id, "image_hash": image_hash, **vars(given), "error": given.error or None}
    with CHANGING:
        if any(known["event"] == "deleted" for known in _rows_of(settings, conversation_id)):
            raise ConversationGone("This conversation was deleted: the answer is not kept.")
        _record(settings, conversation_id, row, actor, role)
    return question_id


def delete_conversation(settings: Settings, conversation_id: str, *, actor: str, role: str) -> None:
    """Delete a conversation of this person and erase what was said in it, and its image if it was the last about it.

    It is gone from every page at once; the files leave the disk with the upkeep of the next days, and so does what is
    left where this is broken off.
    Raises: LakehouseError.
    """
    with CHANGING:
        rows = _rows_of(settings, conversation_id)
        if not any(row["event"] == "opened" and row["actor"] == actor for row in rows):
            raise LakehouseError("There is no such conversation of yours: it may be deleted already.")
        _record(settings, conversation_id, {"event": "deleted"}, actor, role)
        _erase_words(settings, conversation_id)
        for image_hash in {str(row["image_hash"]) for row in rows if row["image_hash"]}:
            if image_hash not in _wanted_images(settings):
                _erase_image(settings, image_hash)


def erase_left_over(settings: Settings) -> tuple[int, int]:
    """Erase what broken-off deletions and uploads have left: the words of deleted conversations, and images older than
    a day that no conversation is about.

    Returns: of how many conversations and how many images something was erased. Raises: LakehouseError.
    """
    questions = read_rows(open_to_read(settings, IMAGE_QUESTIONS.name), ["conversation_id", "event"]).to_pylist()
    deleted = {row["conversation_id"] for row in questions if row["event"] == "deleted"}
    with_words = {row["conversation_id"] for row in questions if row["event"] != "deleted"} & deleted
    for conversation_id in with_words:
        _erase_words(settings, conversation_id)
    long_ago = pc.field("uploaded_at") < datetime.now(UTC) - _LEFT_ALONE
    kept = read_rows(open_to_read(settings, IMAGES.name), ["image_hash"], where=long_ago).column("image_hash")
    unwanted = set(kept.to_pylist()) - _wanted_images(settings)
    for image_hash in unwanted:
        _erase_image(settings, image_hash)
    return len(with_words), len(unwanted)


def _wanted_images(settings: Settings) -> set[str]:
    """The hashes of the images that a conversation is about."""
    begun = pc.field("event") == "opened"
    rows = read_rows(open_to_read(settings, IMAGE_QUESTIONS.name), ["image_hash"], where=begun)
    return set(rows.column("image_hash").to_pylist())


def _erase_words(settings: Settings, conversation_id: str) -> None:
    _erase(settings, IMAGE_QUESTIONS.name, "conversation_id", conversation_id, "event <> 'deleted'")


def _erase_image(settings: Settings, image_hash: str) -> None:
    # The image last: while it is there, the upkeep finds what is left of a deletion that was broken off.
    for name in (IMAGE_READINGS.name, IMAGES.name):
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
                raise CommitConflict(
                    f"The table {name} was written meanwhile; what is left there is erased with the next upkeep: "
                    f"{first_line(error)}"
                ) from error
        except (DeltaError, OSError) as error:
            raise LakehouseError(f"Rows of the table {name} cannot be erased: {first_line(error)}") from error
        else:
            return
