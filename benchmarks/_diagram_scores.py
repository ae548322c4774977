"""How much of a diagram was read rightly, against a truth: shares as (right, of how many).

Names are the same where their letters and digits agree, or all but a few do. A precision counts what was read, a
recall what there is to read.
"""

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

NEARLY = 0.88
"""From this likeness on (difflib's ratio, from 0 to 1) two names are the same."""
LONGEST_ANSWER = 90
"""Words that an answer may have, unless an explanation was asked for."""

Share = tuple[int, int]
Pair = tuple[str, str]


def letters(name: str) -> str:
    """What names are compared by; the `#2` by which a truth tells twins apart is no part of it."""
    return re.sub(r"[\W_]+", "", re.sub(r"#\d+$", "", name).lower(), flags=re.ASCII)


def is_same(one: str, other: str) -> bool:
    first, second = letters(one), letters(other)
    if not first or not second:
        return False
    return first == second or difflib.SequenceMatcher(None, first, second).ratio() >= NEARLY


def is_on_image(name: str, texts: Iterable[str]) -> bool:
    """Is it a text of the image, or one of them at least by half?"""
    wanted = letters(name)
    for text in texts:
        known = letters(text)
        short, long = sorted((wanted, known), key=len)
        if is_same(wanted, known) or (len(short) >= 3 and short in long and 2 * len(short) >= len(long)):
            return True
    return False


def matched(wanted: Iterable[Pair], given: Iterable[Pair]) -> int:
    """How many wanted pairs were given, each given pair counted once; those that agree exactly go first."""
    remaining, open_ones, found = list(given), list(wanted), 0
    for agree in (lambda one, other: letters(one) == letters(other), is_same):
        unmatched = []
        for want in open_ones:
            at = next((k for k, pair in enumerate(remaining) if all(map(agree, want, pair))), None)
            if at is None:
                unmatched.append(want)
            else:
                remaining.pop(at)
                found += 1
        open_ones = unmatched
    return found


def with_outer(members: Iterable[Pair]) -> set[Pair]:
    """(container, member) by letters, each member counted for all containers around its own as well."""
    pairs = {(letters(one), letters(other)) for one, other in members}
    pairs = {pair for pair in pairs if pair[0] != pair[1]}
    while True:
        outer = {(one[0], other[1]) for one, other in itertools.product(pairs, pairs) if one[1] == other[0]}
        outer = {pair for pair in outer if pair[0] != pair[1]} - pairs
        if not outer:
            return pairs
        pairs |= outer


def scores(truth: Mapping[str, Any], reading: Mapping[str, Any]) -> dict[str, Share]:
    """Shares by name, for a truth as it stands in a file and a reading as `Reading.as_dict` gives it."""
    names = [part["label"] for part in reading["components"]]
    regions = [part["label"] for part in reading["containers"]]
    texts = [*truth["components"], *truth["containers"], *truth["edge_labels"], *truth["other_text"]]
    texts += truth["steps"].values()
    numbers = {str(number).lower().strip("()[]").rstrip(".") for number in truth["steps"]}
    found = {step["number"] for step in reading["steps"]}
    return {
        "components": (
            sum(any(is_same(name, other) for other in [*names, *regions]) for name in truth["components"]),
            len(truth["components"]),
        ),
        "component_precision": (sum(is_on_image(name, texts) for name in names), len(names)),
        **_members(truth, reading, regions),
        **_arrows(truth, reading),
        "steps": (len(found & numbers), len(numbers)),
        "step_precision": (len(found & numbers), len(found)),
    }


def _members(truth: Mapping[str, Any], reading: Mapping[str, Any], regions: list[str]) -> dict[str, Share]:
    label = {part["id"]: part["label"] for part in [*reading["components"], *reading["containers"]]}
    given = [(label[part["container"]], part["label"]) for part in reading["components"] if part["container"] in label]
    given += [(label[part["parent"]], part["label"]) for part in reading["containers"] if part["parent"] in label]
    want = with_outer((region, name) for region, inside in truth["containers"].items() for name in inside)
    have = with_outer(given)
    nested = {letters(region) for region in regions}
    # Truths list what is inside, not every nesting of containers: one that they do not list is no mistake.
    have = {pair for pair in have if pair[1] not in nested or any(all(map(is_same, pair, other)) for other in want)}
    hits = matched(want, have)
    return {"members": (hits, len(want)), "member_precision": (hits, len(have))}


def _arrows(truth: Mapping[str, Any], reading: Mapping[str, Any]) -> dict[str, Share]:
    label = {part["id"]: part["label"] for part in [*reading["components"], *reading["containers"]]}
    want = {(letters(arrow["from"]), letters(arrow["to"])) for arrow in truth["arrows"]}
    want |= {(letters(arrow["to"]), letters(arrow["from"])) for arrow in truth["arrows"] if arrow["bidirectional"]}
    have = {
        (letters(label[line["from"]]), letters(label[line["to"]]))
        for line in reading["connections"]
        if line["stated"] and line["directed"] and line["from"] in label and line["to"] in label
    }
    hits = matched(want, have)
    return {"arrows": (hits, len(want)), "arrow_precision": (hits, len(have))}


def is_answered(question: Mapping[str, Any], answer: str) -> bool:
    """Does an answer hold what it must, nothing that it must not, and no more words than it may?"""
    said = "\n".join(line for line in answer.splitlines() if not line.startswith("> Background:"))
    if len(said.split()) > LONGEST_ANSWER and "explain" not in question["question"].lower():
        return False
    words = _words(said)
    return all(_words(must) in words for must in question["must"]) and not any(
        _words(wrong) in words for wrong in question["must_not"]
    )


def _words(text: str) -> str:
    """Letters and digits in words, with a space on either side."""
    return f" {' '.join(re.findall('[a-z0-9]+', text.lower()))} "


def added(rows: Iterable[Mapping[str, Share]]) -> dict[str, Share]:
    """The shares of several diagrams as those of one."""
    right: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for row in rows:
        for name, (hits, all_of_them) in row.items():
            right[name] += hits
            of[name] += all_of_them
    return {name: (right[name], of[name]) for name in of}


def rates(shares: Mapping[str, Share]) -> dict[str, float | None]:
    """Shares as numbers from 0 to 1; None where there was nothing to count."""
    return {name: round(hits / of, 3) if of else None for name, (hits, of) in shares.items()}
