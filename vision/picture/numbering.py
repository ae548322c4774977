"""The numbers of steps as diagrams print them (`3`, `3.a`, `2.1`, `(4)`, `Step 5:`), and which make a sequence."""

import re
from collections.abc import Sequence

from vision.picture.found import Badge, Line

_NUMBER = re.compile(r"(\d{1,2})(?:\.?([a-z])|\.(\d{1,2}))?\.?")
_IN_A_CIRCLE = {chr(0x2460 + place): str(place + 1) for place in range(20)}
_HEADS = {
    "bracket": re.compile(r"[(\[]?(\d{1,2}(?:\.?[a-z]|\.\d{1,2})?)[)\]]"),
    "circle": re.compile(f"([{''.join(_IN_A_CIRCLE)}])"),
    "word": re.compile(r"[Ss]tep\s*(\d{1,2}(?:\.?[a-z]|\.\d{1,2})?)\s*[:.)–-]"),
    "part": re.compile(r"(\d{1,2}\.\d{1,2})\.?(?=\s*[A-Za-z])"),
    "point": re.compile(r"(\d{1,2})\.(?=\s*[A-Za-z])"),
}
"""What a line of text may begin with, by the way of numbering; all lines of a sequence are numbered in one way."""
_TAIL = re.compile(r"[(\[](\d{1,2}(?:\.?[a-z]|\.\d{1,2})?)[)\]]\W*$")
_FEWEST = {"bracket": 2, "circle": 2, "word": 2, "part": 3, "point": 3}
"""How many lines numbered in one way are a sequence: a point after a number is also a fraction or a version."""


def printed_number(text: str) -> str | None:
    """A step's number as a reading gives it (in lower case, no brackets, no trailing dot); None for anything else."""
    found = _NUMBER.fullmatch(text.strip().lower().strip("()[]"))
    return found.group().rstrip(".") if found else None


def order_of(number: str) -> tuple[int, str, int]:
    """How numbers sort: 2 before 2.a, that before 2.b, that before 10."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        return 1000, number, 0
    whole, letter, part = found.groups()
    return int(whole), letter or "", int(part or 0)


def in_sequence(numbers: Sequence[str], fewest: int) -> set[str]:
    """Those of the numbers that make a sequence from a low number on with few gaps; none where they are too few.

    A number misread is usually far from the others, so what is too high for their count is left out.
    """
    wholes = sorted({order_of(number)[0] for number in numbers})
    while wholes and wholes[-1] > 1.5 * len(wholes) + 1:
        wholes.pop()
    kept = {number for number in numbers if order_of(number)[0] in wholes and order_of(number)[0] > 0}
    starts = bool(wholes) and min(whole for whole in wholes if whole or len(wholes) == 1) <= 2
    return kept if len(kept) >= fewest and starts else set()


def take_numbers_off(lines: Sequence[Line]) -> tuple[list[Badge], list[Line]]:
    """Badges for the numbers that lines begin with, where these make a sequence, and the lines without them.

    A line that is only a number is left out; `(3)` and `3) Commit code` count, a bare `3` does not. Where there are
    numbers in brackets, `Commit code (3)` counts too, if nothing else has that number.
    """
    badges: list[Badge] = []
    rest = list(lines)
    for way, head in _HEADS.items():
        matches = [head.match(line.text) for line in rest]
        numbers = [_number_in(match) for match in matches]
        kept = _sequence_of_lines([number for number in numbers if number], _FEWEST[way])
        if not kept or kept & {badge.number for badge in badges}:
            continue
        before, rest = rest, []
        for line, match, number in zip(before, matches, numbers, strict=True):
            if match is None or number not in kept:
                rest.append(line)
                continue
            badge, remaining = _apart(line, number, match)
            badges.append(badge)
            rest += remaining
    if any(badges):
        badges, rest = _with_tails(badges, rest)
    return sorted(badges, key=lambda badge: order_of(badge.number)), rest


def _with_tails(badges: Sequence[Badge], lines: Sequence[Line]) -> tuple[list[Badge], list[Line]]:
    """The badges and those for missing numbers that stand in brackets at the end of lines, and the other lines."""
    every, rest = list(badges), []
    for line in lines:
        match = _TAIL.search(line.text)
        number = _number_in(match)
        numbers = [badge.number for badge in every]
        if match is None or number is None or number in numbers or number not in in_sequence([*numbers, number], 3):
            rest.append(line)
            continue
        badge, remaining = _apart(line, number, match)
        every.append(badge)
        rest += remaining
    return every, rest


def _apart(line: Line, number: str, match: re.Match[str]) -> tuple[Badge, list[Line]]:
    """The badge for a number at an end of a line, and the words beside it, if there are any."""
    left, top, right, bottom = line.box
    each = (right - left) / len(line.text)
    start, end = round(left + each * match.start()), round(left + each * match.end())
    before, after = line.text[: match.start()], line.text[match.end() :]
    words = [
        Line(text.strip(), (side, top, other, bottom), line.confidence)
        for text, side, other in ((before, left, start), (after, end, right))
        if other > side and any(character.isascii() and character.isalnum() for character in text)
    ]
    return Badge(number, (start, top, max(start + 1, end), bottom)), words


def _sequence_of_lines(numbers: Sequence[str], fewest: int) -> set[str]:
    """The numbers of one way of numbering lines, if they are a sequence without gaps and without much repetition."""
    kept = in_sequence(numbers, fewest)
    if len(numbers) > 1.5 * len(kept):  # several lists of notes, or not numbers of steps
        return set()
    parts: dict[int, list[int]] = {}
    for number in kept:
        whole, _, part = order_of(number)
        parts.setdefault(whole, []).append(part)
    return kept if all(max(found) <= len(found) for found in parts.values()) else set()


def _number_in(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    printed = next(group for group in match.groups() if group)
    return _IN_A_CIRCLE.get(printed) or printed_number(printed)
