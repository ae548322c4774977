"""What each numbered badge stands at: the component, the container or the words that its number is a step of."""

import math
from collections.abc import Sequence

from vision.picture.boxes import area, gap_across, gap_down, middle, share_within
from vision.picture.found import Badge, Parts
from vision.reading import Box, Connection, Step

_MOSTLY = 0.6  # part of a badge in a component that makes it that component's, whatever words it touches there
_NEAR = 4.0  # sides of a badge: what is further away is not what it stands at


def number_steps(badges: Sequence[Badge], parts: Parts, connections: Sequence[Connection]) -> list[Step]:
    """A step for each badge, in pixels of the picture, at the nearest of all parts and loose words.

    A badge in a component or on its edge is that component's, one on the edge of a container that container's, unless
    words are nearer. One on a connection with nothing near has the connection's label, one that stands at nothing the
    container around it, or an empty label.
    """
    return [_step(badge, parts, connections) for badge in badges]


def _step(badge: Badge, parts: Parts, connections: Sequence[Connection]) -> Step:
    across, down = (round(place) for place in middle(badge.box))
    centre = (across, down, across, down)
    found: list[tuple[float, float, int, str, str | None]] = []  # distances of badge and its centre, area, words, id
    for part in parts.components:
        found.append((_gap(badge.box, part.box), _gap(centre, part.box), area(part.box), part.label, part.id))
    inside = any(share_within(badge.box, part.box) > _MOSTLY for part in parts.components)
    for label in () if inside else parts.loose:
        found.append((_gap(badge.box, label.box), _gap(centre, label.box), area(label.box), label.text, None))
    for part in parts.containers:
        near, nearer = _distance_to_edge(badge.box, part.box), _distance_to_edge(centre, part.box)
        found.append((near, nearer, area(part.box), part.label, part.id))
    nothing = (float("inf"), float("inf"), 0, "", None)
    distance, _, _, words, region = min(found, key=lambda near: near[:3], default=nothing)
    if distance <= _NEAR * (badge.box[3] - badge.box[1]):
        return Step(badge.number, words, region, badge.box)
    crossed = [link for link in connections if link.label and _gap(badge.box, link.box) == 0]
    if crossed:
        smallest = min(crossed, key=lambda link: area(link.box))
        return Step(badge.number, smallest.label or "", None, badge.box)
    around = [part for part in parts.containers if _gap(badge.box, part.box) == 0]
    innermost = min(around, key=lambda part: area(part.box), default=None)
    if innermost is None:
        return Step(badge.number, "", None, badge.box)
    return Step(badge.number, innermost.label, innermost.id, badge.box)


def _gap(one: Box, other: Box) -> float:
    """The distance between two boxes in pixels; 0 where they touch or overlap."""
    return math.hypot(max(0, gap_across(one, other)), max(0, gap_down(one, other)))


def _distance_to_edge(badge: Box, container: Box) -> float:
    """From a badge to the outline of a container, from within as from without; 0 where it stands on it."""
    inside = min(badge[0] - container[0], badge[1] - container[1], container[2] - badge[2], container[3] - badge[3])
    return float(inside) if inside > 0 else _gap(badge, container)
