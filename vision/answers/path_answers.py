"""Answers about ways: along which arrows one part reaches another."""

from collections.abc import Sequence
from itertools import pairwise

from vision.answers.arrow_sentences import NO_ARROW, meaning, told
from vision.answers.emphasis import all_named, named
from vision.answers.flow_answers import flow_answer, touches
from vision.answers.graph import Diagram, shortest_way
from vision.answers.questions import Question


def path_answer(question: Question, diagram: Diagram) -> str | None:
    """By which way something gets from one part to another; None if no part is named."""
    starts, ends = _ends_of_path(question, diagram)
    if not ends and not starts:
        return None
    if starts and ends:
        way = shortest_way(diagram, starts, ends) or []
        back = [] if way else shortest_way(diagram, ends, starts) or []
        if not way and "connected" not in question.pattern and "between" not in question.pattern:
            back = []
        if way or back:
            return _way_told(way or back, diagram)
        return _pieces(starts, ends, diagram)
    if ends:
        return _way_into(ends, diagram)
    return flow_answer(question, diagram)


def _ends_of_path(question: Question, diagram: Diagram) -> tuple[list[str], list[str]]:
    """Where a way starts and where it ends. What moves ("trace data") starts where the arrow with that label does."""
    starts: list[str] = []
    ends: list[str] = []
    said_from: list[str] = []
    for place, one in enumerate(question.named):
        before = question.words[one.start - 1].text if one.start else ""
        if before in {"the", "a", "an"} and one.start > 1:
            before = question.words[one.start - 2].text
        is_end = before in {"to", "into", "reach", "in", "at", "and", "with"} or (
            place > 0 and place == len(question.named) - 1 and before != "from"
        )
        labelled = [
            diagram.reading.connections[at] for thing in one.things if thing.kind == "connection" for at in thing.places
        ]
        if before == "from":
            said_from += one.parts
        if labelled and not one.parts:
            starts += [arrow.source for arrow in labelled if arrow.stated]
        elif is_end or (len(question.named) == 1 and before in {"reach", "to", "into"}):
            ends += one.parts
        else:
            starts += one.parts
    return said_from or starts, ends


def _way_told(way: list[str], diagram: Diagram) -> str:
    """A way as one line in which an arrow stands for each arrow read; a way may go on from a part of a container."""
    pairs = {(one.source, one.target): one for one in diagram.arrows}
    text = named(diagram.label(way[0]))
    for before, part in pairwise(way):
        arrow = pairs.get((before, part))
        name = named(diagram.label(part))
        if arrow:
            text += f" → {name}{meaning(arrow, diagram)}"
        else:
            text += f", in it {name}" if before in diagram.around(part) else f", part of {name}"
    return f"Along the arrows read: {text}."


def _way_into(ends: Sequence[str], diagram: Diagram) -> str:
    """The longest way back from a part along arrows."""
    way = [ends[0]]
    while True:
        family = diagram.family(way[0])
        before = [one.source for one in diagram.arrows if one.target in family and one.source not in {*way, *family}]
        if not before:
            break
        way.insert(0, before[0])
    if len(way) == 1:
        return f"{NO_ARROW[0].upper()}{NO_ARROW[1:]} to {named(diagram.label(ends[0]))}."
    names = " → ".join(named(diagram.label(part)) for part in way)
    return f"Along the arrows read: {names}."


def _pieces(starts: Sequence[str], ends: Sequence[str], diagram: Diagram) -> str:
    """What could be read of a way that has a gap."""
    first = [one for one in diagram.arrows if touches(one, starts, diagram, "out")]
    last = [one for one in diagram.arrows if touches(one, ends, diagram, "in")]
    names = (
        f"from {all_named(dict.fromkeys(diagram.labels(starts)))} to {all_named(dict.fromkeys(diagram.labels(ends)))}"
    )
    pieces = told(list(dict.fromkeys([*first, *last]))[:4], diagram) if first or last else ""
    return f"No complete way {names} could be read with confidence. {pieces}".strip()
