"""Boxes, ellipses, cylinders and other closed outlines of a diagram, found as the even surfaces that they enclose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.picture.boxes import area, around, grown, height, middle, overlap, share_within, width
from vision.picture.found import Badge, Line, Picture, Shape
from vision.picture.frames import find_frames
from vision.picture.lookalikes import without_lookalikes
from vision.picture.morphology import widened
from vision.picture.outlines import VISIBLE, Outline, ends_that_go_on, read_outline
from vision.picture.surfaces import Mask, Surface, edge_strength, find_surfaces, without_text
from vision.reading import Box

_SAME = 0.88  # overlap from which two findings are one shape
_SIDE = 0.4  # least share of each side that a rectangle's inside reaches
_LID_ROUNDNESS = 0.85  # of the lid of a cylinder, which shading may eat into
_NEAR = 8  # pixels within which two sides are one


@dataclass(frozen=True)
class _Candidate:
    """A surface and what it may be. `trust` (lower is better): how it was found."""

    kind: str
    box: Box
    surface: Surface | None
    outline: Outline
    trust: int
    quality: float


def find_shapes(picture: Picture, lines: Sequence[Line], badges: Sequence[Badge]) -> list[Shape]:
    """The closed outlines and filled areas that hold text, largest first, each place once."""
    pixels = picture.pixels
    lines = without_lookalikes(lines)
    strength = edge_strength(pixels)
    edges = strength >= VISIBLE
    candidates = _candidates(pixels, strength, lines) + _framed(pixels, edges, lines, badges)
    kept = _without_loops(_distinct(candidates, lines, edges), edges, pixels, lines)
    kept = [each for each in kept if not any(overlap(each.box, badge.box) > 0.4 for badge in badges)]
    shapes = [_shape(candidate) for candidate in _with_lids(kept, pixels, strength)]
    return sorted(shapes, key=lambda shape: -area(shape.box))


def _candidates(pixels: NDArray[np.uint8], strength: NDArray[np.uint8], lines: Sequence[Line]) -> list[_Candidate]:
    found = []
    boxes = np.array([line.box for line in lines], np.int32).reshape(-1, 4)
    for surface in find_surfaces(pixels, strength, lines, lambda box: _holds_text(box, boxes)):
        kind, quality = _kind(surface, lines)
        if kind:
            outline = read_outline(pixels, surface.box, surface.fill)
            trust = (11 if kind == "other" else 0) + (4 if not surface.whole else surface.reach // 3)
            found.append(_Candidate(kind, outline.box, surface, outline, trust, quality))
    return found


def _framed(pixels: NDArray[np.uint8], edges: Mask, lines: Sequence[Line], badges: Sequence[Badge]) -> list[_Candidate]:
    """Rectangles found by their border lines."""
    found = []
    boxes = np.array([line.box for line in lines], np.int32).reshape(-1, 4)
    edges = without_text(edges.astype(np.uint8), lines) > 0
    for box in find_frames(edges, [badge.box for badge in badges]):
        if not _holds_text(box, boxes):
            continue
        inside = (box[0] + 6, box[1] + 6, box[2] - 6, box[3] - 6)
        part = pixels[inside[1] : inside[3], inside[0] : inside[2]].reshape(-1, 3)
        fill = np.median(part[:: 1 + len(part) // 4000], axis=0)
        outline = read_outline(pixels, inside, (int(fill[0]), int(fill[1]), int(fill[2])))
        if not outline.even:
            continue
        found.append(_Candidate("rectangle", box, None, replace(outline, box=box), 10, 0.5))
    return found


def _holds_text(box: Box, lines: NDArray[np.int32]) -> bool:
    """Whether lines of text (boxes [n, 4]) lie in the box, and its sides do not cut as many."""
    share = _shares(box, lines)
    out = np.maximum(box[0] - lines[:, 0], lines[:, 2] - box[2])
    cut = (share > 0.1) & (share <= 0.85) & (out > lines[:, 3] - lines[:, 1])
    return int((share > 0.85).sum()) > int(cut.sum())


def _shares(box: Box, lines: NDArray[np.int32]) -> NDArray[np.float64]:
    """[n], the share of each line (boxes [n, 4]) that lies in the box."""
    across = np.minimum(lines[:, 2], box[2]) - np.maximum(lines[:, 0], box[0])
    down = np.minimum(lines[:, 3], box[3]) - np.maximum(lines[:, 1], box[1])
    whole = (lines[:, 2] - lines[:, 0]) * (lines[:, 3] - lines[:, 1])
    shares: NDArray[np.float64] = np.clip(across, 0, None) * np.clip(down, 0, None) / np.maximum(whole, 1)
    return shares


def _kind(surface: Surface, lines: Sequence[Line]) -> tuple[str, float]:
    """What a surface is the inside of ("" for nothing that is drawn on purpose), and how well it fits (0 to 1)."""
    fullness = float(surface.filled.mean())
    reaches = surface.reaches
    if fullness > 0.7 and min(width(surface.box), height(surface.box)) > 20:
        round_share = _roundness(surface)
        if round_share > 0.955:
            return "ellipse", round_share
    if min(reaches) >= _SIDE and sum(reaches) >= (3.0 if fullness > 0.8 else 3.3) and fullness > 0.35:
        return "rectangle", sum(reaches) / 4 * (0.6 + 0.4 * fullness)
    if surface.whole and fullness >= 0.4 and _solidity(surface.filled) > 0.5 and _on(surface, lines):
        return "other", 0.5 * fullness
    return "", 0.0


def _on(surface: Surface, lines: Sequence[Line]) -> bool:
    """Whether a line of text lies wholly on the surface itself, not only in the box around it."""
    left, top, _, _ = surface.box
    for line in lines:
        if share_within(line.box, surface.box) > 0.95:
            part = surface.filled[line.box[1] - top : line.box[3] - top, line.box[0] - left : line.box[2] - left]
            if part.size and part.mean() > 0.9:
                return True
    return False


def _roundness(surface: Surface) -> float:
    """Intersection over union, 0 to 1, of a surface and the ellipse that its box holds."""
    down, across = surface.filled.shape
    y, x = np.ogrid[:down, :across]
    ellipse: Mask = ((x + 0.5) / across * 2 - 1) ** 2 + ((y + 0.5) / down * 2 - 1) ** 2 <= 1
    return float((surface.filled & ellipse).sum() / max(1, (surface.filled | ellipse).sum()))


def _solidity(filled: Mask) -> float:
    """Area against that of the convex hull, 0 to 1."""
    contours, _ = cv2.findContours(filled.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return float(filled.sum() / max(1.0, cv2.contourArea(cv2.convexHull(np.concatenate(contours)))))


def _distinct(candidates: Sequence[_Candidate], lines: Sequence[Line], edges: Mask) -> list[_Candidate]:
    """Each place once, as it was found best."""
    boxes = np.array([line.box for line in lines], np.int32).reshape(-1, 4)
    kept: list[_Candidate] = []
    held: list[bytes] = []  # which lines each one holds
    for candidate in sorted(candidates, key=lambda each: (each.trust, -each.quality)):
        holds = (_shares(candidate.box, boxes) > 0.85).tobytes()
        nested = (
            share_within(candidate.box, other.box) > 0.9 or share_within(other.box, candidate.box) > 0.9
            for other, own in zip(kept, held, strict=True)
            if own == holds
        )
        bar = _title_bar(candidate, kept) if candidate.surface is None else None
        if not any(nested) and not any(_is_same(candidate, other) for other in kept if other is not bar):
            kept.append(candidate)
            held.append(holds)
    return [each for each in kept if not any(_is_cut_off(each.box, other.box, edges) for other in kept)]


def _title_bar(frame: _Candidate, kept: Sequence[_Candidate]) -> _Candidate | None:
    """The one box as wide as a frame that lies at its upper end."""
    as_wide = [
        each
        for each in kept
        if share_within(each.box, frame.box) > 0.9
        and abs(each.box[0] - frame.box[0]) <= _NEAR
        and abs(each.box[2] - frame.box[2]) <= _NEAR
    ]
    if len(as_wide) == 1 and height(as_wide[0].box) < 0.35 * height(frame.box):
        return as_wide[0] if abs(as_wide[0].box[1] - frame.box[1]) <= _NEAR else None
    return None


def _is_cut_off(piece: Box, whole: Box, edges: Mask) -> bool:
    """Whether a box is only a part of another one, between its sides and arrows that come from outside."""
    if share_within(piece, whole) < 0.9 or overlap(piece, whole) > _SAME:
        return False
    apart = [side for side in range(4) if abs(piece[side] - whole[side]) > _NEAR]
    if len(apart) > 2 or (len(apart) == 2 and (apart[0] + apart[1]) % 2):
        return False
    going_on = ends_that_go_on(edges, piece)
    return all(going_on[side] > 0 for side in apart)


def _is_same(new: _Candidate, known: _Candidate) -> bool:
    """Whether a finding is a known shape again, or a part or a widening of it that has no border of its own."""
    if overlap(new.box, known.box) > _SAME:
        return True
    sides = sum(abs(one - other) <= _NEAR for one, other in zip(new.box, known.box, strict=True))
    inside = share_within(new.box, known.box) > 0.9
    if sides >= 3 and new.trust >= 10 and not inside:
        return True  # two boxes side by side are not a third
    if sides >= 2 and inside and new.surface and known.surface and new.trust > known.trust:
        return max(abs(a - b) for a, b in zip(new.surface.fill, known.surface.fill, strict=True)) < VISIBLE
    return False


def _without_loops(
    candidates: Sequence[_Candidate], edges: NDArray[np.bool_], pixels: NDArray[np.uint8], lines: Sequence[Line]
) -> list[_Candidate]:
    """Without the areas that arrows and the borders of other boxes happen to enclose.

    A side of such an area is part of a longer line. That is true of boxes in a row which share borders, too, but the
    row ends somewhere with a box of which it is not true.
    """
    sure: list[_Candidate] = []
    unsure: list[_Candidate] = []
    for candidate in candidates:
        if candidate.kind == "other":
            loop = _is_loop_of_lines(candidate, pixels, lines) or _cuts_many(candidate, candidates, lines)
            if not loop and not _is_at_a_border(candidate, candidates, lines):
                sure.append(candidate)
            continue
        longer = 2 in ends_that_go_on(edges, candidate.box) and any(candidate.outline.like_outside)
        (unsure if longer else sure).append(candidate)
    boxes = [one.box for one in sure if _has_a_name_in_the_middle(one.box, lines)]
    sure = [one for one in sure if not _cuts(one, boxes)]
    unsure = [one for one in unsure if not _cuts(one, boxes)]
    sure = [one for one in sure if not _is_between(one, sure) or _has_a_name_in_the_middle(one.box, lines)]
    while True:
        proven = [one for one in unsure if any(_in_a_row(one.box, other.box) for other in sure) or _holds(one, sure)]
        proven = [one for one in proven if not _is_between(one, sure)]
        proven += [one for one in unsure if one not in proven and _has_a_name_in_the_middle(one.box, lines)]
        if not proven:
            return sure
        sure += proven
        unsure = [one for one in unsure if one not in proven]


def _holds(candidate: _Candidate, others: Sequence[_Candidate]) -> bool:
    """Whether a box with an even border holds another shape."""
    return candidate.outline.even and any(
        share_within(other.box, candidate.box) > 0.95 and area(other.box) < 0.7 * area(candidate.box)
        for other in others
    )


def _is_loop_of_lines(candidate: _Candidate, pixels: NDArray[np.uint8], lines: Sequence[Line]) -> bool:
    """Whether an area of no regular form is no thing: not of its own colour, nor compact, nor a box half hidden."""
    surface = candidate.surface
    if surface is None or not _like_around(surface, pixels):
        return False
    small = area(candidate.box) < 0.05 * pixels.shape[0] * pixels.shape[1]
    corner = sorted(surface.reaches)[2:]
    compact = _solidity(surface.filled) > 0.88 and _has_a_name_in_the_middle(candidate.box, lines)
    return not (compact or (small and min(corner) > 0.8))


def _like_around(surface: Surface, pixels: NDArray[np.uint8]) -> bool:
    """Whether most of what lies some pixels around a surface has its colour."""
    margin = 12
    left, top, right, bottom = grown(surface.box, margin)
    if left < 0 or top < 0 or right > pixels.shape[1] or bottom > pixels.shape[0]:
        return False
    own = np.pad(surface.filled, margin).astype(np.uint8)
    ring = (widened(own, 23) - widened(own, 13)).astype(bool)
    difference = np.abs(pixels[top:bottom, left:right][ring].astype(np.int16) - np.array(surface.fill, np.int16))
    return bool((difference.max(axis=1) < VISIBLE).mean() > 0.5)


def _cuts(candidate: _Candidate, boxes: Sequence[Box]) -> bool:
    """Whether a rectangle that is not clearly a box of its own cuts others, as only the lines of arrows do."""
    clear = candidate.trust < 4 and sum(candidate.outline.like_outside) < 2
    if candidate.kind != "rectangle" or clear:
        return False
    return any(area(box) < area(candidate.box) and 0.12 < share_within(box, candidate.box) < 0.85 for box in boxes)


def _is_at_a_border(candidate: _Candidate, others: Sequence[_Candidate], lines: Sequence[Line]) -> bool:
    """Whether an area of no regular form lies at the border of a box around it, and is not named in its middle."""
    if _has_a_name_in_the_middle(candidate.box, lines):
        return False
    return any(
        other.kind != "other"
        and share_within(candidate.box, other.box) > 0.95
        and any(abs(one - its) <= _NEAR for one, its in zip(candidate.box, other.box, strict=True))
        for other in others
    )


def _cuts_many(candidate: _Candidate, others: Sequence[_Candidate], lines: Sequence[Line]) -> bool:
    """Whether the box around an area of no regular form cuts more boxes than one that half hides it."""
    boxes = [each.box for each in others if each.kind != "other" and _has_a_name_in_the_middle(each.box, lines)]
    return sum(0.12 < share_within(box, candidate.box) < 0.85 for box in boxes) > 1


def _has_a_name_in_the_middle(box: Box, lines: Sequence[Line]) -> bool:
    """Whether the only text in a box stands in its centre."""
    within = [line.box for line in lines if share_within(line.box, box) > 0.85]
    if not within or area(box) > 16 * area(around(within)):
        return False
    off_across = max(abs(middle(line)[0] - middle(box)[0]) for line in within)
    off_down = abs(middle(around(within))[1] - middle(box)[1])
    return off_across < 0.08 * width(box) and off_down < 0.12 * height(box)


def _is_between(candidate: _Candidate, others: Sequence[_Candidate]) -> bool:
    """Whether a rectangle without a colour of its own lies in a corner or at a side of another one.

    Arrows cut such pieces off; panels of a box have two opposite sides in common with it.
    """
    if candidate.kind != "rectangle":
        return False
    like_outside = candidate.outline.like_outside
    for other in others:
        common = [abs(one - its) <= _NEAR for one, its in zip(candidate.box, other.box, strict=True)]
        opposite = (common[0] and common[2]) or (common[1] and common[3])
        inside = other is not candidate and share_within(candidate.box, other.box) > 0.95
        free = all(like or shared for like, shared in zip(like_outside, common, strict=True))
        if inside and free and any(common) and not opposite:
            return True
    return False


def _in_a_row(one: Box, other: Box) -> bool:
    """Whether two boxes stand side by side or one on the other with a common border of the same length."""
    level = abs(one[1] - other[1]) < _NEAR and abs(one[3] - other[3]) < _NEAR
    stacked = abs(one[0] - other[0]) < _NEAR and abs(one[2] - other[2]) < _NEAR
    touching = abs(one[0] - other[2]) < _NEAR or abs(one[2] - other[0]) < _NEAR
    piled = abs(one[1] - other[3]) < _NEAR or abs(one[3] - other[1]) < _NEAR
    return (level and touching) or (stacked and piled)


def _with_lids(
    candidates: Sequence[_Candidate], pixels: NDArray[np.uint8], strength: NDArray[np.uint8]
) -> list[_Candidate]:
    """Bodies of cylinders as whole cylinders, where an ellipse as wide as the body lies on top of it."""
    bodies = [each for each in candidates if each.kind in ("other", "rectangle")]
    if not bodies:
        return list(candidates)
    lids: list[Box] = []

    def wanted(box: Box) -> bool:
        return any(_is_lid(box, body.box) for body in bodies)

    for surface in find_surfaces(pixels, strength, [], wanted, {VISIBLE: (0,), 2 * VISIBLE: (0,)}):
        if _roundness(surface) > _LID_ROUNDNESS:
            lids.append(read_outline(pixels, surface.box, surface.fill).box)
    whole = []
    for candidate in candidates:
        lid = next((lid for lid in lids if candidate in bodies and _is_lid(lid, candidate.box)), None)
        whole.append(
            replace(candidate, kind="cylinder", box=around([candidate.box, lid])) if lid is not None else candidate
        )
    return whole


def _is_lid(lid: Box, body: Box) -> bool:
    near = max(_NEAR, width(body) // 12)
    return (
        abs(lid[0] - body[0]) <= near
        and abs(lid[2] - body[2]) <= near
        and height(lid) < 0.7 * width(lid)
        and height(lid) < height(body)
        and lid[1] - near <= body[1] <= lid[3] + near
        and middle(lid)[1] < middle(body)[1]
    )


def _shape(candidate: _Candidate) -> Shape:
    outline = candidate.outline
    own_fill = candidate.surface is not None and not all(outline.like_outside)
    return Shape(
        candidate.kind,  # type: ignore[arg-type]
        candidate.box,
        _hex(outline.color) if outline.color else None,
        _hex(candidate.surface.fill) if own_fill and candidate.surface else None,
        outline.style,
    )


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
