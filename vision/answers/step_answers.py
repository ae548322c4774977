"""Answers about numbered steps: what happens in one, which there are, which a part has."""

import re
from collections.abc import Sequence

from vision.answers.arrow_sentences import told
from vision.answers.emphasis import all_named, named
from vision.answers.graph import Diagram
from vision.answers.question_words import FUNCTION_WORDS
from vision.answers.questions import Question
from vision.answers.wording import alike, enumerated, words_of
from vision.reading import Connection, Step

_NUMBERED_TEXT = re.compile(r"^\W*(?:step|stage|phase)?\s*(\d+(?:\.\w+)*)\s*[.:)\]–—-]*\s*(?=\D)(.*)$", re.IGNORECASE)


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Steps by their numbers: 2 before 10, `3` before `3.a`."""
    return sorted(steps, key=lambda step: order_of(step.number))


def order_of(number: str) -> tuple[tuple[int, str], ...]:
    """What the number of a step is sorted by."""
    return tuple((int(part) if part.isdigit() else -1, part) for part in re.findall(r"\d+|[^\W\d_]+", number))


def step_answer(question: Question, diagram: Diagram) -> str:
    """What stands at a step, and what arrows say about it."""
    steps = in_order(diagram.reading.steps)
    between = _between(question, steps)
    if between:
        return _listed(between)
    step = _wanted(question, steps)
    if step is not None:
        return step_told(step, diagram)
    if question.number in [one.number for one in steps]:
        return (
            f"Step {question.number} is the {'first' if question.number == steps[0].number else 'last'} that was read."
        )
    if question.number is not None:
        written = [line.text for line in diagram.reading.text if _number_of(line.text) == question.number]
        if written:
            return " ".join(f"{named(text)}." for text in dict.fromkeys(written))
    if not steps:
        return "No numbered step was read on the image."
    read = f"The steps read are {enumerated([one.number for one in steps])}."
    if question.number is not None:
        return f"No step {question.number} was read on the image. {read}"
    return read


def step_told(step: Step, diagram: Diagram) -> str:
    """One step: its text, where it stands, and the stated arrows of its part."""
    arrows = arrows_of(step, diagram)
    at_arrow = [one for one in arrows if one.label and words_of(one.label) == words_of(step.label)]
    text = f"Step {step.number}: {named(step.label)}"
    part = step.component if step.component in diagram.parts else None
    around = diagram.around(part) if part else []
    if part and words_of(diagram.label(part)) != words_of(step.label) and not at_arrow:
        text += f", at {named(diagram.label(part))}"
    if around:
        text += f", in {named(diagram.label(around[0]))}"
    return f"{text}. {told(at_arrow or arrows, diagram)}".strip()


def arrows_of(step: Step, diagram: Diagram) -> list[Connection]:
    """The stated arrows that a step is about: those labelled as it is, else those of its part."""
    labelled = [
        one for one in (*diagram.arrows, *diagram.joined) if one.label and words_of(one.label) == words_of(step.label)
    ]
    if labelled or step.component not in diagram.parts:
        return labelled
    return [one for one in diagram.arrows if step.component in (one.source, one.target)]


def steps_answer(question: Question, diagram: Diagram) -> str:
    """The steps of a part or of a container, or all."""
    steps = in_order(diagram.reading.steps)
    if not steps:
        written = [line.text for line in diagram.reading.text if re.match(r"\W*step\s*\d", line.text, re.IGNORECASE)]
        if written:
            return f"{all_named(dict.fromkeys(written))}."
        return "No numbered step was read on the image."
    wanted = {part for one in question.named for named_part in one.parts for part in diagram.family(named_part)}
    labels = [thing.label for one in question.named for thing in one.things]
    labels += [thing.label for thing in question.actions]
    told_of = [step for step in steps if _is_said(step, question)]
    if told_of and not any(one.share >= 1 for one in question.named):
        return _listed(told_of)
    if question.named:
        own = [step for step in steps if step.component in wanted or step.label in labels]
        if not own:
            own = [step for step in steps if _stands_within(step, wanted, diagram)]
        if own:
            return _listed(_beside(own, steps, question.pattern))
        return f"No step was read at {all_named(dict.fromkeys(labels))}."
    return _listed(steps)


def _between(question: Question, steps: Sequence[Step]) -> list[Step]:
    """The steps from one number to another, if a question has two."""
    numbers = [step.number for step in steps]
    said = [numbers.index(word.text) for word in question.words if word.text in numbers]
    return list(steps[min(said) : max(said) + 1]) if len(said) > 1 else []


def _is_said(step: Step, question: Question) -> bool:
    """Whether the question has every word of a step's text ("at which step is the model evaluated": `Evaluation`)."""
    words = [word for word in words_of(step.label) if word not in FUNCTION_WORDS]
    return bool(words) and all(any(alike(word, said) for said in question.content_words) for word in words)


def _beside(own: Sequence[Step], steps: Sequence[Step], pattern: str) -> Sequence[Step]:
    """The step after or before some, if that is asked for, else these."""
    after = list(steps).index(own[-1]) + 1
    before = list(steps).index(own[0]) - 1
    if re.search(r"\bafter\b|\bfollows?\b", pattern) and after < len(steps):
        return [steps[after]]
    return [steps[before]] if re.search(r"\bbefore\b", pattern) and before >= 0 else own


def _listed(steps: Sequence[Step]) -> str:
    return "\n".join(f"- Step {step.number}: {named(step.label)}" for step in steps)


def _stands_within(step: Step, parts: set[str], diagram: Diagram) -> bool:
    across, down = (step.box[0] + step.box[2]) / 2, (step.box[1] + step.box[3]) / 2
    boxes = [diagram.parts[part].box for part in parts if diagram.is_container(part)]
    return any(left <= across <= right and top <= down <= bottom for left, top, right, bottom in boxes)


def _wanted(question: Question, steps: Sequence[Step]) -> Step | None:
    """The step that is asked for by its number, as first or last, or by its place after or before another."""
    if not steps:
        return None
    numbers = [step.number for step in steps]
    pattern = question.pattern
    if question.number in numbers:
        at = numbers.index(question.number)
        if re.search(r"\b(?:after|follow\w*|next)\b", pattern):
            return steps[at + 1] if at + 1 < len(steps) else None
        if re.search(r"\b(?:before|preced\w*|previous)\b", pattern):
            return steps[at - 1] if at else None
        return steps[at]
    if question.number is not None:
        return None
    if re.search(r"\bfirst\b", pattern):
        return steps[0]
    return steps[-1] if re.search(r"\b(?:last|final)\b", pattern) else None


def _number_of(text: str) -> str | None:
    match = _NUMBERED_TEXT.match(text)
    return match.group(1).lower() if match else None
