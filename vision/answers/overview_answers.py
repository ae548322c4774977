"""Answers about the picture as a whole: what stands where, where arrows start and end, what was not read."""

import re
from collections import Counter
from collections.abc import Callable

from vision.answers.content_answers import shortened
from vision.answers.emphasis import all_named, named
from vision.answers.graph import Diagram, in_reading_order
from vision.answers.questions import Question
from vision.answers.step_answers import in_order
from vision.answers.wording import counted
from vision.reading import Box, Component, Container

_UNSURE_TEXT = 0.8
"""Confidence of the text recognition below which a line is said to be hard to read."""


def place_answer(question: Question, diagram: Diagram) -> str:
    """What stands at a side or in the centre of the image, or beside a part."""
    beside = re.search(r"\b(above|over|below|beneath|underneath|next to|beside|left of|right of) @", question.pattern)
    anchors = [part for one in question.named for part in one.parts]
    components: list[Component | Container] = list(diagram.reading.components or diagram.reading.containers)
    if beside and anchors:
        box = diagram.parts[anchors[0]].box
        others = [one for one in components if one.id not in anchors]
        near = _beside(beside.group(1), box, others)
        return f"{all_named(one.label for one in near)}." if near else "Nothing was read there."
    words = {word.text for word in question.words}
    width, height = diagram.reading.width, diagram.reading.height
    if words & {"centre", "center", "middle"}:
        nearest = min(components, key=lambda one: _distance(one.box, (width / 2, height / 2)), default=None)
        return f"{named(nearest.label)}." if nearest else "Nothing was read there."
    tests: list[Callable[[float, float], bool]] = []
    tests += [lambda across, down: down < height / 3] if words & {"top", "upper"} else []
    tests += [lambda across, down: down > height * 2 / 3] if words & {"bottom", "lower"} else []
    tests += [lambda across, down: across < width / 3] if "left" in words else []
    tests += [lambda across, down: across > width * 2 / 3] if "right" in words else []
    found = [one for one in in_reading_order(components) if all(test(*_centre(one.box)) for test in tests)]
    return f"{shortened([one.label for one in found])}." if found else "Nothing was read there."


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _distance(box: Box, point: tuple[float, float]) -> float:
    across, down = _centre(box)
    return float((across - point[0]) ** 2 + (down - point[1]) ** 2)


def _beside(side: str, box: Box, others: list[Component | Container]) -> list[Component | Container]:
    """The nearest part on a side, with those that stand in one row or column with it."""

    def gap(one: Component | Container) -> float | None:
        left, top, right, bottom = one.box
        shares_column = left < box[2] and right > box[0]
        shares_row = top < box[3] and bottom > box[1]
        gaps = {
            "above": box[1] - bottom if shares_column else -1,
            "below": top - box[3] if shares_column else -1,
            "left": box[0] - right if shares_row else -1,
            "right": left - box[2] if shares_row else -1,
        }
        names = {
            "above": ["above"], "over": ["above"], "below": ["below"], "beneath": ["below"], "underneath": ["below"],
            "left of": ["left"], "right of": ["right"], "next to": ["left", "right"], "beside": ["left", "right"],
        }[side]  # fmt: skip
        open_gaps = [gaps[name] for name in names if gaps[name] >= 0]
        return min(open_gaps) if open_gaps else None

    known = [(distance, one) for one in others if (distance := gap(one)) is not None]
    if not known:
        return []
    nearest = min(distance for distance, _ in known)
    margin = max(10, (box[3] - box[1]) / 2)
    return [one for distance, one in known if distance <= nearest + margin]


def ends_answer(question: Question, diagram: Diagram) -> str:
    """Where arrows only start, or only end; where steps are numbered, the first or last of them."""
    asks_end = bool(re.search(r"\b(?:end|ends|stop|last|final|sinks?|finish\w*)\b", question.pattern))
    steps = in_order(diagram.reading.steps)
    if steps and re.search(r"\b(?:first|last|final)\b|\bat (?:very )?\w+$", question.pattern):
        step = steps[-1] if asks_end else steps[0]
        return f"Step {step.number}: {named(step.label)}."
    inner = {inner for one in question.named for part in one.parts for inner in diagram.family(part)}
    if any(diagram.is_container(part) for part in inner):
        return _border(inner, diagram, asks_end=asks_end)
    sources = {one.source for one in diagram.arrows}
    targets = {one.target for one in diagram.arrows}
    ends = [part for part in diagram.parts if part in (targets - sources if asks_end else sources - targets)]
    if not ends:
        return "No arrow was read with confidence that would show it."
    what = "only end" if asks_end else "only start"
    return f"By the arrows that were read with confidence, they {what} at {shortened(diagram.labels(ends))}."


def _border(inner: set[str], diagram: Diagram, *, asks_end: bool) -> str:
    """Where arrows come into a container, or leave it."""
    crossing = [one for one in diagram.arrows if (one.source in inner) != (one.target in inner)]
    ends = [one.source for one in crossing if one.source in inner] if asks_end else []
    ends = ends or [one.target for one in crossing if one.target in inner and not asks_end]
    if not ends:
        return "No arrow was read with confidence that would show it."
    way = "leave it" if asks_end else "come in"
    parts = shortened(diagram.labels(dict.fromkeys(ends)))
    return f"By the arrows that were read with confidence, they {way} at {parts}."


def busiest_answer(diagram: Diagram) -> str:
    """The parts at which most stated arrows start or end."""
    degrees = Counter(part for one in (*diagram.arrows, *diagram.joined) for part in (one.source, one.target))
    if not degrees:
        return "No arrow could be read with confidence."
    most = max(degrees.values())
    parts = [part for part in diagram.parts if degrees[part] == most]
    verb = "has" if len(parts) == 1 else "have"
    return f"{all_named(diagram.labels(parts))} {verb} the most arrows that could be read with confidence: {most}."


def missing_answer(diagram: Diagram) -> str:
    """Parts at which no arrow could be read. What a design lacks is not for a picture to say."""
    touched = {part for one in (*diagram.arrows, *diagram.joined) for part in (one.source, one.target)}
    touched |= {outer for part in touched for outer in diagram.around(part)}
    alone = [part.label for part in diagram.reading.components if part.id not in touched]
    if not alone:
        return "Every component has an arrow that could be read with confidence. " + unread_answer(diagram)
    return f"No arrow could be read with confidence at {shortened(alone)}. {unread_answer(diagram)}"


def unread_answer(diagram: Diagram) -> str:
    """What could not be read with confidence."""
    reading = diagram.reading
    notes: list[str] = []
    if diagram.unsure:
        what = counted(len(diagram.unsure), "line")
        notes.append(
            f"{what} could not be read with confidence and {'is' if len(diagram.unsure) == 1 else 'are'} left out."
        )
    weak = [line.text for line in reading.text if line.confidence < _UNSURE_TEXT and len(line.text) > 2]
    if weak:
        notes.append(f"Hard to read: {shortened(weak[:6])}.")
    gaps = _missing_numbers(diagram)
    if gaps:
        notes.append(f"Among the numbered steps {', '.join(gaps)} was not read.")
    return " ".join(notes) or "All text and lines that were found could be read with confidence."


def _missing_numbers(diagram: Diagram) -> list[str]:
    numbers = {int(step.number) for step in diagram.reading.steps if step.number.isdigit()}
    return [str(number) for number in range(1, max(numbers, default=0)) if number not in numbers]
