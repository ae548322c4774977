"""Which arrows a question asks for: those into a part, out of it, or both, and what they have to mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vision.answers.graph import Diagram
from vision.answers.names import Named
from vision.answers.question_words import PROCESS, READ, RECEIVE, SEND, STORE, WRITE
from vision.answers.questions import Question
from vision.answers.wording import stem

Direction = Literal["in", "out", "both"]
Sense = Literal["read", "write", "store", "use", "get", "process", "any"]

_TOWARDS = frozenset({"to", "into", "onto", "in", "on", "at", "towards", "toward"})
_FROM = frozenset({"from", "of", "off"})
_INCOMING = re.compile(
    r"\bbefore @|\bupstream\b|\binputs?\b|\bcomes? (?:in)?to @|\bsources? (?:of|for)\b|@ comes? from\b|\bproducers?\b"
    r"|\bpreced\w+ @|\bleads? (?:in)?to @|\bcallers?\b|\bgoes (?:in)?to @|\bclients? of @|\bwhere .*@ (?:data )?come\b"
    r"|\bdepend\w* on @|\bdependents?\b"
)
_OUTGOING = re.compile(
    r"\bafter @|\bdownstream\b|\boutputs?\b|\bfollows?\b.*@|\bnext\b|\bdestinations?\b|\btargets?\b|@ go\b|@ goes\b"
    r"|\bconsumers?\b|\bcomes? (?:out )?(?:from|of) @|@ depends?\b|\bdependenc\w+ of @|\bgoes (?:out )?(?:from|of) @"
)
_BOTH = re.compile(
    r"\bconnect\w*\b|\blink\w*\b|\binteract\w*\b|\bneighbou?rs?\b|\brelat\w+\b|\battached\b|\bjoined\b"
    r"|\bcommunicat\w+ with\b"
)


@dataclass(frozen=True)
class Flow:
    """Arrows that are asked for: seen from `parts`; `other` and `places` narrow what stands at their other ends."""

    parts: tuple[str, ...]
    direction: Direction
    sense: Sense
    other: tuple[str, ...] = ()
    """Parts that the question names besides: the other ends of the arrows."""
    places: tuple[tuple[str, ...], ...] = ()
    """Containers that the question names besides ("in production"), as alternatives for each such phrase."""


def flow_of(question: Question, diagram: Diagram) -> Flow | None:
    """What a question about arrows asks for; None if it names no part."""
    naming_parts = [one for one in question.named if one.parts]
    places = [one for one in naming_parts if len(naming_parts) > 1 and _is_place(question, one, diagram)]
    subjects = _joined_by_and(question, [one for one in naming_parts if one not in places])
    if not subjects:
        subjects, places = [(one, one.parts) for one in naming_parts[:1]], naming_parts[1:]
    if not subjects:
        return None
    first, parts = subjects[0]
    verb = stem(question.words[question.verb].text) if question.verb is not None else ""
    direction, sense = _direction(question, first, verb), _sense(verb, question)
    other = tuple(part for _, more in subjects[1:] for part in more)
    return Flow(parts, direction, sense, other, tuple(one.parts for one in places))


def _is_place(question: Question, one: Named, diagram: Diagram) -> bool:
    """Whether a name says where ("in production"), rather than what sends or receives."""
    before = [word.text for word in question.words[max(0, one.start - 3) : one.start]]
    preposition = next((word for word in reversed(before) if word not in {"the", "a", "an", "same"}), "")
    is_outer = any(diagram.is_container(part) for part in one.parts)
    return preposition in {"in", "inside", "within", "during"} and is_outer


def _joined_by_and(question: Question, named: Sequence[Named]) -> list[tuple[Named, tuple[str, ...]]]:
    """Names that "and" or a comma joins count as one."""
    found: list[tuple[Named, tuple[str, ...]]] = []
    last = -1
    for one in named:
        between = [word.text for word in question.words[last : one.start]] if last >= 0 else ["?"]
        if found and not set(between) - {"and", "or", "the", "a"}:
            found[-1] = found[-1][0], found[-1][1] + one.parts
        else:
            found.append((one, one.parts))
        last = one.end
    return found


def _sense(verb: str, question: Question) -> Sense:
    words = {word.text for word in question.words}
    if verb in STORE:
        return "store"
    if verb in WRITE:
        return "write"
    if verb.startswith("us") or words & {"uses", "use", "used", "using"}:
        return "use"
    if verb == "get" and words & {"from", "where"}:
        return "get"
    if verb in PROCESS:
        return "process"
    return "read" if verb in READ else "any"


def _direction(question: Question, named: Named, verb: str) -> Direction:
    """Whether arrows into the named part are asked for, or those out of it."""
    at = question.verb
    if re.search(r"^\w+ (?:\w+ )?(?:before|after|follows?|precedes?)\b", question.pattern) or at is None:
        return _direction_without_verb(question.pattern)
    if _BOTH.search(question.pattern) and not re.search(r"\bconnect\w* to @ from\b", question.pattern):
        return "both"
    if re.search(r"\b(?:upstream|downstream|outputs?|inputs?)\b(?! .*@.* to\b)", question.pattern) and verb not in SEND:
        return _direction_without_verb(question.pattern)
    takes = (verb in RECEIVE or verb in READ or verb in PROCESS) and not verb.startswith("us")
    words = [word.text for word in question.words]
    is_passive = any(word in {"is", "are", "was", "were", "gets", "being"} for word in words[:at]) and not (
        words[at].endswith("ing")
    )
    if named.start < at:
        return _as_subject(words, named, at, is_passive, takes)
    return _as_object(words, named, at, is_passive, takes)


def _as_subject(words: Sequence[str], named: Named, at: int, is_passive: bool, takes: bool) -> Direction:
    """The name stands before the verb: `what does @ call`, `what is @ called by`, `where is @ stored`."""
    behind = words[at + 1 :]
    if is_passive:
        asks_place = words[0] in {"where", "whereto"} or "to" in behind
        if takes:
            return "in" if behind[-1:] == ["from"] or words[0] == "from" else "out"
        comes = "by" in behind or "by" in words[: named.start] or words[0] in {"how", "who", "when"}
        return "out" if asks_place and not comes and "from" not in behind else "in"
    if behind[-1:] == ["from"] or words[0] == "from":
        return "in"
    return "in" if takes else "out"


def _as_object(words: Sequence[str], named: Named, at: int, is_passive: bool, takes: bool) -> Direction:
    """The name stands behind the verb: `what calls @`, `what reads from @`, `what is sent to @`, `what is fed by @`."""
    between = [word for word in words[at + 1 : named.start] if word not in {"the", "a", "an"}]
    preposition = next((word for word in reversed(between) if word in _TOWARDS | _FROM | {"by", "with", "via"}), "")
    if preposition == "by":
        return "in" if takes else "out"
    if preposition in _FROM:
        return "out"
    if preposition in _TOWARDS:
        listens = words[at].startswith(("subscrib", "listen"))
        return "out" if listens else "in"
    if is_passive and not preposition:
        return "in"
    return "out" if takes else "in"


def _direction_without_verb(pattern: str) -> Direction:
    if _INCOMING.search(pattern):
        return "in"
    if _OUTGOING.search(pattern):
        return "out"
    if re.search(r"\b(?:uses?|using|used by) @", pattern):
        return "in"
    return "out" if re.search(r"@ uses?\b", pattern) else "both"
