"""A conversation about an image as a file to take along: Markdown and the picture with what was read on it."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise

from markdown_it import MarkdownIt

from dashboard.annotated_image import annotated
from dashboard.image_markdown import first_ones
from dashboard.queries.images import FAILED, STOPPED, AskedQuestion, ImageConversation
from dashboard.wording import plain
from vision.ask import EMBEDDED
from vision.evidence import mentions, not_found
from vision.mention import emphasised
from vision.reading import Reading

PICTURE, WORDS = "diagram.png", "conversation.md"
NOT_FOUND = " (not found on the image)"
_LEVEL, _DEEPEST = 3, 6
"""The level of an answer's highest headings, below that of its question, and the last one that Markdown has."""
_NEW_LINE = re.compile(r"\r\n?|\n")


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
    parts += [part for asked in conversation.questions for part in _asked(asked, reading)]
    parts += _read(reading)
    return "\n\n".join(parts) + "\n"


def _asked(asked: AskedQuestion, reading: Reading) -> Iterator[str]:
    yield f"## {plain(asked.question)}"
    # The embedded reader names only what it read; what models name is looked for, as on the page.
    yield _lowered(asked.answer if asked.answerer == EMBEDDED else _with_what_is_missing(asked.answer, reading))
    if asked.event == STOPPED:
        yield "*The answer was stopped here.*"
    if asked.event == FAILED:
        yield f"*No answer: {plain(asked.error)}*"
    answerer = "the embedded reader" if asked.answerer == EMBEDDED else asked.answerer
    yield f"*{plain(answerer)}, {asked.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC*"


def _with_what_is_missing(answer: str, reading: Reading) -> str:
    """An answer with a word after each name that was not read."""
    marked = emphasised(answer)
    for mention in reversed(first_ones([*mentions(answer, reading), *not_found(answer, reading)])):
        if not mention.regions:
            # After the marks of a bold name, as within them the word would look like a part of it.
            is_marked = any(end == mention.end for _, end in marked)
            after = answer[mention.end :]
            place = len(answer) - len(after.lstrip("*_`") if is_marked else after)
            answer = answer[:place] + NOT_FOUND + answer[place:]
    return answer


def _lowered(answer: str) -> str:
    """An answer whose headings are just below that of its question; what looks like one in its code is left alone."""
    lines = _NEW_LINE.split(answer)
    tokens = pairwise(MarkdownIt("commonmark").parse(answer))
    headings = [pair for pair in tokens if pair[0].type == "heading_open" and pair[0].level == 0]
    highest = min((int(opening.tag[1]) for opening, _ in headings), default=1)
    for opening, words in reversed(headings):
        level = min(int(opening.tag[1]) - highest + _LEVEL, _DEEPEST)
        if opening.map:
            # What is a heading by the line of signs below it may have several lines, and becomes one with signs.
            lines[slice(*opening.map)] = [f"{'#' * level} {words.content.replace(chr(10), ' ')}"]
    return "\n".join(lines)


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
