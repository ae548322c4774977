"""Numbered badges: the number of a step in a small disc, square or bracket, which the reading of lines often misses.

Every round or square outline of a badge's size is a candidate. What stands in it is drawn anew, dark on white, and
recognised alone. It is a badge if that is a number, and if others like it make a sequence with it.
"""

import re
from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from vision.picture.badge_candidates import Candidate, look_inside, outlines, outlines_without_lines, places_like
from vision.picture.boxes import area, height, overlap, share_within
from vision.picture.found import Badge, Line, Picture
from vision.picture.lines import LEAST_CONFIDENCE, recognise
from vision.picture.numbering import in_sequence, order_of, printed_number, take_numbers_off
from vision.reading import Box

_MOST_CANDIDATES = 150
_SURE = 0.6
_PLAUSIBLE = 0.5  # for a second reading of what is a number already
_SEED = 0.9  # a candidate recognised so surely shows what its likes look like
_ONE_COLOUR = 48  # largest difference in red, green or blue

Numbered = tuple[str, float, Candidate]
"""A number, the confidence of its recognition, and where it stands."""


def read_badges(picture: Picture, lines: Sequence[Line]) -> tuple[list[Badge], list[Line]]:
    """The badges on a picture in the order of their numbers, and the lines of text without what stands in badges.

    Where there are none, the numbers that lines of text begin with are taken for the badges, if they make a sequence.
    """
    usual = _usual_height(lines)
    places = [box for box in outlines(picture.pixels, usual) if not _is_word(box, lines)]
    found = _read(picture, places)
    kept = _sequences(_with_likes(picture, found), lines)
    if not kept:
        places = [box for box in outlines_without_lines(picture.pixels, usual) if not _is_word(box, lines)]
        kept = _sequences(_with_likes(picture, _read(picture, places)), lines)
    if kept:
        badges, rest = _read_twice(picture, kept), list(lines)
    else:
        badges, rest = take_numbers_off(lines)
    badges = _with_missing(badges, [*found, *kept], rest)
    return badges, _without_badges(picture, rest, badges)


def _read(picture: Picture, places: Iterable[Box]) -> list[Numbered]:
    """The places where a number stands."""
    looked_at = (look_inside(picture.pixels, place) for place in places)
    candidates = [candidate for candidate in looked_at if candidate is not None][:_MOST_CANDIDATES]
    recognised = recognise([candidate.glyphs for candidate in candidates])
    return [
        (number, confidence, candidate)
        for candidate, (text, confidence) in zip(candidates, recognised, strict=True)
        if confidence >= _SURE and (number := printed_number(candidate.with_point(text.replace(" ", ""))))
    ]


def _with_likes(picture: Picture, found: Sequence[Numbered]) -> list[Numbered]:
    """What was found, and what looks like it but touches a line or a box of its colour, so that it has no outline."""
    everything = list(found)
    searched: list[Candidate] = []
    for _, confidence, known in found:
        if confidence < _SEED or any(_alike(known, other) for other in searched):
            continue
        searched.append(known)
        new = [
            place
            for place in places_like(picture.pixels, known)
            if not any(overlap(place, other.box) > 0.3 for _, _, other in everything)
        ]
        everything += _read(picture, new)
    return everything


def _usual_height(lines: Sequence[Line]) -> float:
    heights = [height(line.box) for line in lines]
    return median(heights) if heights else 24.0


def _sequences(numbered: Sequence[Numbered], lines: Sequence[Line]) -> list[Numbered]:
    """Those that make a sequence with others of their size and colour, in the order of their numbers."""
    kept: list[Numbered] = []
    left = list(numbered)
    while left:
        first = left[0][2]
        alike = _written_alike([found for found in left if _alike(found[2], first)], lines)
        left = [found for found in left if not _alike(found[2], first)]
        sequence = in_sequence([number for number, _, _ in alike], fewest=2)
        kept += [found for found in alike if found[0] in sequence]
    return sorted(kept, key=lambda found: order_of(found[0]))


def _written_alike(alike: Sequence[Numbered], lines: Sequence[Line]) -> list[Numbered]:
    """The same, `3a` as `3.a` where others of them, or the lines read there, have the point: it is easily missed."""
    boxes = [candidate.box for _, _, candidate in alike]
    beside = [line.text for line in lines if any(share_within(line.box, box) > 0.5 for box in boxes)]
    if not any(re.fullmatch(r"\d+\.[a-z]", number) for number in (*(number for number, _, _ in alike), *beside)):
        return list(alike)
    return [(re.sub(r"^(\d+)([a-z])$", r"\1.\2", number), sure, candidate) for number, sure, candidate in alike]


def _read_twice(picture: Picture, kept: Sequence[Numbered]) -> list[Badge]:
    """Badges with their numbers read once more as they are on the picture, which tells some forms better.

    That decides between letters (`3.a`, `3.d`), and for one of two equal numbers if it says one that is missing.
    """
    numbers = [number for number, _, _ in kept]
    again = recognise([_plain(picture, candidate.box) for _, _, candidate in kept])
    for place, (text, confidence) in enumerate(again):
        second, first = printed_number(text.replace(" ", "")), numbers[place]
        if second is None or second == first or confidence < _PLAUSIBLE:
            continue
        if first[-1].isalpha() and second[-1].isalpha() and order_of(first)[0] == order_of(second)[0]:
            numbers[place] = first[:-1] + second[-1]
        elif numbers.count(first) > 1 and second not in numbers and second in in_sequence([*numbers, second], 3):
            numbers[place] = second
    badges = [Badge(number, candidate.box) for number, (_, _, candidate) in zip(numbers, kept, strict=True)]
    return sorted(badges, key=lambda badge: order_of(badge.number))


def _plain(picture: Picture, box: Box) -> NDArray[np.uint8]:
    """The middle of a badge as it is on the picture."""
    left, top, right, bottom = box
    across, down = round(0.08 * (right - left)), round(0.25 * (bottom - top))
    return picture.pixels[top + down : bottom - down, left + across : right - across]


def _with_missing(badges: Sequence[Badge], found: Sequence[Numbered], lines: Sequence[Line]) -> list[Badge]:
    """The badges, and those for numbers missing among them that stand alone: in an outline, or as a line of its own.

    A number that only follows the last one is not missing.
    """
    alone = [(number, candidate.box) for number, confidence, candidate in found if confidence >= _SEED]
    read = [(printed_number(line.text), line) for line in lines if line.confidence >= _SEED]
    alone += [(number, line.box) for number, line in read if number]
    every = list(badges)
    tallest = max((height(badge.box) for badge in badges), default=0)
    last = max((order_of(badge.number)[0] for badge in badges), default=0)
    for number, box in alone:
        known = {order_of(badge.number)[0] for badge in every}
        if number.isdigit() and 0 < int(number) < last and int(number) not in known and height(box) <= 1.3 * tallest:
            every.append(Badge(number, box))
    return sorted(every, key=lambda badge: order_of(badge.number))


def _alike(one: Candidate, other: Candidate) -> bool:
    """Of one size within a quarter, and of one colour."""
    sizes = sorted((one.height, other.height))
    return sizes[1] <= 1.25 * sizes[0] and float(np.abs(one.fill - other.fill).max()) < _ONE_COLOUR


def _without_badges(picture: Picture, lines: Sequence[Line], badges: Sequence[Badge]) -> list[Line]:
    """The lines without those that are a badge's text; a line that runs through a badge is read anew beside it."""
    rest: list[Line] = []
    for line in lines:
        at = next((badge.box for badge in badges if share_within(badge.box, line.box) > 0.4), None)
        if any(_is_text_of(line, badge) for badge in badges):
            continue
        beside = None if at is None else _beside(line.box, at)
        if beside is None:
            rest.append(line)
            continue
        left, top, right, bottom = beside
        text, confidence = recognise([picture.pixels[top:bottom, left:right]])[0]
        if text and confidence >= LEAST_CONFIDENCE:
            rest.append(Line(text, beside, confidence))
    return rest


def _beside(line: Box, badge: Box) -> Box | None:
    """What remains of a line's box to the right or left of a badge at its end; None for a badge within the line."""
    if badge[0] - line[0] < height(line):
        return (badge[2], line[1], line[2], line[3]) if line[2] - badge[2] > height(line) // 2 else None
    if line[2] - badge[2] < height(line):
        return line[0], line[1], badge[0], line[3]
    return None


def _is_word(box: Box, lines: Sequence[Line]) -> bool:
    """Whether an outline is within a line of several letters: an o or a bowl of one."""
    return any(
        len(line.text) > 3 and share_within(box, line.box) > 0.7 and area(line.box) > 2.5 * area(box) for line in lines
    )


def _is_text_of(line: Line, badge: Badge) -> bool:
    within = max(share_within(line.box, badge.box), share_within(badge.box, line.box))
    return len(line.text) <= 4 and within > 0.5 and area(line.box) < 2.5 * area(badge.box)
