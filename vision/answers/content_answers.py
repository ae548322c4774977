"""Answers about what there is: what is inside what, where a part is, whether there is one, how many, and which."""

import re
from collections.abc import Sequence

from vision.answers.arrow_sentences import NO_ARROW, told
from vision.answers.emphasis import all_named, named
from vision.answers.flow_answers import chosen_arrows
from vision.answers.flow_questions import flow_of
from vision.answers.glossary import is_kind_of, technologies_in
from vision.answers.graph import Diagram
from vision.answers.names import partly_named
from vision.answers.question_words import GENERIC, NUMBERS, SERVICE_NOUNS
from vision.answers.questions import Question
from vision.answers.step_answers import in_order
from vision.answers.things import Thing, things_of
from vision.answers.wording import FORM, SYNONYM, alike, counted, stem, words_of

NOT_READ = "No such text was read on the image."
_LONGEST_LIST = 24
_WHOLLY = 0.85
"""Which part of the words of a phrase has to fit a name, so that the phrase means it."""
_OUTER_TEXT = """
container containers environment environments stage stages phase phases group groups layer layers zone zones region
regions area areas section sections cluster clusters boundary boundaries
"""
_OUTER_NOUNS = frozenset(_OUTER_TEXT.split())
_WORD_OF = {number: word for word, number in reversed(NUMBERS.items()) if not word.endswith(("th", "st", "nd", "rd"))}


def inside_answer(question: Question, diagram: Diagram) -> str:
    """What a container holds; of a kind, if the question asks for one."""
    sentences: list[str] = []
    parts = [part for one in question.named for part in one.parts]
    containers = [part for part in parts if diagram.is_container(part)]
    if not containers and "else" in question.pattern:
        containers = list(dict.fromkeys(diagram.around(part)[0] for part in parts if diagram.around(part)))
    if re.search(r"\boutside\b", question.pattern) and containers:
        outside = [part for part in diagram.parts if not {part, *diagram.around(part)} & set(containers)]
        plain = [part for part in outside if not diagram.is_container(part)]
        return f"Outside of it: {shortened(diagram.labels(plain))}." if plain else NOT_READ
    for container in containers:
        direct, everything = diagram.members(container), diagram.within(container)
        wanted = _of_kind(question.asked, everything, diagram)
        if wanted:
            sentences.append(f"In {named(diagram.label(container))}: {all_named(diagram.labels(wanted))}.")
            continue
        if not direct:
            continue
        text = f"In {named(diagram.label(container))}: {all_named(diagram.labels(direct))}"
        nested = [part for part in direct if diagram.is_container(part) and diagram.members(part)]
        text += "".join(
            f"; in {named(diagram.label(part))}: {all_named(diagram.labels(diagram.members(part)))}" for part in nested
        )
        sentences.append(f"{text}.")
    if sentences:
        return " ".join(dict.fromkeys(sentences))
    names = all_named(dict.fromkeys(diagram.labels(containers)))
    return f"Nothing could be read inside {names}." if containers else NOT_READ


def _of_kind(asked: Sequence[str], parts: Sequence[str], diagram: Diagram) -> list[str]:
    """Of parts those in whose names the noun stands that is asked for; none where that says no kind."""
    noun = asked[-1] if asked else ""
    bearing = _bearing(noun, parts, diagram)
    kind = " ".join(word for word in asked if word not in GENERIC and word not in SERVICE_NOUNS)
    if kind and noun in GENERIC:
        return [part for part in parts if is_kind_of(diagram.label(part), kind)] or _bearing(kind, parts, diagram)
    if noun in GENERIC or noun in SERVICE_NOUNS:
        # "Which services …?" asks for everything, unless several parts are called so.
        return bearing if len(bearing) > 1 else []
    return bearing or [part for part in parts if is_kind_of(diagram.label(part), kind)]


def _bearing(words: str, parts: Sequence[str], diagram: Diagram) -> list[str]:
    """The parts in whose names all of some words stand."""
    wanted = words.split()

    def bears(part: str) -> bool:
        names = words_of(diagram.label(part))
        return bool(wanted) and all(any(alike(word, own) >= SYNONYM for own in names) for word in wanted)

    return [part for part in parts if bears(part)]


def container_answer(question: Question, diagram: Diagram) -> str | None:
    """In which container a part is; None if the question names none."""
    parts = [part for one in question.named for part in one.parts]
    if not parts:
        return None
    sentences = []
    for part in parts:
        around = diagram.around(part)
        if around:
            outer = " in ".join(named(diagram.label(container)) for container in around)
            sentences.append(f"{named(diagram.label(part))} is in {outer}.")
    if sentences:
        return " ".join(dict.fromkeys(sentences))
    name = all_named(dict.fromkeys(diagram.labels(parts)))
    return f"{name} was read {_side(parts[0], diagram)} of the image, in no container."


def _side(part: str, diagram: Diagram) -> str:
    left, top, right, bottom = diagram.parts[part].box
    across = (left + right) / 2 / max(1, diagram.reading.width)
    down = (top + bottom) / 2 / max(1, diagram.reading.height)
    rows = "top" if down < 0.36 else "bottom" if down > 0.64 else ""
    columns = "left" if across < 0.36 else "right" if across > 0.64 else ""
    return f"at the {' '.join(side for side in (rows, columns) if side) or 'centre'}"


def count_answer(question: Question, diagram: Diagram) -> str:
    """How many there are of what is asked for, with their names."""
    reading = diagram.reading
    asked = question.asked
    noun = asked[-1] if asked else ""
    named_parts = tuple(part for one in question.named for part in one.parts)
    inner = [part for one in question.named for part in one.parts if diagram.is_container(part)]
    if noun.startswith("step"):
        numbers = [step.number for step in in_order(reading.steps)]
        return f"{_number(len(numbers))} numbered steps were read{': ' + ', '.join(numbers) if numbers else ''}."
    if noun.startswith(("arrow", "connection", "line")) and not question.named:
        stated = len(diagram.arrows) + len(diagram.joined)
        return f"{_number(stated)} could be read with confidence, {len(diagram.unsure)} more without it."
    if named_parts and noun.startswith(("arrow", "connection", "line")):
        return _counted_arrows(question, named_parts, diagram)
    if named_parts and question.verb is not None and not inner:
        return _counted_ends(question, diagram)
    pool = [part for container in inner for part in diagram.within(container)] or list(diagram.parts)
    wanted = _of_kind(asked, pool, diagram)
    if not wanted and not inner:
        things = [thing for one in question.named for thing in one.things if thing.parts]
        wanted = [part for thing in things for part in thing.parts]
    telling = [word for word in asked if word not in GENERIC and word not in SERVICE_NOUNS]
    if not wanted and noun in _OUTER_NOUNS:
        wanted = [part for part in pool if diagram.is_container(part)]
    if not wanted and not telling:
        wanted = [
            part for part in (diagram.members(inner[0]) if inner else pool) if inner or not diagram.is_container(part)
        ]
    if not wanted:
        written = [
            line.text
            for line in reading.text
            if telling and any(alike(telling[-1], own) >= FORM for own in words_of(line.text))
        ]
        return (
            f"{all_named(dict.fromkeys(written))} was read."
            if written
            else f"None: {NOT_READ[0].lower()}{NOT_READ[1:]}"
        )
    different = len(set(diagram.labels(wanted)))
    also = f", of {_number(different)} different names" if 1 < different < len(wanted) else ""
    return f"{_number(len(wanted))}{also}: {shortened(diagram.labels(wanted))}."


def _counted_arrows(question: Question, parts: Sequence[str], diagram: Diagram) -> str:
    """How many stated arrows leave or reach some parts."""
    leaves = re.search(r"\b(?:leav|start|out|from|go)\w*\b", question.pattern)
    reaches = re.search(r"\b(?:enter|reach|end|into|to|arriv|point)\w*\b", question.pattern)
    arrows = [
        one
        for one in diagram.arrows
        if (one.source in parts and (leaves or not reaches)) or (one.target in parts and (reaches or not leaves))
    ]
    return f"{_number(len(arrows))} could be read with confidence. {told(arrows, diagram)}".strip()


def _counted_ends(question: Question, diagram: Diagram) -> str:
    """How many parts stand at the other ends of the arrows that a question is about."""
    flow = flow_of(question, diagram)
    arrows = chosen_arrows(question, flow, diagram) if flow else []
    own = set(flow.parts) if flow else set()
    ends = list(dict.fromkeys(end for one in arrows for end in (one.source, one.target) if end not in own))
    ends = _of_kind(question.asked, ends, diagram) or ends
    if not ends:
        return f"{NO_ARROW[0].upper()}{NO_ARROW[1:]} there."
    return f"{_number(len(ends))} by the arrows that were read with confidence: {shortened(diagram.labels(ends))}."


def _number(number: int) -> str:
    word = _WORD_OF.get(str(number))
    return f"{number} ({word})" if word else str(number)


def shortened(labels: Sequence[str]) -> str:
    """Names in one enumeration, as many as a short answer takes."""
    if len(labels) <= _LONGEST_LIST:
        return all_named(labels)
    return f"{', '.join(named(label) for label in labels[:_LONGEST_LIST])} and {len(labels) - _LONGEST_LIST} more"


def list_answer(question: Question, diagram: Diagram) -> str:
    """All parts of the kind that is asked for."""
    asked = question.asked or tuple(words_of(question.unknown[-1])) if question.unknown else question.asked
    telling = [word for word in asked if word not in GENERIC and word not in SERVICE_NOUNS]
    reading = diagram.reading
    if not telling and any(stem(word) == stem("technology") or word in {"tool", "tools", "products"} for word in asked):
        found = [name for part in diagram.parts for name, _ in technologies_in(diagram.label(part))]
        found += [name for line in reading.text for name, _ in technologies_in(line.text)]
        if found:
            return f"{shortened(list({name.casefold(): name for name in reversed(found)}.values()))}."
    if asked:
        wanted = _of_kind(asked, list(diagram.parts), diagram) or [
            part for thing in partly_named(telling, things_of(diagram))[0] for part in thing.parts
        ]
        if wanted:
            return f"{shortened(list(dict.fromkeys(diagram.labels(wanted))))}."
    if telling:
        written = [thing.label for thing in partly_named(telling, things_of(diagram))[0]]
        return f"{all_named(written)}." if written else NOT_READ
    containers = [part for part in diagram.parts if diagram.is_container(part)]
    if re.search(r"\b(?:not (?:in|inside|part of)|outside|in no)\b", question.pattern):
        alone = [part for part in diagram.parts if not diagram.around(part) and not diagram.is_container(part)]
        return f"{shortened(diagram.labels(alone))}." if alone else NOT_READ
    if question.unknown:
        return NOT_READ
    if containers and asked and asked[-1] in _OUTER_NOUNS:
        return f"{shortened(diagram.labels(containers))}."
    if asked or re.search(r"\b(?:list|all|everything|name)\b", question.pattern):
        labels = [component.label for component in reading.components]
        return f"{counted(len(labels), 'component')}: {shortened(labels)}." if labels else NOT_READ
    return NOT_READ


def described(things: Sequence[Thing], diagram: Diagram) -> str:
    """What was read about things that a question names: where they are, what they hold, their arrows, their step."""
    sentences: list[str] = []
    parts = [part for thing in things for part in thing.parts]
    for part in parts[:3]:
        around, members = diagram.around(part), diagram.members(part) if diagram.is_container(part) else []
        text = named(diagram.label(part))
        text += f", in {named(diagram.label(around[0]))}" if around else ""
        text += f", holds {shortened(diagram.labels(members))}" if members else ""
        steps = [step.number for step in diagram.reading.steps if step.component == part]
        text += f", step {steps[0]}" if steps else ""
        arrows = [one for one in diagram.arrows if part in (one.source, one.target)]
        sentences.append(f"{text}.")
        if arrows:
            sentences.append(told(arrows[:4], diagram))
        elif not members:
            sentences.append(f"{NO_ARROW[0].upper()}{NO_ARROW[1:]} at it.")
    if len(parts) > 3:
        sentences.append(f"{len(parts) - 3} more bear such a name.")
    for thing in things:
        sentences += _label_told(thing, diagram)
    return " ".join(dict.fromkeys(sentences))


def _label_told(thing: Thing, diagram: Diagram) -> list[str]:
    """What a text is that names no part: the label of an arrow, of a step, of the legend, or just text."""
    reading = diagram.reading
    if thing.kind == "connection":
        stated = [reading.connections[at] for at in thing.places if reading.connections[at].stated]
        known = [one for one in stated if one.source in diagram.parts and one.target in diagram.parts]
        return [told(known, diagram)] if known else [f"{named(thing.label)} stands at a line; {NO_ARROW} there."]
    if thing.kind == "legend":
        return [f"{named(thing.label)} stands in the legend."]
    if thing.kind == "step":
        numbers = [reading.steps[at].number for at in thing.places]
        return [f"{named(thing.label)} is step {' and '.join(numbers)}."]
    if thing.kind == "text":
        return [f"{named(thing.label)} was read on the image."]
    return []
