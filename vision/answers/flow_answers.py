"""Answers about arrows: what feeds, calls, reads or writes what."""

import re
from collections.abc import Iterable, Sequence

from vision.answers.arrow_sentences import NO_ARROW, groups, told
from vision.answers.emphasis import all_named
from vision.answers.flow_questions import Flow, flow_of
from vision.answers.graph import Diagram
from vision.answers.meanings import keeps_data, means
from vision.answers.question_words import FUNCTION_WORDS, GENERIC, SERVICE_NOUNS, WEAK
from vision.answers.questions import Question
from vision.answers.wording import SYNONYM, alike, counted, has_word, stem, words_of
from vision.reading import Connection

_OF_ANY_ARROW_TEXT = "send call feed get use go connect read write receive flow point lead talk come reach take"
_OF_ANY_ARROW = frozenset(map(stem, _OF_ANY_ARROW_TEXT.split()))
"""Verbs that fit any arrow, so that a label with one of them tells nothing of the others."""
_MOST_WORDS = 70


def flow_answer(question: Question, diagram: Diagram) -> str | None:
    """The answer to a question about arrows; None if it names no part."""
    flow = flow_of(question, diagram)
    if flow is None:
        return None
    arrows = chosen_arrows(question, flow, diagram)
    if arrows:
        return " ".join([told(arrows, diagram), *_unsure_note(flow, diagram, arrows)])
    joined = [one for one in diagram.joined if touches(one, flow.parts, diagram, "both")]
    if joined:
        return told(joined, diagram)
    if flow.sense == "store" or re.match(r"where (?:is|are) @ \w+$", question.pattern):
        outer = [(part, diagram.around(part)[0]) for part in flow.parts if diagram.around(part)]
        if outer:
            return _stands_in(diagram, outer)
    return _nothing_read(flow, diagram)


def action_answer(question: Question, diagram: Diagram) -> str | None:
    """The stated arrows whose label says what the question says ("where are models registered"); None if there is none.

    What the question names wholly besides stands at one of their ends.
    """
    labels = {thing.label for thing in question.actions if thing.kind == "connection"}
    arrows = [one for one in (*diagram.arrows, *diagram.joined) if one.label in labels]
    action_words = [word for thing in question.actions for word in thing.words]
    for one in question.named:
        words = [word.text for word in question.words[one.start : one.end]]
        if one.parts and one.share >= 1 and not all(any(alike(word, own) for own in action_words) for word in words):
            family = family_of(one.parts, diagram)
            arrows = [arrow for arrow in arrows if arrow.source in family or arrow.target in family]
    return told(arrows, diagram) if arrows else None


def flows_answer(question: Question, diagram: Diagram) -> str:
    """All stated arrows, as many as a short answer takes."""
    arrows = [*diagram.arrows, *diagram.joined]
    if not arrows:
        return f"{NO_ARROW[0].upper()}{NO_ARROW[1:]}."
    sentences = [told(group, diagram) for group in groups(arrows, diagram)]
    chosen: list[str] = []
    while sentences and len(" ".join([*chosen, sentences[0]]).split()) <= _MOST_WORDS:
        chosen.append(sentences.pop(0))
    rest = f" {counted(len(sentences), 'more group')} of arrows: ask about a part." if sentences else ""
    return " ".join(chosen) + rest


def _stands_in(diagram: Diagram, outer: Sequence[tuple[str, str]]) -> str:
    """Where parts stand: (part, container) pairs."""
    parts = all_named(dict.fromkeys(diagram.label(part) for part, _ in outer))
    containers = all_named(dict.fromkeys(diagram.label(container) for _, container in outer))
    return f"{parts} stands in {containers}; {NO_ARROW} from it."


def chosen_arrows(question: Question, flow: Flow, diagram: Diagram) -> list[Connection]:
    """The stated arrows that a question is about."""
    arrows = _by_sense(flow, diagram)
    if flow.other:
        family = family_of(flow.other, diagram)
        between = [one for one in arrows if one.source in family or one.target in family]
        both_ways = [one for one in diagram.arrows if _joins(one, family_of(flow.parts, diagram), family)]
        arrows = between or both_ways
    for places in flow.places:
        arrows = _at_place(arrows, flow, places, diagram)
    return _of_asked_kind(question, flow, _with_words(question, arrows), diagram)


def family_of(parts: Iterable[str], diagram: Diagram) -> set[str]:
    """Parts with everything in them."""
    return {inner for part in parts for inner in diagram.family(part)}


def _joins(arrow: Connection, some: set[str], others: set[str]) -> bool:
    return (arrow.source in some and arrow.target in others) or (arrow.source in others and arrow.target in some)


def touches(arrow: Connection, parts: Sequence[str], diagram: Diagram, direction: str) -> bool:
    """Whether an arrow starts ("out") or ends ("in") at one of some parts, or crosses the border of a container."""
    for part in parts:
        family = diagram.family(part)
        starts, ends = arrow.source in family, arrow.target in family
        if starts and ends and part not in (arrow.source, arrow.target):
            continue
        if (starts and direction != "in") or (ends and direction != "out"):
            return True
    return False


def _around(flow: Flow, diagram: Diagram, direction: str) -> list[Connection]:
    return [one for one in diagram.arrows if touches(one, flow.parts, diagram, direction)]


def _by_sense(flow: Flow, diagram: Diagram) -> list[Connection]:
    """The arrows in the direction that is asked for.

    Some pictures draw arrows from the caller to what is called, others along the data. For what is read or written an
    arrow counts first that says so itself or by the legend, then one to or from a part that keeps data.
    """
    direction = flow.direction
    arrows = _around(flow, diagram, direction)
    if direction == "both" or flow.sense == "any":
        return arrows
    opposite = _around(flow, diagram, "in" if direction == "out" else "out")
    subject_keeps_data = any(keeps_data(diagram.label(part)) for part in flow.parts)
    choices = [[one for one in arrows if means(one, diagram, flow.sense)]] if flow.sense != "use" else []
    if flow.sense == "use" or subject_keeps_data:
        choices.append([one for one in opposite if means(one, diagram, flow.sense)])
    if flow.sense in ("write", "store"):
        choices.append([one for one in arrows if keeps_data(diagram.label(one.target))])
    elif not subject_keeps_data and flow.sense == "read":
        choices.append([one for one in arrows if keeps_data(diagram.label(_far_end(one, flow, diagram)))])
        choices.append([one for one in opposite if keeps_data(diagram.label(_far_end(one, flow, diagram)))])
    if (
        flow.sense == "get"
        and not subject_keeps_data
        and not any(keeps_data(diagram.label(one.source)) for one in arrows)
    ):
        choices.append([one for one in opposite if keeps_data(diagram.label(one.target))])
    choices += [arrows, opposite if flow.sense in ("read", "use", "process") or subject_keeps_data else []]
    return next((choice for choice in choices if choice), [])


def _far_end(arrow: Connection, flow: Flow, diagram: Diagram) -> str:
    return arrow.source if arrow.target in family_of(flow.parts, diagram) else arrow.target


def _at_place(arrows: list[Connection], flow: Flow, places: Sequence[str], diagram: Diagram) -> list[Connection]:
    """Of arrows those whose other end is in a container; where none is, those whose own end is."""
    for place in filter(diagram.is_container, places):
        family = diagram.family(place)
        far = [one for one in arrows if _far_end(one, flow, diagram) in family]
        near = [one for one in arrows if one.source in family or one.target in family]
        if far or near:
            return far or near
    return []


def _with_words(question: Question, arrows: list[Connection]) -> list[Connection]:
    """Of arrows those in whose label a word of the question stands ("triggers": `CI trigger`), if there are any."""
    inside = {at for one in question.named for at in range(one.start, one.end) if one.parts}
    words = [
        word.text
        for at, word in enumerate(question.words)
        if at not in inside and word.text not in FUNCTION_WORDS | GENERIC
    ]
    telling = [word for word in words if word not in WEAK and stem(word) not in _OF_ANY_ARROW]
    labelled = [one for one in arrows if one.label and any(has_word(one.label, word) for word in telling)]
    return labelled or arrows


def _of_asked_kind(question: Question, flow: Flow, arrows: list[Connection], diagram: Diagram) -> list[Connection]:
    """Of arrows those whose other end is what is asked for ("which tables …"), if any is."""
    telling = [word for word in question.asked if word not in GENERIC | WEAK | SERVICE_NOUNS]
    if not telling:
        return arrows
    fitting = [
        one
        for one in arrows
        if any(alike(telling[-1], own) >= SYNONYM for own in words_of(diagram.label(_far_end(one, flow, diagram))))
    ]
    return fitting or arrows


def _unsure_note(flow: Flow, diagram: Diagram, arrows: Sequence[Connection]) -> list[str]:
    """One sentence on lines at the same parts that could not be read with confidence."""
    if flow.direction == "both" or flow.other or flow.places:
        return []
    told_of = {(one.source, one.target) for one in arrows}
    unsure = {
        (one.source, one.target)
        for one in diagram.unsure
        if one.source in diagram.parts
        and one.target in diagram.parts
        and touches(one, flow.parts, diagram, flow.direction if one.directed else "both")
    } - told_of
    if not unsure:
        return []
    return [f"{counted(len(unsure), 'further line')} there could not be read with confidence."]


def _nothing_read(flow: Flow, diagram: Diagram) -> str:
    names = all_named(dict.fromkeys(diagram.labels(flow.parts)))
    where = {"in": f"to {names}", "out": f"from {names}", "both": f"to or from {names}"}[flow.direction]
    if flow.other:
        where = f"between {names} and {all_named(dict.fromkeys(diagram.labels(flow.other)))}"
    opposite = {"in": "out", "out": "in"}.get(flow.direction)
    containers = [place for places in flow.places for place in places if diagram.is_container(place)]
    if containers:
        where += f" in {all_named(dict.fromkeys(diagram.labels(containers)))}"
    sentence = f"{NO_ARROW} {where}."
    others = _around(flow, diagram, opposite) if opposite and not flow.other and not containers else []
    also = f" What was read: {told(others, diagram)[0].lower()}{told(others, diagram)[1:]}" if others else ""
    return sentence[0].upper() + sentence[1:] + also
