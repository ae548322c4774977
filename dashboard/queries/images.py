"""Conversations about images: everybody's own, with their images and what was read on them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import streamlit as st

from dashboard.queries.kept import kept
from dashboard.queries.lake import HASH_FUNCS, Snapshot, newest, select_records
from settings import get_settings
from vision.answer import Turn, Usage
from vision.reading import Reading
from vision.reading_cache import known_reading

OPENED: Final = "opened"
ANSWERED: Final = "answered"
STOPPED: Final = "stopped"
FAILED: Final = "failed"
"""Events of a conversation, in the words of the table `image_questions`."""
MOST_LISTED = 200
"""Conversations that a history shows."""
_OWN = "actor = $actor AND conversation_id NOT IN (SELECT conversation_id FROM this WHERE event = 'deleted')"


@dataclass(frozen=True)
class AskedQuestion:
    """A question and what came of it. `event` is answered, stopped or failed; `error` says why it failed."""

    question_id: str
    time: datetime
    event: str
    question: str
    answer: str
    answerer: str
    usage: Usage | None
    error: str

    @property
    def turn(self) -> Turn:
        """The question and its answer, for the next one."""
        return Turn(self.question, self.answer)


@dataclass(frozen=True)
class ImageConversation:
    """Questions of one person about one image, in the order in which they were asked."""

    conversation_id: str
    image_hash: str
    image_name: str
    opened_at: datetime
    questions: tuple[AskedQuestion, ...]

    def earlier(self) -> tuple[Turn, ...]:
        """The turns that a next question follows."""
        return tuple(one.turn for one in self.questions if one.event == ANSWERED)


@dataclass(frozen=True)
class ListedConversation:
    """A line of the history."""

    conversation_id: str
    image_hash: str
    image_name: str
    last_at: datetime
    questions: int
    first_question: str


@dataclass(frozen=True)
class KeptImage:
    """An image as it is kept. `media_type` is `image/png` or `image/jpeg`."""

    media_type: str
    image: bytes


def history(actor: str, search: str = "") -> list[ListedConversation]:
    """The conversations of a person, the last one first; with `search` those in whose words or image's name it stands.

    At most one more than `MOST_LISTED`, which tells that there are earlier ones.

    Raises: QueryFailed, LakehouseError.
    """
    found: list[ListedConversation] = _history(newest("image_questions"), actor, search.strip())
    return found


def conversation(actor: str, conversation_id: str) -> ImageConversation | None:
    """A conversation of this person; None for one that is not theirs, was deleted, or never was.

    Raises: QueryFailed, LakehouseError.
    """
    found: ImageConversation | None = _conversation(newest("image_questions"), actor, conversation_id)
    return found


def image(image_hash: str) -> KeptImage | None:
    """An image by its hash; None if it is not kept. Raises: QueryFailed, LakehouseError."""
    if not is_kept(image_hash):
        return None
    found: KeptImage | None = _image(newest("images"), image_hash)
    return found


def reading(image_hash: str) -> Reading | None:
    """What was read on an image by the reader of today; None if it is to be read (again).

    Raises: QueryFailed, LakehouseError.
    """
    if newest("image_readings").version < 0:
        return None
    found: Reading | None = _reading(newest("image_readings"), image_hash)
    return found


def is_kept(image_hash: str) -> bool:
    """Whether an image is there. Raises: QueryFailed, LakehouseError."""
    images = newest("images")
    if not images.files:
        return False
    return bool(select_records(images, "SELECT 1 AS one FROM this WHERE image_hash = $hash LIMIT 1", hash=image_hash))


@kept(max_entries=64)
def _history(questions: Snapshot, actor: str, search: str) -> list[ListedConversation]:
    if not questions.files:
        return []
    rows = select_records(
        questions,
        f"""SELECT conversation_id, any_value(image_hash) AS image_hash,
                   coalesce(any_value(image_name) FILTER (event = 'opened'), '') AS image_name,
                   max(time) AS last_at, count(*) FILTER (event <> 'opened') AS questions,
                   coalesce(arg_min(question, time) FILTER (event <> 'opened'), '') AS first_question
            FROM this WHERE {_OWN}
            GROUP BY conversation_id
            HAVING count(*) FILTER (event = 'opened') > 0 AND bool_or(
                contains(lower(coalesce(image_name, '')), $search) OR contains(lower(coalesce(question, '')), $search)
                OR contains(lower(coalesce(answer, '')), $search))
            ORDER BY last_at DESC LIMIT $most""",  # noqa: S608
        actor=actor,
        search=search.lower(),
        most=MOST_LISTED + 1,
    )
    return [ListedConversation(**row) for row in rows]


@kept(max_entries=32)
def _conversation(questions: Snapshot, actor: str, conversation_id: str) -> ImageConversation | None:
    if not questions.files:
        return None
    rows = select_records(
        questions,
        f"SELECT * FROM this WHERE {_OWN} AND conversation_id = $id ORDER BY time, question_id",  # noqa: S608
        actor=actor,
        id=conversation_id,
    )
    opened = next((row for row in rows if row["event"] == OPENED), None)
    if opened is None:
        return None
    asked = tuple(_asked(row) for row in rows if row["event"] in (ANSWERED, STOPPED, FAILED))
    return ImageConversation(conversation_id, opened["image_hash"], opened["image_name"] or "", opened["time"], asked)


@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _reading(readings: Snapshot, image_hash: str) -> Reading | None:
    return known_reading(get_settings(), image_hash)


# A few images, as one has up to some megabytes; of whatever version, as what a hash stands for never changes.
@st.cache_data(max_entries=4, show_spinner=False, hash_funcs={Snapshot: lambda snapshot: snapshot.table_id})
def _image(images: Snapshot, image_hash: str) -> KeptImage | None:
    if not images.files:
        return None
    rows = select_records(
        images, "SELECT media_type, image FROM this WHERE image_hash = $hash LIMIT 1", hash=image_hash
    )
    return KeptImage(rows[0]["media_type"], rows[0]["image"]) if rows else None


def _asked(row: dict[str, Any]) -> AskedQuestion:
    usage = None
    if row["seconds"] is not None:
        usage = Usage(
            model=row["answerer"] or "",
            seconds=row["seconds"],
            input_tokens=row["prompt_tokens"],
            output_tokens=row["completion_tokens"],
            cost_usd=row["cost_usd"],
            price_source=row["price_source"],
        )
    texts = {name: row[name] or "" for name in ("question_id", "event", "question", "answer", "answerer", "error")}
    return AskedQuestion(time=row["time"], usage=usage, **texts)
