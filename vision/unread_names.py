"""Which things an answer names although no such text was read on the image.

A model may invent a component. What it marks, lists or writes as a name is looked up among all text read; what is not
there is reported, so that the page can say "not found on the image". Words that only describe are left alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from vision.mention import BRACKETS, STEP, WORD, Mention, compact, emphasised
from vision.reading import Reading

_DESCRIBING_WORDS = """
a about above across after all also although an and another any architecture are area areas arrow arrows as assumption
assumptions at backend badge badges based be because before below besides between black blue bold both bottom box
boxes brown but by can caption captions caveat caveats code color colors colour colours component components
conclusion conclusions confidence connection connections container containers contents context contrast core could
cyan dashed data description design detail details diagram diagrams direction directions does dotted down each edge
edges eight either end entry environment environments every evidence example explanation external facing feature
features feedback finally first five flow flows for four from further gray green grey group groups has have here how
however icon icons if image important in input inputs inside interaction interactions internal into is it its key
label labels last lastly layer layers left legend let like line lines list loop loops magenta main major meanwhile
missing monitoring most name names next nine no nodes none nor not note notes nothing number numbered numbers
observation observations of on once one only or orange order other others our output outputs outside over overall
overview part parts path paths per picture pink point points process processes processing purple purpose purposes
question questions read reading reads red region regions relation relations relationship relationships remark remarks
result results right role roles same scope second section sections see service services seven shape shapes shown side
since six so solid some stage stages start step steps structure such summary system systems takeaway takeaways
technical technologies technology ten text that the their them then there therefore these they thing things third this
those three through thus tier tiers title to together tools top two type types unclear under unknown unlike unread
until up use user users uses using violet what when where whereas whether which while white who why will with within
without word words work workflow workflows works yellow yes you your
"""
_DESCRIBING = frozenset(_DESCRIBING_WORDS.split())
"""Words that describe a diagram and name no part of it, and words of every sentence."""

_FIELD_ABBREVIATIONS = """
ai api apis cd ci cli cpu csv db etl gpu grpc html http https i id ids io ip json llm ml oauth ocr ok pdf png rest rpc
sdk sql ssl tcp tls tv udp ui url urls ux vm vms xml yaml
"""
_FIELD_WORDS = frozenset(_FIELD_ABBREVIATIONS.split())
"""Abbreviations for a technique rather than for one product."""

_CATEGORY = frozenset(
    {"box", "component", "container", "icon", "layer", "node", "region", "service", "services", "stage", "step", "the"}
)
"""Words that an answer adds to a name as read: "the checkout service"."""

_FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "every", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
)
_GROUPS = frozenset({"architecture", "components", "flow", "flows", "services", "tier", "workflow", "workflows"})
"""Last words of a phrase that says of what sort things are: "backend services" names none of them."""

_HEADING = re.compile(r"^ {0,3}#{2,6}\s+(?P<head>[^\n]+?)[ #]*$", re.MULTILINE)
_LIST_HEAD = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+(?P<head>[^\n*`:]{2,60}?)(?=:\s|\s+[–—-]\s)", re.MULTILINE)
_CELL = re.compile(r"(?<=\|)[ \t]*(?P<head>[^|\n*`]{2,60}?)[ \t]*(?=\|)")
_NOT_CLAIMED = re.compile(r"^```.*?(?:^```|\Z)|^> Background:[^\n]*$|^ {0,3}#\s[^\n]*$", re.MULTILINE | re.DOTALL)
_CAPITALISED = re.compile(r"[^\W\d_a-zß-öø-ÿ][\w.+#/-]*\w|\b[a-z]+[A-Z]\w*")
_SENTENCE_START = re.compile(r"(?:^|[.:;!?|>]|^[ \t]*[-*+]|^[ \t]*\d+[.)])[\s*_`\"“'(]*\Z", re.MULTILINE)
_CLOSE_ENOUGH = 0.86
"""Likeness (difflib's ratio) from which a name is the text read: the recognition mistakes a letter now and then."""
_LEAST_ALIKE = 5
"""Letters below which a name has to be read exactly."""
_WORDS_OF_A_NAME = 7


@dataclass(frozen=True)
class _Read:
    """A text read: its letters and digits, and its words in the singular."""

    key: str
    words: tuple[str, ...]


def not_found(answer: str, reading: Reading) -> list[Mention]:
    """The things named in an answer in Markdown that were not read, in the order of the answer, without regions.

    A thing is named by bold or code, as the head of a list entry or section, as a cell of a table, or by capital
    letters; a step by its number. Code blocks, lines of background knowledge and the title of an answer claim nothing
    about the image.
    """
    read = [_Read(compact(name), _singular(name)) for name in _read_names(reading)]
    known: dict[str, bool] = {}
    claimed = _NOT_CLAIMED.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), answer)
    found: list[Mention] = []
    for start, end in _names(claimed):
        name = answer[start:end]
        if name not in known:
            known[name] = _is_read(name, read)
        if not known[name]:
            found.append(Mention(start, end, name, ()))
    return _apart([*found, *_unread_steps(claimed, reading)])


def _unread_steps(answer: str, reading: Reading) -> Iterator[Mention]:
    """Steps with a number that no badge has. Without any badge an answer may count as it likes."""
    numbers = {step.number for step in reading.steps}
    for match in STEP.finditer(answer):
        if numbers and match["number"].lower() not in numbers:
            yield Mention(match.start(), match.end(), match.group(), ())


def _apart(found: list[Mention]) -> list[Mention]:
    """In the order of the answer; of those that overlap the one that begins first, and of two that do the longer."""
    apart: list[Mention] = []
    for mention in sorted(found, key=lambda mention: (mention.start, -mention.end)):
        if not apart or mention.start >= apart[-1].end:
            apart.append(mention)
    return apart


def _names(answer: str) -> Iterator[tuple[int, int]]:
    """Where an answer names things: marked ones, heads, cells of tables and capitalised words."""
    marked = emphasised(answer)
    for start, end in marked:
        yield from _phrase(answer, start, end)
    for pattern in (_LIST_HEAD, _HEADING):
        for match in pattern.finditer(answer):
            if not _holds_marks(match["head"]):
                yield from _phrase(answer, *match.span("head"))
    for match in _CELL.finditer(answer):
        # A cell of a table that is a name; one that says something has words in small letters.
        if not any(word[0].islower() for word in WORD.findall(match["head"])):
            yield from _phrase(answer, *match.span("head"))
    headings = [match.span() for match in _HEADING.finditer(answer)]
    for start, end in _capitalised(answer):
        if not any(left <= start < right for left, right in [*marked, *headings]):
            yield start, end


def _holds_marks(text: str) -> bool:
    return "**" in text or "`" in text


def _phrase(answer: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A marked phrase without the signs and number around it, unless it only describes, is a sentence or a number."""
    words = list(WORD.finditer(answer, start, end))
    while words and words[0].group().isdecimal():
        words = words[1:]
    texts = [word.group() for word in words]
    if not words or len(words) > _WORDS_OF_A_NAME or all(_describes(text) for text in texts):
        return
    if all(text.islower() for text in texts[1:]) and (
        texts[-1] in _GROUPS or (texts[0][0].isupper() and not _FUNCTION_WORDS.isdisjoint(texts))
    ):
        return
    yield words[0].start(), words[-1].end()


def _describes(word: str) -> bool:
    lower = word.lower()
    return lower in _DESCRIBING or lower in _FIELD_WORDS or lower.isdecimal() or (word == lower and word.endswith("ly"))


def _capitalised(answer: str) -> Iterator[tuple[int, int]]:
    """Runs of words with capital letters. The first word of a sentence counts only if it cannot be an ordinary one."""
    run: list[re.Match[str]] = []
    for word in _CAPITALISED.finditer(answer):
        if run and answer[run[-1].end() : word.start()] not in (" ", "-", "\n"):
            yield from _run(answer, run)
            run = []
        run.append(word)
    yield from _run(answer, run)


def _run(answer: str, run: list[re.Match[str]]) -> Iterator[tuple[int, int]]:
    if not run or all(_describes(part) for word in run for part in WORD.findall(word.group())):
        return
    starts = bool(_SENTENCE_START.search(answer, max(0, run[0].start() - 80), run[0].start()))
    if starts and len(run) > 1 and _describes(run[0].group()):
        run, starts = run[1:], False
    # "Then" may begin a sentence, "PostgreSQL" is a name wherever it stands.
    if len(run) > 1 or not (starts and run[0].group()[1:].islower()):
        yield run[0].start(), run[-1].end()


def _read_names(reading: Reading) -> list[str]:
    """Every text of the reading: names, labels, whole lines."""
    names = [component.label for component in reading.components]
    names += [container.label for container in reading.containers]
    names += [step.label for step in reading.steps]
    names += [entry.label for entry in reading.legend]
    names += [connection.label for connection in reading.connections if connection.label]
    names += [line.text for line in reading.text]
    names += [BRACKETS.sub(" ", name) for name in names if BRACKETS.search(name)]
    return [*dict.fromkeys(names), *(f"step {step.number}" for step in reading.steps)]


def _is_read(name: str, read: list[_Read]) -> bool:
    """Whether a name is a text read or stands in one, but for case, signs, plural and a letter read wrongly."""
    words = [word.casefold() for word in WORD.findall(name)]
    own = [word for word in words if word not in _CATEGORY] or words
    keys = {"".join(words), "".join(own)}
    singular = _singular(" ".join(own))
    return any(
        text.key in keys or _stands_in(singular, text.words) or any(_alike(text.key, wanted) for wanted in keys)
        for text in read
    )


def _alike(read: str, wanted: str) -> bool:
    if min(len(read), len(wanted)) < _LEAST_ALIKE or abs(len(read) - len(wanted)) > 3:
        return False
    if read[:2] != wanted[:2] and read[-2:] != wanted[-2:]:
        return False
    return SequenceMatcher(None, read, wanted, autojunk=False).ratio() >= _CLOSE_ENOUGH


def _singular(text: str) -> tuple[str, ...]:
    """The words of a text without case and the `s` of a plural."""
    return tuple(word.casefold().removesuffix("s") for word in WORD.findall(text))


def _stands_in(words: tuple[str, ...], text: tuple[str, ...]) -> bool:
    """Whether words follow each other in a text; two and more may have others between them."""
    if len(words) == 1:
        return words[0] in text
    rest = iter(text)
    return all(word in rest for word in words)
