"""Small line charts as SVG text: for a report that has to stand alone, without any script or file beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dashboard.chart_times import shown_time

_WIDTH, _HEIGHT = 460, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 10, 14, 26
_TICKS = 4


@dataclass(frozen=True)
class Mark:
    """A vertical line at a time (milliseconds since 1970). kind: change or alert, the classes of the report's style."""

    time: int
    kind: str
    text: str


def line_chart(
    title: str, unit: str, times: Sequence[int], values: Sequence[float], zone: str, marks: Sequence[Mark] = ()
) -> str:
    """A line over time with its axes, as an `<svg>` whose colours come from the page's style.

    times: milliseconds since 1970, rising; values: NaN leaves a gap. Texts are escaped.
    """
    known = [value for value in values if math.isfinite(value)]
    heading = f"{title}, {unit}"
    if not known:
        return f'<svg viewBox="0 0 {_WIDTH} 40" role="img"><text x="0" y="24">{escape(heading)}: nothing</text></svg>'
    top = _rounded_up(max(*known, 0.0))
    first, last = times[0], max(times[-1], times[0] + 1)

    def x(time: int) -> float:
        return _LEFT + (time - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f"<title>{escape(heading)}, from {_number(min(known))} to {_number(max(known))}</title>"]
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        height = f"{y(value):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height}" y2="{height}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    for time, anchor in ((first, "start"), (times[-1], "end")):
        place = f"{x(time):.1f}"
        parts.append(f'<text x="{place}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{shown_time(time, zone)}</text>')
    for mark in marks:
        if first <= mark.time <= last:
            at = f"{x(mark.time):.1f}"
            kind = "alert" if mark.kind == "alert" else "change"
            parts.append(
                f'<line class="{kind}" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}">'
                f"<title>{escape(mark.text)}</title></line>"
            )
    for points in _stretches([(x(time), y(value)) for time, value in zip(times, values, strict=True)]):
        drawn = " ".join(f"{left:.1f},{height:.1f}" for left, height in points)
        if len(points) == 1:
            parts.append(f'<circle class="dot" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2"/>')
        else:
            parts.append(f'<polyline class="line" points="{drawn}"/>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _stretches(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The points in rows without a gap."""
    found: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            found[-1].append(point)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]


def _rounded_up(value: float) -> float:
    """The next number of the kind 1, 2, 2.5 or 5 times a power of ten: the end of an axis from zero."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.4g}".replace(",", " ") if abs(value) < 1000 else f"{value:,.0f}".replace(",", " ")
