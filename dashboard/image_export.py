"""A conversation about an image as a file to take along: Markdown and the picture with what was read on it."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC

from dashboard.annotated_image import annotated
from dashboard.queries.images import FAILED, STOPPED, AskedQuestion, ImageConversation
from dashboard.wording import plain
from vision.reading import Reading

PICTURE, WORDS = "diagram.png", "conversation.md"


def exported(conversation: ImageConversation, image: bytes, reading: Reading) -> bytes:
    """A ZIP file with the conversation in Markdown and the annotated picture beside it."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(WORDS, as_markdown(conversation, reading))
        archive.writestr(PICTURE, annotated(image, reading))
    return written.getvalue()


def as_markdown(conversation: ImageConversation, reading: Reading) -> str:
    """The conversation in Markdown: what was asked and answered, and what was read."""
    parts = [f"# {plain(conversation.image_name or 'Image')}", f"![The diagram, with what was read on it]({PICTURE})"]
    parts += [part for asked in conversation.questions for part in _asked(asked)]
    parts += _read(reading)
    return "\n\n".join(parts) + "\n"


def _asked(asked: AskedQuestion) -> Iterator[str]:
    yield f"## {plain(asked.question)}"
    # Headings of an answer stay below that of its question.
    yield "\n".join(f"##{line}" if line.startswith("#") else line for line in asked.answer.splitlines())
    if asked.event == STOPPED:
        yield "*The answer was stopped here.*"
    if asked.event == FAILED:
        yield f"*No answer: {plain(asked.error)}*"
    yield f"*{plain(asked.answerer)}, {asked.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC*"


def _read(reading: Reading) -> Iterator[str]:
    labels = {component.id: component.label for component in reading.components}
    labels |= {container.id: container.label for container in reading.containers}
    yield "## What was read"
    for title, lines in (
        ("Components", [_inside(labels, part.label, part.container) for part in reading.components]),
        ("Containers", [_inside(labels, part.label, part.parent) for part in reading.containers]),
        ("Steps", [f"{plain(step.number)}: {plain(step.label)}" for step in reading.steps]),
        (
            "Connections",
            [
                f"{plain(labels.get(one.source, one.source))} {'→' if one.directed else '—'} "
                f"{plain(labels.get(one.target, one.target))}" + (f" ({plain(one.label)})" if one.label else "")
                for one in reading.connections
                if one.stated
            ],
        ),
    ):
        if lines:
            yield f"### {title}"
            yield "\n".join(f"- {line}" for line in lines)


def _inside(labels: dict[str, str], label: str, container: str | None) -> str:
    return plain(label) + (f" (in {plain(labels[container])})" if container in labels else "")
