"""What people do on the page Ask an image: give an image, ask, stop an answer, delete a conversation."""

import time
from collections.abc import Callable, Iterator

from dashboard.actions.image_answers import Answering, CannotAsk, answers_under_way
from dashboard.actions.image_reader import ImageJob, ReadImage, image_reader
from dashboard.auth import current_actor
from dashboard.queries import images
from dashboard.queries.images import ANSWERED, FAILED, STOPPED, ImageConversation
from dashboard.queries.lake import look_again
from dashboard.queries.watch import EXPECTED
from lakehouse import image_conversations
from lakehouse.image_conversations import CHANGING, Event, GivenAnswer, ImageToKeep
from lakehouse.image_tables import IMAGE_QUESTIONS, IMAGE_READINGS, IMAGES
from registry.actors import Actor
from settings import get_settings
from vision.answer import Usage
from vision.ask import EMBEDDED, ask
from vision.images import check_image
from vision.reading import Reading
from vision.reading_cache import hash_of, keep_reading, known_reading

LONGEST_QUESTION = 2_000
"""Characters."""
_IMAGE_GONE = "The image of this conversation is not kept any more: upload it again."


def open_image(data: bytes, name: str) -> ImageJob:
    """Give an image: it is read in the queue, unless it is known, and then kept with a new conversation about it.

    Returns: the job; its value is the id of the conversation.
    Raises: ImageRefused, ReaderBusy, NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("ask_image")
    check_image(data)
    settings = get_settings()
    image_hash = hash_of(data)

    def unknown() -> bool:
        return known_reading(settings, image_hash) is None

    def keep(read: ReadImage) -> str:
        with CHANGING:
            _keep(image_hash, read)
            return _begin(image_hash, name, actor)

    job = ImageJob(data, actor.name, unknown, keep)
    if not unknown():
        with CHANGING:
            if images.is_kept(image_hash):
                job.value = _begin(image_hash, name, actor)
                job.end()
                return job
    image_reader().submit(job)
    return job


def read_again(conversation: ImageConversation) -> ImageJob:
    """Read a kept image anew, where its reading is of an earlier reader. Raises: CannotAsk, ReaderBusy, NotAllowed."""
    actor = current_actor()
    actor.require("ask_image")
    image_hash = conversation.image_hash
    kept = images.image(image_hash)
    if kept is None:
        raise CannotAsk(_IMAGE_GONE)

    def unknown() -> bool:
        # Two tabs may ask for the same: the second finds it read.
        return known_reading(get_settings(), image_hash) is None

    def keep(read: ReadImage) -> None:
        with CHANGING:
            # A conversation that was deleted while its image was read must not bring the image back.
            if images.is_kept(image_hash):
                _keep(image_hash, read)

    job = ImageJob(kept.image, actor.name, unknown, keep)
    image_reader().submit(job)
    return job


def ask_question(conversation: ImageConversation, reading: Reading, question: str, answerer: str) -> Answering:
    """Ask about the image of a conversation. The answer comes in the background and is then written down.

    Raises: CannotAsk, NotAllowed, TooMuchAtOnce, QueryFailed, LakehouseError.
    """
    actor = current_actor()
    actor.require("ask_image" if answerer == EMBEDDED else "ask_model")
    wanted = question.strip()[:LONGEST_QUESTION]
    if not wanted:
        raise CannotAsk("Type a question first.")
    # Anew, as another tab may have gone on with it or deleted it.
    today = images.conversation(actor.name, conversation.conversation_id)
    if today is None:
        raise CannotAsk("There is no such conversation of yours any more: it was deleted.")
    kept = images.image(today.image_hash)
    if kept is None:
        raise CannotAsk(_IMAGE_GONE)
    settings, image, earlier = get_settings(), kept.image, today.earlier()

    def pieces(stopped: Callable[[], bool]) -> Iterator[str | Usage]:
        return ask(settings, answerer, image, reading, wanted, earlier, stopped)

    started = time.monotonic()

    def write_down(answering: Answering) -> None:
        given = _given(answering, time.monotonic() - started)
        image_conversations.record_answer(
            settings, conversation.conversation_id, conversation.image_hash, given, actor=actor.name, role=actor.role
        )
        look_again(IMAGE_QUESTIONS.name)

    return answers_under_way().begin(
        conversation.conversation_id,
        actor.name,
        lambda: Answering(actor.name, wanted, answerer, pieces, write_down),
    )


def delete_conversation(conversation_id: str) -> None:
    """Delete one of the visitor's own conversations, with its image if no other is about it.

    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("ask_image")
    if images.conversation(actor.name, conversation_id) is not None:
        answers_under_way().forget(conversation_id)
    with CHANGING:
        try:
            image_conversations.delete_conversation(get_settings(), conversation_id, actor=actor.name, role=actor.role)
        finally:
            for name in (IMAGE_QUESTIONS.name, IMAGES.name, IMAGE_READINGS.name):
                look_again(name)


def _keep(image_hash: str, read: ReadImage) -> None:
    """Keep an image, and its reading where it was read."""
    settings = get_settings()
    _, width, height = check_image(read.image)
    image_conversations.keep_image(settings, ImageToKeep(image_hash, read.media_type, width, height, read.image))
    if read.reading is not None:
        keep_reading(settings, image_hash, Reading.from_dict(read.reading))
    for name in (IMAGES.name, IMAGE_READINGS.name):
        look_again(name)


def _begin(image_hash: str, name: str, actor: Actor) -> str:
    conversation_id = image_conversations.open_conversation(
        get_settings(), image_hash, name, actor=actor.name, role=actor.role
    )
    look_again(IMAGE_QUESTIONS.name)
    return conversation_id


def _given(answering: Answering, seconds: float) -> GivenAnswer:
    usage, failure = answering.usage, answering.failure
    # With its usage an answer is whole, also if somebody stopped it a moment later.
    stopped = answering.stopped and usage is None
    event: Event = FAILED if failure is not None else STOPPED if stopped else ANSWERED
    return GivenAnswer(
        event=event,
        question=answering.question,
        answer=answering.text,
        answerer=answering.answerer,
        seconds=usage.seconds if usage else seconds,
        error=_sentence(failure),
        prompt_tokens=usage.input_tokens if usage else None,
        completion_tokens=usage.output_tokens if usage else None,
        cost_usd=usage.cost_usd if usage else None,
        price_source=usage.price_source if usage else None,
    )


def _sentence(failure: Exception | None) -> str:
    if failure is None or isinstance(failure, EXPECTED):
        return str(failure or "")
    return "It failed in a way that nobody foresaw; the dashboard's log says where."
