"""Answers of yes or no: whether something was read, is inside another part, or has an arrow to it."""

import re
from collections.abc import Sequence

from vision.answers.arrow_sentences import told
from vision.answers.content_answers import NOT_READ, container_answer
from vision.answers.emphasis import all_named, named
from vision.answers.flow_answers import chosen_arrows, flow_answer
from vision.answers.flow_questions import flow_of
from vision.answers.glossary import backgrounds, is_kind_of
from vision.answers.graph import Diagram, shortest_way
from vision.answers.names import Named
from vision.answers.questions import Question
from vision.answers.things import Thing

_WHOLLY = 0.85
"""Which part of the words of a phrase has to fit a name, so that the phrase means it."""


def presence_answer(question: Question, diagram: Diagram) -> str:
    """Whether something was read, or whether two parts are related as the question says."""
    parts = [one for one in question.named if one.parts]
    if len(parts) >= 2:
        return _related(question, parts, diagram)
    subject = max(question.named, key=lambda one: one.coverage, default=None)
    if subject is None:
        return f"No. {NOT_READ}"
    if question.unknown:
        read = all_named(dict.fromkeys(thing.label for thing in subject.things))
        return f"No text that was read says so; what was read is {read}."
    if subject.parts and question.verb is not None and question.verb >= subject.end:
        verb = question.words[question.verb].text
        if not verb.startswith("us"):
            return _has_arrows(question, diagram)
    if subject.coverage < _WHOLLY:
        near = all_named(dict.fromkeys(thing.label for thing in subject.things))
        return f"No: exactly such a text was not read on the image. Near to it: {near}."
    text = f"Yes: {_where_named(subject.things, diagram)}"
    if _is_by_kind(subject, question):
        # That this is one of those is no text of the image.
        text = "\n\n".join([text, *backgrounds(thing.label for thing in subject.things)[:2]])
    return text


def _has_arrows(question: Question, diagram: Diagram) -> str:
    """Whether a part has arrows of the kind that is asked for."""
    flow = flow_of(question, diagram)
    arrows = chosen_arrows(question, flow, diagram) if flow else []
    if arrows:
        return f"Yes. {told(arrows, diagram)}"
    return flow_answer(question, diagram) or f"No. {NOT_READ}"


def _is_by_kind(subject: Named, question: Question) -> bool:
    words = " ".join(word.text for word in question.words[subject.start : subject.end])
    return any(is_kind_of(thing.label, words) for thing in subject.things)


def _where_named(things: Sequence[Thing], diagram: Diagram) -> str:
    """Names with where they stand."""
    parts = [part for thing in things for part in thing.parts]
    if not parts:
        return f"{all_named(dict.fromkeys(thing.label for thing in things))}."
    texts = []
    for part in parts:
        around = diagram.around(part)
        outer = f" in {named(diagram.label(around[0]))}" if around else ""
        texts.append(f"{named(diagram.label(part))}{outer}")
    return f"{', '.join(dict.fromkeys(texts))}."


def _related(question: Question, parts: Sequence[Named], diagram: Diagram) -> str:
    """Yes or no: whether one part is in another, or whether an arrow leads from one to the other."""
    some, others = parts[0].parts, parts[1].parts
    asks_inside = re.search(
        r"\b(?:in|inside|within|part of|belongs? to|contains?|includes?|have|has)\b", question.pattern
    )
    if asks_inside and any(diagram.is_container(part) for part in (*some, *others)):
        holds = [(inner, outer) for inner in some for outer in others if outer in diagram.around(inner)]
        holds += [(inner, outer) for inner in others for outer in some if outer in diagram.around(inner)]
        if holds:
            return f"Yes: {named(diagram.label(holds[0][0]))} is in {named(diagram.label(holds[0][1]))}."
        if question.verb is None:
            return f"No: {container_answer(question, diagram)}"
    flow = flow_of(question, diagram)
    if flow and flow.other:
        some, others = flow.parts, flow.other
    from_some = {part for one in some for part in diagram.family(one)}
    from_others = {part for one in others for part in diagram.family(one)}
    forth = [one for one in diagram.arrows if one.source in from_some and one.target in from_others]
    back = [one for one in diagram.arrows if one.source in from_others and one.target in from_some]
    wanted, opposite = (back, forth) if flow and flow.direction == "in" else (forth, back)
    if wanted or (flow and (flow.direction == "both" or flow.sense in ("read", "use")) and opposite):
        return f"Yes. {told(wanted or opposite, diagram)}"
    if opposite:
        return f"No such arrow was read. {told(opposite, diagram)}"
    way = shortest_way(diagram, some, others)
    if way:
        names = " → ".join(named(name) for name in diagram.labels(way))
        return f"No, not directly; along the arrows read: {names}."
    between = f"{all_named(dict.fromkeys(diagram.labels(some)))} and {all_named(dict.fromkeys(diagram.labels(others)))}"
    return f"No arrow between {between} could be read with confidence."
