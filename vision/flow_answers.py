"""Answers about arrows: what feeds, calls, reads or writes what, and by which way one part reaches another."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vision.emphasis import all_named, named
from vision.flow_questions import Flow, flow_of
from vision.graph import Diagram, shortest_way
from vision.meanings import legend_entry, means
from vision.question_words import FUNCTION_WORDS, GENERIC, SERVICE_NOUNS, STORES, WEAK
from vision.questions import Question
from vision.reading import Connection
from vision.things import name_key
from vision.wording import SYNONYM, alike, counted, has_word, stem, words_of

_OF_ANY_ARROW_TEXT = "send call feed get use go connect read write receive flow point lead talk come reach take"
_OF_ANY_ARROW = frozenset(map(stem, _OF_ANY_ARROW_TEXT.split()))
"""Verbs that fit any arrow, so that a label with one of them tells nothing of the others."""
_MOST_WORDS = 70
NO_ARROW = "no arrow could be read with confidence"


def flow_answer(question: Question, diagram: Diagram) -> str | None:
    """The answer to a question about arrows; None if it names no part."""
    flow = flow_of(question, diagram)
    if flow is None:
        return None
    arrows = chosen_arrows(question, flow, diagram)
    if arrows:
        return " ".join([told(arrows, diagram), *_unsure_note(flow, diagram, arrows)])
    joined = [one for one in diagram.joined if _touches(one, flow.parts, diagram, "both")]
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
            family = _family(one.parts, diagram)
            arrows = [arrow for arrow in arrows if arrow.source in family or arrow.target in family]
    return told(arrows, diagram) if arrows else None


def flows_answer(question: Question, diagram: Diagram) -> str:
    """All stated arrows, as many as a short answer takes."""
    arrows = [*diagram.arrows, *diagram.joined]
    if not arrows:
        return f"{NO_ARROW[0].upper()}{NO_ARROW[1:]}."
    sentences = [told(group, diagram) for group in _groups(arrows, diagram)]
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
        family = _family(flow.other, diagram)
        between = [one for one in arrows if one.source in family or one.target in family]
        both_ways = [one for one in diagram.arrows if _joins(one, _family(flow.parts, diagram), family)]
        arrows = between or both_ways
    for places in flow.places:
        arrows = _at_place(arrows, flow, places, diagram)
    return _of_asked_kind(question, flow, _with_words(question, arrows), diagram)


def told(arrows: Sequence[Connection], diagram: Diagram) -> str:
    """Arrows in sentences, those with the same source or the same target together."""
    sentences: list[str] = []
    for group in _groups(arrows, diagram):
        first = group[0]
        sources = list(dict.fromkeys(one.source for one in group))
        targets = list(dict.fromkeys(one.target for one in group))
        what = "An arrow leads" if len(group) == 1 else "Arrows lead"
        between = f"from {all_named(diagram.labels(sources))} to {all_named(diagram.labels(targets))}"
        if not first.directed:
            what = "A line without a readable head leads" if len(group) == 1 else "Lines without readable heads lead"
        sentences.append(f"{what} {between}{_meaning(first, diagram)}.")
    return " ".join(dict.fromkeys(sentences))


def _groups(arrows: Sequence[Connection], diagram: Diagram) -> list[list[Connection]]:
    """Arrows of one meaning that start or end at the same part; the larger groups first."""
    left = list(dict.fromkeys(arrows))
    groups: list[list[Connection]] = []
    while left:
        choices: list[list[Connection]] = []
        for one in left:
            same = [other for other in left if _meaning(one, diagram) == _meaning(other, diagram)]
            same = [other for other in same if other.directed == one.directed]
            choices.append([other for other in same if other.source == one.source])
            choices.append([other for other in same if other.target == one.target])
        best = max(choices, key=len)
        groups.append(best)
        left = [one for one in left if one not in best]
    return groups


def _meaning(arrow: Connection, diagram: Diagram) -> str:
    """The label of an arrow, and what the legend says of its colour."""
    texts: list[str] = []
    ends = {name_key(diagram.label(part)) for part in (arrow.source, arrow.target)}
    if arrow.label and name_key(arrow.label) not in ends:
        texts.append(f"labelled {named(arrow.label)}")
    entry = legend_entry(arrow, diagram.reading.legend)
    if entry:
        texts.append(f"in the legend {named(entry.label)}")
    return f" ({', '.join(texts)})" if texts else ""


def _family(parts: Iterable[str], diagram: Diagram) -> set[str]:
    """Parts with everything in them."""
    return {inner for part in parts for inner in diagram.family(part)}


def _joins(arrow: Connection, some: set[str], others: set[str]) -> bool:
    return (arrow.source in some and arrow.target in others) or (arrow.source in others and arrow.target in some)


def _touches(arrow: Connection, parts: Sequence[str], diagram: Diagram, direction: str) -> bool:
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
    return [one for one in diagram.arrows if _touches(one, flow.parts, diagram, direction)]


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
    subject_keeps_data = any(_keeps_data(part, diagram) for part in flow.parts)
    choices = [[one for one in arrows if means(one, diagram, flow.sense)]] if flow.sense != "use" else []
    if flow.sense == "use" or subject_keeps_data:
        choices.append([one for one in opposite if means(one, diagram, flow.sense)])
    if flow.sense in ("write", "store"):
        choices.append([one for one in arrows if _keeps_data(one.target, diagram)])
    elif not subject_keeps_data and flow.sense == "read":
        choices.append([one for one in arrows if _keeps_data(_far_end(one, flow, diagram), diagram)])
        choices.append([one for one in opposite if _keeps_data(_far_end(one, flow, diagram), diagram)])
    if flow.sense == "get" and not subject_keeps_data and not any(_keeps_data(one.source, diagram) for one in arrows):
        choices.append([one for one in opposite if _keeps_data(one.target, diagram)])
    choices += [arrows, opposite if flow.sense in ("read", "use", "process") or subject_keeps_data else []]
    return next((choice for choice in choices if choice), [])


def _far_end(arrow: Connection, flow: Flow, diagram: Diagram) -> str:
    return arrow.source if arrow.target in _family(flow.parts, diagram) else arrow.target


def _keeps_data(part: str, diagram: Diagram) -> bool:
    return any(has_word(diagram.label(part), word) for word in STORES)


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
        and _touches(one, flow.parts, diagram, flow.direction if one.directed else "both")
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
            text += f" → {name}{_meaning(arrow, diagram)}"
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
    first = [one for one in diagram.arrows if _touches(one, starts, diagram, "out")]
    last = [one for one in diagram.arrows if _touches(one, ends, diagram, "in")]
    names = (
        f"from {all_named(dict.fromkeys(diagram.labels(starts)))} to {all_named(dict.fromkeys(diagram.labels(ends)))}"
    )
    pieces = told(list(dict.fromkeys([*first, *last]))[:4], diagram) if first or last else ""
    return f"No complete way {names} could be read with confidence. {pieces}".strip()
