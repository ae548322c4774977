"""The heads of arrows: where a line grows wide and then narrow again towards its end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.picture.line_ink import Mask
from vision.picture.skeleton import Points

LONGEST = 46
"""Pixels of the picture along the line in which a head is looked for, counted from the end of the line."""
AHEAD = 20
"""Pixels beyond the end of the line: a tip may be lost where an outline was taken away."""
SLIMMEST = 8
"""Pixels across: a smaller widening is where lines touch."""
WIDEST = 24
"""Pixels to each side of the line: what is wider is another line or an outline."""


@dataclass(frozen=True)
class Head:
    """A head at the end of a line; `score` from 0 to 1, `length` and `width` in pixels."""

    score: float
    length: float
    width: float
    filled: bool
    tip: tuple[float, float]


def head_at(ink: Mask, points: Points, line_width: float, gap: int = 0) -> Head | None:
    """The head at the first of the points of a line (its centre, from the end inwards), if there is one.

    `gap`: pixels by which it may stand off, as behind the last dash of a dashed line.
    """
    if len(points) < 5:
        return None
    best: Head | None = None
    for first, last in ((3, 26), (12, 34)):
        for degrees in (0, -8, 8, -16, 16, -24, 24):
            axis = _axis(points, first, last, degrees, AHEAD + gap)
            if axis is None:
                break
            centres, across, places = axis
            near, far = _extents(ink, centres, across)
            # Ink that reaches no further is asked as well: the head of a parallel arrow may lie within reach.
            beside = (extent[: gap + AHEAD + 30] for extent in (near, far))
            if degrees == 0 and not any(_widens(extent, line_width) for extent in beside):
                break
            for found in (_filled_head(near, far, places, line_width), _open_head(far, line_width)):
                head = None if found is None else _placed(found, centres)
                if head is not None and (best is None or head.score > best.score):
                    best = head
            if best is not None and best.score > 0.8:
                return best
    return best


@dataclass(frozen=True)
class _Widening:
    """Where along the axis a head was found: the index of its tip, and what it measures."""

    front: int
    score: float
    length: float
    width: float
    filled: bool


def _placed(found: _Widening, centres: Points) -> Head:
    x, y = centres[found.front]
    return Head(found.score, found.length, found.width, found.filled, (float(x), float(y)))


def _widens(far: NDArray[np.int64], line_width: float) -> bool:
    """Whether ink lies beside the line near its end, at both sides and not as far as another line would."""
    sides = far.min(axis=1)
    return bool(((sides > line_width / 2 + 1.2) & (far.max(axis=1) <= WIDEST - 2)).sum() >= 2)


def _axis(
    points: Points, first: int, last: int, degrees: float, ahead: int
) -> tuple[Points, NDArray[np.float64], NDArray[np.float64]] | None:
    """Centres one pixel apart from beyond the end to inside, the direction across, and their distance from the end.

    The direction is that of the points from `first` to `last` pixels from the end, turned by some degrees: the centre
    line of a head may lead to one of its corners. None where the line is too short.
    """
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    piece = points[(along >= first) & (along <= last)]
    if len(piece) < 4:
        if first > 3:
            return None
        piece = points[:12]
    middle = piece.mean(axis=0)
    inwards = np.linalg.svd(piece - middle, full_matrices=False)[2][0]
    if inwards @ (piece[-1] - piece[0]) < 0:
        inwards = -inwards
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    inwards = np.array([cosine * inwards[0] - sine * inwards[1], sine * inwards[0] + cosine * inwards[1]])
    pivot = piece[-1] if first == 3 else piece[0]
    reach = min(LONGEST + 14.0, float(along[-1]))
    if reach < 6:
        return None
    places = np.arange(-ahead, reach + 1.0)
    away = float(along[np.abs(points - pivot).sum(axis=1).argmin()])
    straight = pivot + np.outer(places - away, inwards)
    inside = places >= max(away, 14)
    straight[inside, 0] = np.interp(places[inside], along, points[:, 0])
    straight[inside, 1] = np.interp(places[inside], along, points[:, 1])
    return straight, np.array([-inwards[1], inwards[0]]), places


def _extents(ink: Mask, centres: Points, across: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How far ink reaches to both sides of each centre [n, 2]: without a gap, and at the farthest, up to `WIDEST`."""
    height, width = ink.shape
    steps = np.arange(0, WIDEST + 1)
    near, far = np.zeros((len(centres), 2), np.int64), np.zeros((len(centres), 2), np.int64)
    for side, sign in enumerate((1.0, -1.0)):
        spots = np.rint(centres[:, None, :] + sign * steps[None, :, None] * across).astype(np.int64)
        inside = (spots[..., 0] >= 0) & (spots[..., 0] < width) & (spots[..., 1] >= 0) & (spots[..., 1] < height)
        hit = ink[spots[..., 1].clip(0, height - 1), spots[..., 0].clip(0, width - 1)] & inside
        bridged = hit.copy()
        bridged[:, 0] |= hit[:, 1]  # the centre may lie one pixel beside the ink
        near[:, side] = np.where(bridged.all(axis=1), WIDEST + 1, bridged.argmin(axis=1))
        far[:, side] = np.where(hit.any(axis=1), WIDEST + 1 - hit[:, ::-1].argmax(axis=1), 0)
    return near, far


def _filled_head(
    near: NDArray[np.int64], far: NDArray[np.int64], places: NDArray[np.float64], line_width: float
) -> _Widening | None:
    """A triangle or barbed head: narrow at the tip, widest near its back, then the bare line."""
    half = line_width / 2
    sides, wide = near.min(axis=1), near.max(axis=1)
    bare = half + 1.6
    usable = (wide <= WIDEST - 2) & (places <= LONGEST)
    if not usable.any():
        return None
    peak = int(np.where(usable, sides, 0).argmax())
    height = float(sides[peak])
    if height < max(SLIMMEST / 2, half + max(1.8, 0.55 * line_width)) or wide[peak] > 1.5 * height + 2:
        return None
    back = next((i for i in range(peak + 1, len(sides)) if wide[i] <= bare), None)
    if back is None:
        return None
    front = peak
    while front > 0 and usable[front - 1] and 0 < sides[front - 1] <= sides[front] + 1 and sides[front] > half - 1:
        front -= 1
    beyond = wide[max(front - 14, 0) : max(front - 3, 0)]
    if len(beyond) and float(((beyond > 0) & (beyond <= bare)).mean()) > 0.7:
        return None  # the line goes on: a bead on it, no head
    length, fall = float(peak - front + 1), float(back - peak)
    after = far[min(peak + int(1.2 * length) + 4, len(far)) :][:10].max(axis=1, initial=0)
    if len(after) and float(((after > bare + 1) & (after <= 1.6 * height + 3)).mean()) > 0.5:
        return None  # two lines that part: no head
    if length < 3 or length < 0.9 * fall or not 0.35 <= length / height <= 5:
        return None
    slope = np.linspace(min(half, height / 3), height, peak - front + 1)
    misfit = float(np.abs(sides[front : peak + 1] - slope).mean()) / height
    skew = float(np.abs(near[front : back + 1, 0] - near[front : back + 1, 1]).mean()) / height
    shaft = wide[back : back + 6]
    steady = float((shaft <= bare + 1).mean()) if len(shaft) else 0.0
    score = (1 - 1.6 * misfit) * (1 - 0.9 * skew) * min(1.0, length / (1.3 * fall)) * (0.4 + 0.6 * steady)
    score *= min(1.0, (height - half) / max(2.5, 0.9 * line_width))
    return _Widening(front, float(np.clip(score, 0, 1)), length + fall, 2 * height, True)


def _open_head(far: NDArray[np.int64], line_width: float) -> _Widening | None:
    """Two barbs: ink on both sides at the same distance, growing from the tip backwards, then the bare line."""
    half = line_width / 2
    sides, wide = far.min(axis=1), far.max(axis=1)
    grown = (sides > half + 1.2) & (wide <= WIDEST - 2) & (np.abs(far[:, 0] - far[:, 1]) <= 3 + line_width / 2)
    runs = np.flatnonzero(np.diff(np.concatenate([[0], grown.astype(np.int8), [0]])))
    best: _Widening | None = None
    for start, stop in zip(runs[::2], runs[1::2], strict=True):
        if stop - start < 5 or stop - start > LONGEST or stop > len(sides) - 3:
            continue
        mean = far[start:stop].mean(axis=1)
        slope, base = np.polyfit(np.arange(stop - start), mean, 1)
        misfit = float(np.abs(np.arange(stop - start) * slope + base - mean).mean())
        after = wide[stop : stop + 7]
        bare = float((after <= half + 1.6).mean())
        if not 0.22 <= slope <= 1.6 or base > half + 6 or bare < 0.5 or mean[-1] < half + 3.5:
            continue
        score = float(np.clip(1 - misfit / 3, 0, 1)) * bare * min(1.0, (stop - start) / 7)
        if best is None or score > best.score:
            best = _Widening(int(start), score, float(stop - start), 2 * float(mean[-1]), False)
    return best
