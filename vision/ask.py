"""One way to ask, whoever answers: the embedded reader, or a multimodal model from the settings."""

from collections.abc import Callable, Iterator, Sequence

from settings import Settings
from vision.answer import Turn, Usage
from vision.errors import ModelUnavailable
from vision.models.plain_markdown import without_links
from vision.reading import Reading

EMBEDDED = "embedded"
"""The answerer that needs no key and no network."""


def answerers(settings: Settings) -> list[str]:
    """Who can be asked: the embedded reader, then the models of the settings in their order."""
    return [EMBEDDED, *settings.vision_model_names]


def load_clients(settings: Settings) -> None:
    """Load the clients of the models that may be asked, which takes seconds; sends nothing."""
    if settings.vision_model_names:
        from vision.models.models import load

        load(settings)


def ask(
    settings: Settings,
    answerer: str,
    image: bytes,
    reading: Reading,
    question: str,
    earlier: Sequence[Turn],
    cancelled: Callable[[], bool],
) -> Iterator[str | Usage]:
    """The answer in Markdown, piece by piece, and last what it took.

    Ends early, without a usage, once `cancelled()` is true. Raises: ModelUnavailable, also in the middle of an answer.
    """
    if answerer not in answerers(settings):
        raise ModelUnavailable(
            f"{answerer!r} is not one of the models that may be asked; they are named in LAKEHELM_VISION_MODELS."
        )
    if answerer == EMBEDDED:
        from vision.answers.embedded import answer

        return answer(reading, question, earlier, cancelled)
    # Imported here: the clients of the providers take seconds to load, and the embedded reader needs none of them.
    from vision.models.models import ask_model

    return without_links(ask_model(settings, answerer, image, reading, question, earlier, cancelled))
