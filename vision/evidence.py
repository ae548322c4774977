"""Which words of an answer are text read on the image, and where that text stands.

A region is one place on the image that can be lit up. Its name is the id of a component or container as in the reading
(`c3`, `k1`), or `step-<n>`, `connection-<n>`, `legend-<n>` and `text-<n>`, where n counts from 0 in the reading: two
badges may have the same number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vision.mention import BRACKETS, STEP, WORD, Mention, compact, emphasised
from vision.reading import Box, Reading
from vision.unread_names import not_found

__all__ = ["Mention", "box_of", "mentions", "not_found"]

_LONGEST = 16
"""Words that a name may have. A longer text read is a note, and is matched by its whole line only."""


@dataclass(frozen=True)
class _Name:
    """A name as read, and the regions that have it."""

    text: str
    regions: tuple[str, ...]


def mentions(answer: str, reading: Reading) -> list[Mention]:
    """The names of the reading in an answer in Markdown, in the order of the answer, none inside another.

    Marked words (bold, code) match whatever their case; in plain words a name of one word has to be written as read,
    as "release" may be a verb and `Release` a component. Twins share a mention, which then has the regions of both.
    """
    names = _names(reading)
    marked = emphasised(answer)
    words = list(WORD.finditer(answer))
    found = list(_steps_named(answer, reading))
    taken = [(mention.start, mention.end) for mention in found]
    at = 0
    while at < len(words):
        mention, length = _name_at(answer, words, at, names, marked)
        if mention and not any(mention.start < end and start < mention.end for start, end in taken):
            found.append(mention)
            at += length
        else:
            at += 1
    return sorted(found, key=lambda mention: mention.start)


def box_of(reading: Reading, region: str) -> Box:
    """Where a region is, in pixels of the image as uploaded. Raises: KeyError."""
    boxes = {f"step-{place}": step.box for place, step in enumerate(reading.steps)}
    boxes.update({f"connection-{place}": connection.box for place, connection in enumerate(reading.connections)})
    boxes.update({f"legend-{place}": entry.box for place, entry in enumerate(reading.legend)})
    boxes.update({f"text-{place}": line.box for place, line in enumerate(reading.text)})
    return boxes[region] if region in boxes else reading.box_of(region)


def _names(reading: Reading) -> dict[str, _Name]:
    """Every text read that can be named, by its compact form: lines only where they are not the name of a part."""
    names: dict[str, _Name] = {}

    def add(named: list[tuple[str, str]]) -> None:
        before = set(names)
        for text, region in named:
            key = compact(text)
            if key and key not in before:
                known = names.get(key)
                names[key] = _Name(known.text, (*known.regions, region)) if known else _Name(text, (region,))

    parts = [(component.label, component.id) for component in reading.components]
    parts += [(container.label, container.id) for container in reading.containers]
    labels = [(step.label, f"step-{place}") for place, step in enumerate(reading.steps)]
    labels += [(arrow.label, f"connection-{place}") for place, arrow in enumerate(reading.connections) if arrow.label]
    labels += [(entry.label, f"legend-{place}") for place, entry in enumerate(reading.legend)]
    add(parts + labels)
    add([(line.text, f"text-{place}") for place, line in enumerate(reading.text)])
    add([(BRACKETS.sub(" ", label), region) for label, region in parts])
    return names


def _steps_named(answer: str, reading: Reading) -> Iterator[Mention]:
    """ "Step 3" and, alone in marks, "3": the badges with this number."""
    numbers: dict[str, tuple[str, ...]] = {}
    for place, step in enumerate(reading.steps):
        numbers[step.number] = (*numbers.get(step.number, ()), f"step-{place}")
    spans = [match.span() for match in STEP.finditer(answer) if match["number"].lower() in numbers]
    inside = [
        span
        for span in emphasised(answer)
        if answer[slice(*span)].strip(" ().").lower() in numbers
        and not any(start <= span[0] < end for start, end in spans)
    ]
    for start, end in [*spans, *inside]:
        text = answer[start:end]
        number = text.strip(" ().").lower().split()[-1]
        yield Mention(start, end, text, numbers[number])


def _name_at(
    answer: str, words: list[re.Match[str]], at: int, names: dict[str, _Name], marked: list[tuple[int, int]]
) -> tuple[Mention | None, int]:
    """The longest name that starts at a word of the answer, and of how many words it is."""
    start = words[at].start()
    key = ""
    best: tuple[Mention | None, int] = (None, 0)
    for length in range(1, min(_LONGEST, len(words) - at) + 1):
        word = words[at + length - 1]
        if length > 1 and _is_border(answer[words[at + length - 2].end() : word.start()]):
            break
        key += word.group().casefold()
        name = names.get(key)
        if name and _is_meant(answer[start : word.end()], name.text, _inside(start, word.end(), marked)):
            begin, end = _with_brackets(answer, start, word.end(), name.text)
            best = Mention(begin, end, answer[begin:end], name.regions), length
    return best


def _is_border(gap: str) -> bool:
    """Whether the signs between two words part two names: the end of a sentence or paragraph, marks, a list's comma."""
    return "\n\n" in gap or "**" in gap or "`" in gap or bool(re.search(r"[.;!?|]\s", gap)) or len(gap) > 8


def _inside(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    return any(left <= start and end <= right for left, right in spans)


def _is_meant(words: str, name: str, is_marked: bool) -> bool:
    """Whether words that spell a name mean it, rather than being words of the sentence."""
    if is_marked or len(WORD.findall(name)) > 1:
        return True
    as_read = WORD.findall(words) == WORD.findall(name)
    return as_read and (len(name) > 2 or name.isupper())


def _with_brackets(answer: str, start: int, end: int, name: str) -> tuple[int, int]:
    """The span with the signs that the name as read starts or ends with, such as the bracket of "Staging (main)"."""
    inner = WORD.search(name)
    if inner is None:
        return start, end
    before = name[: inner.start()]
    after = name[list(WORD.finditer(name))[-1].end() :]
    if before and answer[:start].endswith(before):
        start -= len(before)
    if after and answer.startswith(after, end):
        end += len(after)
    return start, end
