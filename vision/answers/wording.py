"""When two words mean the same: plural and verb forms, abbreviations, a few synonyms of the field, a typing mistake."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"^([^\W\d_]{3,})(\d+)$")

_SYNONYMS = """
db database databases datastore
cache caching
queue queues broker
ui frontend interface
dev development
prod production
repo repository
ci integration
cd delivery
k8s kubernetes
lb balancer
auth authentication authorisation authorization
config configs configuration configurations settings
admin administration
ops operations
env environment
app application apps applications
msg message messages
svc service
vm machine
doc document docs documents
id identity
mgmt management
infra infrastructure
catalog catalogue
data dataset datasets
user users person people
pvc claim
pv volume
warehouse dwh
"""
_GROUPS = [frozenset(line.split()) for line in _SYNONYMS.strip().splitlines()]

_ENDINGS = ("ments", "ment", "ings", "ing", "ers", "er", "ors", "or", "als", "al", "ed", "es", "s", "e")
_SHORTEST_STEM = 4
_NEVER_A_BEGINNING = frozenset({"data", "over", "under", "micro", "inter", "with"})
"""Words that begin many others which mean something else."""

EQUAL, FORM, SYNONYM, ABBREVIATION, MISTYPED = 1.0, 0.97, 0.9, 0.75, 0.8
"""How much two words are alike, from 0 to 1."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; a counter at the end of a word stands apart (`worker1`: worker, 1)."""
    return list(_words_of(text))


@lru_cache(maxsize=20_000)
def _words_of(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        numbered = _NUMBERED.match(word)
        found.extend(numbered.groups() if numbered else (word,))
    return tuple(found)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without the endings of plural and verb forms, as far as four letters are left."""
    if word.endswith(("ies", "ied")) and len(word) > _SHORTEST_STEM + 1:
        word = word[:-3] + "y"
    shorter = True
    while shorter:
        shorter = False
        for ending in _ENDINGS:
            left = len(word) - len(ending)
            least = 3 if ending == "s" else _SHORTEST_STEM
            if word.endswith(ending) and left >= least and not (ending == "s" and word.endswith(("ss", "us"))):
                word, shorter = word[:left], True
                break
    is_double = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious"
    return word[:-1] if is_double else word


@lru_cache(maxsize=200_000)
def alike(first: str, second: str) -> float:
    """How much two words in lower case mean the same: 0 to 1, 0 below what should count."""
    if first == second:
        return EQUAL
    if first.isdigit() or second.isdigit():
        return 0.0
    one, other = stem(first), stem(second)
    if one == other:
        return FORM
    if any(first in group and second in group for group in _GROUPS):
        return SYNONYM
    short, long = sorted((one, other), key=len)
    if len(short) >= 4 and long.startswith(short) and short not in _NEVER_A_BEGINNING:
        return ABBREVIATION
    if len(short) >= 5 and abs(len(first) - len(second)) <= 2 and first[0] == second[0]:
        close = SequenceMatcher(None, first, second, autojunk=False).ratio() >= 0.84
        return MISTYPED if close else 0.0
    return 0.0


def initials(words: Sequence[str]) -> str:
    """The first letters of words."""
    return "".join(word[0] for word in words)


def has_word(text: str, word: str, least: float = SYNONYM) -> bool:
    """Whether a text has a word, in this or a form that is alike enough."""
    return any(alike(word, own) >= least for own in words_of(text))


def enumerated(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def counted(number: int, noun: str) -> str:
    """`1 arrow`, `3 arrows`, `2 boxes`."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('x', 's', 'ch')) else 's'}"
