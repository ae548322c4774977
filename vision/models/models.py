"""Questions about an image to a multimodal model: streamed, with the reading as grounding, and given up in time.

The image goes to the place that the settings name for the chosen model and nowhere else, encoded anew without metadata.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import cache

import httpx2
from pydantic_ai import exceptions as failures
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from lakehouse.errors import LakehouseError
from metrics.price_list import NoPrice
from settings import Settings
from vision.answer import Turn, Usage
from vision.errors import ModelUnavailable
from vision.images import without_metadata
from vision.models.grounding import as_data, how_to_answer, new_fence
from vision.models.model_errors import unavailable
from vision.models.model_prices import cost_of
from vision.models.providers import Place, connected, http_client, place_of
from vision.reading import Reading

_LOG = logging.getLogger(__name__)
_LONGEST_SIDE = 2048
"""Pixels: larger images are reduced by the providers anyway."""
_MOST_BYTES = 4_500_000
"""The providers take 5 MB an image or more."""
_EARLIER_TURNS = 6
_EARLIER_LETTERS = 4_000
"""Of each earlier answer."""
_MOST_TOKENS = 8_000
"""Of an answer, what the model thinks before it included."""
_MOST_TOKENS_OF_OWN_SERVER = 3_000
"""The limit is taken off what fits into the context, which is small on a machine of one's own."""
_MOST_LETTERS = 40_000
"""A server that does not keep to the tokens is stopped here."""
_MOST_SECONDS = 600.0
"""Of an answer that goes on and on without ever being silent."""
_CUT_OFF = "\n\n> The model's limit for one answer was reached here."
_LOOK_SECONDS = 0.1
"""How often a waiting question looks whether it was cancelled."""
_FAILURES = (failures.AgentRunError, failures.UserError, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError)
"""TimeoutError is an OSError; a stream that is no JSON, or a key that cannot stand in a header, is a ValueError."""


def load(settings: Settings) -> None:
    """Load the client of each model of the settings, so that the first question does not wait; sends nothing.

    A model without an address or a key is left out: who asks it is told.
    """
    for model in settings.vision_model_names:
        with suppress(ModelUnavailable, *_FAILURES):
            place = place_of(settings, model)
            client = http_client(place, settings.vision_timeout_seconds)
            try:
                connected(place, client)
            finally:
                asyncio.run(client.aclose())


def ask_model(
    settings: Settings,
    model: str,
    image: bytes,
    reading: Reading,
    question: str,
    earlier: Sequence[Turn],
    cancelled: Callable[[], bool],
) -> Iterator[str | Usage]:
    """The answer of a model of the settings in Markdown, piece by piece, and last what it took.

    Once `cancelled()` is true, or the iterator is closed, the request is broken off within a fraction of a second and
    nothing more comes. Raises: ModelUnavailable, also in the middle of an answer; ImageRefused.
    """
    place = place_of(settings, model)
    messages = conversation(image, reading, question, earlier)
    started = time.monotonic()
    pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    client = http_client(place, settings.vision_timeout_seconds)
    # The provider's client is loaded here, as that takes seconds and would hold up the answers of everybody else.
    work = _stream(connected(place, client), client, place, messages, settings.vision_timeout_seconds, pieces.put)
    future = asyncio.run_coroutine_threadsafe(work, _event_loop())
    future.add_done_callback(lambda _: pieces.put(None))
    try:
        if not (yield from _arriving(pieces, cancelled)):
            return
        used = future.result()
    finally:
        future.cancel()
    yield _usage(settings, model, time.monotonic() - started, used)


def conversation(image: bytes, reading: Reading, question: str, earlier: Sequence[Turn]) -> list[ModelMessage]:
    """What is sent: how to answer, then the image and its reading, the last turns, and the question.

    Raises: ImageRefused.
    """
    fence = new_fence()
    data, media_type = _sent_image(image)
    turns = list(earlier)[-_EARLIER_TURNS:]
    first, *later = [*(turn.question for turn in turns), question]
    opening: list[UserContent] = [BinaryContent(data, media_type=media_type), as_data(reading, fence), first]
    messages: list[ModelMessage] = [
        ModelRequest(parts=[SystemPromptPart(how_to_answer(fence)), UserPromptPart(opening)])
    ]
    for turn, following in zip(turns, later, strict=True):
        messages += [
            ModelResponse(parts=[TextPart(turn.answer[:_EARLIER_LETTERS])]),
            ModelRequest(parts=[UserPromptPart(following)]),
        ]
    return messages


def _sent_image(image: bytes) -> tuple[bytes, str]:
    """The image encoded anew, as large as the providers take it, and its media type."""
    side = _LONGEST_SIDE
    data, media_type = without_metadata(image, side)
    while len(data) > _MOST_BYTES:
        # Bytes grow with the area; a little less, as small noise is harder to pack.
        side = int(0.9 * side * (_MOST_BYTES / len(data)) ** 0.5)
        data, media_type = without_metadata(image, side)
    return data, media_type


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """The one loop that all questions of this process are sent from, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="questions to models", daemon=True).start()
    return loop


def _arriving(pieces: "queue.SimpleQueue[str | None]", cancelled: Callable[[], bool]) -> Generator[str, None, bool]:
    """What has arrived, all of it at once, until None comes or the question is cancelled.

    Returns: whether None came, so that the answer is whole.
    """
    while True:
        # Asked first: what had come by then is still looked at, so that a whole answer is told from a broken-off one.
        over = cancelled()
        arrived: list[str | None] = []
        if not over:
            with suppress(queue.Empty):
                arrived.append(pieces.get(timeout=_LOOK_SECONDS))
        while not pieces.empty():
            arrived.append(pieces.get())
        if text := "".join(piece for piece in arrived if piece):
            yield text
        if None in arrived:
            return True
        if over:
            return False


async def _stream(
    model: Model,
    client: httpx2.AsyncClient,
    place: Place,
    messages: list[ModelMessage],
    silence: float,
    put: Callable[[str], None],
) -> RequestUsage:
    """Send the messages and put each piece of the answer; closes the client. Raises: ModelUnavailable."""
    letters = 0
    loop = asyncio.get_running_loop()
    too_late = loop.time() + _MOST_SECONDS
    most = _MOST_TOKENS_OF_OWN_SERVER if place.provider == "server" else _MOST_TOKENS
    limits = ModelSettings(max_tokens=most)
    try:
        async with client, asyncio.timeout(silence) as deadline:
            async with model_request_stream(model, messages, model_settings=limits, instrument=False) as answer:
                async for event in answer:
                    deadline.reschedule(loop.time() + silence)
                    if text := _text_of(event):
                        letters += len(text)
                        put(text)
                    if letters > _MOST_LETTERS or loop.time() > too_late:
                        raise ModelUnavailable(f"{place.model} came to no end and was stopped.")
            if answer.get().finish_reason == "length":
                put(_CUT_OFF)
            used = answer.usage
    except _FAILURES as error:
        # Without its cause: a traceback in a log would show what the provider's error holds.
        raise unavailable(error, place, silence) from None
    if not letters:
        raise ModelUnavailable(f"{place.model} answered with nothing: ask again, or ask another model.")
    return used


def _text_of(event: ModelResponseStreamEvent) -> str:
    """The text that an event brings; what a model thinks is left out."""
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _usage(settings: Settings, model: str, seconds: float, used: RequestUsage) -> Usage:
    if not used.input_tokens and not used.output_tokens:
        return Usage(model, seconds)
    cost = None
    try:
        cost = cost_of(settings, model, used.input_tokens, used.output_tokens)
    except (NoPrice, OSError, UnicodeDecodeError, LakehouseError) as error:
        # The answer is there and is shown; only what it cost is not known.
        _LOG.warning("The cost of an answer of %s is not known: %s", model, error)
    return Usage(
        model,
        seconds,
        used.input_tokens,
        used.output_tokens,
        cost.usd if cost else None,
        cost.source if cost else None,
    )
