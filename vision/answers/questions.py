"""What is asked about a diagram: the kind of question, the parts that it names, and its other words."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from vision.answers.glossary import is_kind_of
from vision.answers.graph import Diagram
from vision.answers.names import Named, Word, partly_named, spellings_of, whole_names
from vision.answers.question_kinds import Kind, kind_of, numbers_as_signs
from vision.answers.question_words import (
    AUXILIARIES,
    BEING,
    DETERMINERS,
    FUNCTION_WORDS,
    GENERIC,
    NUMBERS,
    PARTICIPLES,
    SERVICE_NOUNS,
    VERBS,
    WEAK,
)
from vision.answers.things import Thing, best_kind, things_of
from vision.answers.wording import alike, stem

_BEFORE_NOUN = (
    BEING | DETERMINERS | {"main", "different", "various", "key", "major", "important", "of", "all", *NUMBERS}
)
MOST_WORDS = 60
"""Words of a question that are looked at."""
_EMPTY_WORDS = BEING | DETERMINERS | AUXILIARIES | {"what", "which", "to", "from", "of", "for", "in", "by", "and"}
_POLITE = re.compile(
    r"^\W*(?:(?:please|ok|okay|so|hi|hello|hey)\b\W*)*(?:(?:can|could|would|will) you (?:please )?|please "
    r"|tell me (?!about)|show me (?=what|which|who|where|how)|i (?:want|would like|need) to know (?:about )?"
    r"|do you know |i wonder )",
    re.IGNORECASE,
)
_SEEN = re.compile(r"^\W*(?:do|can|could) (?:you|we|i) (?:see|find|have|spot) ", re.IGNORECASE)
_TOKEN = re.compile(r"\"[^\"]*\"|“[^”]*”|[^\W_]+(?:\.[^\W_]+)*")
_CONTRACTED = re.compile(r"\b(what|who|where|how|that|there|it)['’]s\b", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A question as understood. `pattern` is its words with `@` for each name and `#` for each number."""

    text: str
    kind: Kind
    words: tuple[Word, ...]
    pattern: str
    named: tuple[Named, ...]
    verb: int | None
    """Which word is the main verb."""
    asked: tuple[str, ...]
    """The noun behind "which" or "what": the kind of thing that is asked for."""
    unknown: tuple[str, ...]
    """Phrases that name nothing that was read."""
    number: str | None
    """The number of a step."""
    actions: tuple[Thing, ...] = ()
    """Labels of arrows and steps whose words are all in the question ("who approves it": `approve`)."""

    @property
    def content_words(self) -> tuple[str, ...]:
        """The words that may mean something on the picture."""
        return tuple(word.text for word in self.words if word.text not in FUNCTION_WORDS)


def understand(text: str, diagram: Diagram) -> Question:
    """A question that stands alone, in the light of what was read. Of a long one only the first words are looked at."""
    return understanding(diagram)(text)


def understanding(diagram: Diagram) -> Callable[[str], Question]:
    """`understand` for several questions about one diagram; each is understood once."""
    things = things_of(diagram)
    spellings = spellings_of(things)
    return cache(lambda text: _understood(text, diagram, things, spellings))


def _understood(text: str, diagram: Diagram, things: Sequence[Thing], spellings: Mapping[str, list[Thing]]) -> Question:
    words = split_words(text)
    whole = _without_actions(words, whole_names(words, spellings))
    verb = _main_verb(words, whole)
    asked_span = _asked(words, whole, verb)
    named, unknown = _partly(words, whole, verb, asked_span, things)
    if verb is not None and not named and not unknown:
        # "What proxies requests?" may be about a `Reverse proxy`.
        chosen, coverage, share = partly_named([words[verb].text], things)
        named = [Named(verb, verb + 1, tuple(chosen), coverage, share)] if chosen else []
    pattern = _pattern(words, named)
    number = _step_number(words, diagram)
    asked = tuple(words[at].text for at in asked_span)
    kind = kind_of(numbers_as_signs(pattern), named, asked, verb is not None, diagram)
    actions = tuple(_actions(words, verb, things))
    return Question(text, kind, tuple(words), pattern, tuple(named), verb, asked, tuple(unknown), number, actions)


def _actions(words: Sequence[Word], verb: int | None, things: Sequence[Thing]) -> list[Thing]:
    """The labels of arrows and steps, other than names of parts, whose words are all in the question."""
    said = [word.text for word in words if word.text not in _EMPTY_WORDS]
    found = []
    for thing in things:
        own = [word for word in thing.words if word not in _EMPTY_WORDS]
        tells = len(own) > 1 or (verb is not None and any(alike(words[verb].text, word) for word in own))
        if thing.kind in ("connection", "step") and own and tells and _all_said(own, said):
            found.append(thing)
    return found


def _all_said(own: Sequence[str], said: Sequence[str]) -> bool:
    return all(any(alike(word, one) for one in said) for word in own)


def split_words(text: str) -> list[Word]:
    """The words of a question. What stands in quotes or begins with a capital letter may be a name."""
    text = re.sub(r"\bin (?:the right |their )?order\b(?! to)", "", text)
    text = _POLITE.sub("", _SEEN.sub("is there ", text))
    text = _CONTRACTED.sub(r"\1 is", text).replace("n't", " not").replace("n’t", " not")
    words: list[Word] = []
    for token in _TOKEN.finditer(text):
        written = token.group()
        if written[0] in '"“':
            words += [Word(one.casefold(), one, True) for one in re.findall(r"[^\W_]+", written)]
        else:
            is_capital = (written[0].isupper() and bool(words)) or (len(written) > 1 and written.isupper())
            words.append(Word(written.casefold(), written, is_capital))
    return words[:MOST_WORDS]


def _without_actions(words: Sequence[Word], whole: Sequence[Named]) -> list[Named]:
    """Names, without labels of arrows that are an action: in "where does @ push images" the verb asks."""
    if not any(one.parts for one in whole):
        return list(whole)
    return [
        one
        for one in whole
        if one.parts
        or words[one.start].is_name
        or not any(stem(word.text) in VERBS for word in words[one.start : one.end])
    ]


def _main_verb(words: Sequence[Word], whole: Sequence[Named]) -> int | None:
    """Which word is the verb: after `does` one in its base form, after `is` a participle, else the first."""
    in_names = {at for one in whole for at in range(one.start, one.end)}
    helper = next(
        (at for at, word in enumerate(words) if word.text in AUXILIARIES | BEING and at not in in_names), None
    )
    candidates = [
        at
        for at, word in enumerate(words)
        if at not in in_names
        and stem(word.text) in VERBS
        and not (words[at - 1].text in DETERMINERS and at - 1 not in in_names)
        and at > 0
    ]
    if not candidates:
        return 0 if words and stem(words[0].text) in VERBS and 0 not in in_names else None
    if helper is not None and words[helper].text in AUXILIARIES:
        return _after_helper(words, candidates, helper, in_names)
    if helper is not None:
        participles = [
            at
            for at in candidates
            if at > helper and (words[at].text.endswith(("ed", "ing")) or words[at].text in PARTICIPLES)
        ]
        # In "which processes are continuous" the word before `are` is a noun.
        if participles or helper <= candidates[0] + 1:
            return participles[0] if participles else None
    return candidates[0]


def _after_helper(words: Sequence[Word], candidates: Sequence[int], helper: int, in_names: set[int]) -> int | None:
    """After `does` the verb follows its subject: the first candidate behind a name, else the last one in base form."""
    behind = [at for at in candidates if at > helper]
    after_name = [at for at in behind if at - 1 in in_names]
    bases = [at for at in behind if not words[at].text.endswith(("s", "ed", "ing")) or words[at].text == "access"]
    before_object = [
        at for at in bases if at + 1 == len(words) or words[at + 1].text in FUNCTION_WORDS or at + 1 in in_names
    ]
    for choice in (after_name, before_object, bases, behind):
        if choice:
            return choice[0]
    return None


def _asked(words: Sequence[Word], whole: Sequence[Named], verb: int | None) -> list[int]:
    """Places of the noun behind "which", "what" or "how many"."""
    in_names = {at for one in whole for at in range(one.start, one.end)}
    for at, word in enumerate(words):
        many = word.text == "many" and at and words[at - 1].text == "how"
        if word.text in {"which", "what", "whose", "list", "name"} or many:
            found: list[int] = []
            rest = [place for place in range(at + 1, len(words)) if words[place].text not in _BEFORE_NOUN]
            if rest and rest[0] > at + 1 and words[rest[0]].text in GENERIC and rest[0] not in in_names:
                return [rest[0]]
            for place in range(at + 1, len(words)):
                is_noun = words[place].text not in FUNCTION_WORDS and place not in in_names and place != verb
                if not is_noun and not (words[place].text in {"of", "the", "all"} and not found):
                    break
                found += [place] if is_noun else []
            return found
    return []


def _partly(
    words: Sequence[Word], whole: Sequence[Named], verb: int | None, asked: Sequence[int], things: Sequence[Thing]
) -> tuple[list[Named], list[str]]:
    """All names of a question, also those in other words than read, and the phrases that name nothing."""
    named, unknown = list(whole), []
    for chunk in _chunks(words, whole, verb, asked):
        pieces = [chunk]
        _, coverage, _ = partly_named([words[at].text for at in chunk], things)
        if coverage < 1 and any(later - at > 1 for at, later in pairwise(chunk)):
            pieces = _split(chunk)
        for piece in pieces:
            texts = [words[at].text for at in piece]
            chosen, coverage, share = partly_named(texts, things)
            if not chosen and _tells(texts):
                chosen, coverage, share = _of_kind(texts, things), 0.9, 0.0
            if chosen:
                named.append(Named(piece[0], piece[-1] + 1, tuple(chosen), coverage, share))
            elif _tells(texts):
                unknown.append(" ".join(words[at].written for at in piece))
    return sorted(named, key=lambda one: one.start), unknown


def _tells(texts: Sequence[str]) -> bool:
    """Whether a phrase means something of its own, and not any part or any data."""
    return any(word not in GENERIC | WEAK | SERVICE_NOUNS for word in texts)


def _of_kind(texts: Sequence[str], things: Sequence[Thing]) -> list[Thing]:
    """The things whose technology is what a phrase says in general ("cache", "message broker")."""
    telling = [word for word in texts if word not in GENERIC]
    return best_kind(thing for thing in things if is_kind_of(thing.label, " ".join(telling)))


def _chunks(words: Sequence[Word], whole: Sequence[Named], verb: int | None, asked: Sequence[int]) -> list[list[int]]:
    """Runs of words that may name something; "and" may stand within one."""
    in_names = {at for one in whole for at in range(one.start, one.end)}
    chunks: list[list[int]] = []
    last = -9
    for at, word in enumerate(words):
        is_content = (
            at not in in_names
            and at != verb
            and at not in asked
            and (word.text not in FUNCTION_WORDS or (word.is_name and word.written.isupper() and len(word.text) > 1))
            and not word.text.isdigit()
            and word.text not in NUMBERS
        )
        if not is_content:
            continue
        over_and = at - last == 2 and words[at - 1].text in {"and", "or"}
        if at - last == 1 or over_and:
            chunks[-1].append(at)
        else:
            chunks.append([at])
        last = at
    return chunks


def _split(chunk: Sequence[int]) -> list[list[int]]:
    """A chunk where "and" stands in it."""
    pieces = [[chunk[0]]]
    for before, at in pairwise(chunk):
        if at - before > 1:
            pieces.append([at])
        else:
            pieces[-1].append(at)
    return pieces


def _pattern(words: Sequence[Word], named: Sequence[Named]) -> str:
    """The words with `@` for each name and `#` for each number, without articles."""
    starts = {one.start for one in named}
    inside = {at for one in named for at in range(one.start, one.end)}
    parts: list[str] = []
    for at, word in enumerate(words):
        if at in starts:
            parts.append("@")
        elif at in inside or word.text in {"the", "a", "an"}:
            continue
        elif re.fullmatch(r"\d+(?:\.\w+)*(?:st|nd|rd|th|[a-z])?", word.text):
            parts.append("#")
        else:
            parts.append(word.text)
    return " ".join(parts)


def _step_number(words: Sequence[Word], diagram: Diagram) -> str | None:
    """The number in a question, also in words, that may be that of a step."""
    known = {step.number for step in diagram.reading.steps}
    for at, word in enumerate(words):
        plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word.text)
        if plain in known or re.fullmatch(r"\d+(?:\.\w+)*[a-z]?", plain):
            return plain
        beside = {words[place].text for place in (at - 1, at + 1) if 0 <= place < len(words)}
        if word.text in NUMBERS and beside & {"step", "badge", "circle", "number"} and word.text != "first":
            return NUMBERS[word.text]
    return None
