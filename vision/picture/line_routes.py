"""The ways along the lines of a picture: from which loose end to which, through junctions and across gaps."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vision.picture.line_network import Port, heading, ports_at, turn
from vision.picture.skeleton import Points, Strand

DEAREST = 2.6
"""A way that costs more is none."""
MOST_TRIED = 3000
"""Pieces of ways looked at from one end: keeps drawings that are all crossings within bounds."""


@dataclass(frozen=True)
class Route:
    """A way from one end of a line to another: its strands in order, each with the end it is entered at."""

    ports: tuple[Port, ...]
    cost: float
    """0 for a line without branches; about 1 for a right-angled turn at a junction."""
    points: Points
    dash_gaps: int

    @property
    def start(self) -> Port:
        """Where it sets out."""
        return self.ports[0]

    @property
    def finish(self) -> Port:
        """Where it ends."""
        return self.ports[-1][0], 1 - self.ports[-1][1]


@dataclass(frozen=True)
class Network:
    """Strands, which junctions they share, and which loose ends go on at which other one."""

    strands: Sequence[Strand]
    links: Mapping[Port, tuple[int, int, bool]]
    colors: Sequence[Points]


def routes_from(start: Port, network: Network, at: Mapping[int, Sequence[Port]]) -> dict[Port, Route]:
    """The cheapest way from a loose end to each other end that can be reached."""
    first = Route((start,), 0.0, network.strands[start[0]].from_end(start[1]), 0)
    waiting: list[tuple[float, int, Route]] = [(0.0, 0, first)]
    found: dict[Port, Route] = {}
    done: set[Port] = set()
    tried = 0
    while waiting and tried < MOST_TRIED:
        _, _, route = heapq.heappop(waiting)
        if route.ports[-1] in done:
            continue
        done.add(route.ports[-1])
        followed = list(_onwards(route, network, at))
        if not followed and network.strands[route.finish[0]].nodes[route.finish[1]] is None:
            found.setdefault(route.finish, route)
        for further in followed:
            if further.cost <= DEAREST:
                tried += 1
                heapq.heappush(waiting, (further.cost, tried, further))
    return found


def _onwards(route: Route, network: Network, at: Mapping[int, Sequence[Port]]) -> list[Route]:
    """The route with one more strand, for each way that it can go on."""
    number, end = route.finish
    link = network.links.get((number, end))
    if link is not None:
        port = (link[0], link[1])
        if any(port[0] == strand for strand, _ in route.ports):
            return []
        points = np.concatenate([route.points, network.strands[port[0]].from_end(port[1])])
        return [Route((*route.ports, port), route.cost + 0.02, points, route.dash_gaps + link[2])]
    node = network.strands[number].nodes[end]
    if node is None:
        return []
    further = []
    others = [port for port in at[node] if port != (number, end)]
    back = -heading(route.points[::-1][3:], 32) if len(route.points) > 8 else -heading(route.points[::-1])
    for port in others:
        if any(port[0] == strand for strand, _ in route.ports):
            continue
        points = network.strands[port[0]].from_end(port[1])
        ahead = heading(points[3:], 32) if len(points) > 8 else heading(points)
        degrees = turn(back, ahead)
        cost = _turn_cost(degrees, len(others))
        if np.abs(network.colors[number] - network.colors[port[0]]).max() > 60:
            cost += 1.5
        further.append(
            Route((*route.ports, port), route.cost + cost, np.concatenate([route.points, points]), route.dash_gaps)
        )
    return further


def _turn_cost(degrees: float, others: int) -> float:
    """Straight on is free; at a branch a right angle costs 1; at a crossing lines go straight on."""
    if degrees > 118:
        return 9.0
    cost = max(0.0, degrees - 12) / 78
    return cost + (2.0 if others >= 3 and degrees > 35 else 0.0)


def pairs(tails: set[Port], heads: set[Port], network: Network) -> list[tuple[Route, float, int]]:
    """The lines: each a route from tail to head (or between two heads), the margin to its best rival, and its heads.

    Every head looks for its tail, then every tail left over for its head; lines without heads come last.
    """
    at = ports_at(list(network.strands))
    lines: list[tuple[Route, float, int]] = []
    used: set[Port] = set()
    taken: set[frozenset[Port]] = set()
    every = tails | heads
    for sources, goals in ((heads, tails), (tails, heads), (tails, tails)):
        for start in sorted(sources):
            if start in used:
                continue
            found = [
                route for port, route in routes_from(start, network, at).items() if port in every and port != start
            ]
            ranked = sorted(((_rank(route, start in heads, heads), route) for route in found), key=lambda pair: pair[0])
            if not ranked or ranked[0][1].finish not in goals | heads:
                continue
            cost, route = ranked[0]
            both = frozenset((route.start, route.finish))
            if both in taken:
                continue
            taken.add(both)
            used |= both
            margin = ranked[1][0] - cost if len(ranked) > 1 else DEAREST
            lines.append((route, margin, (route.start in heads) + (route.finish in heads)))
    return lines


def _rank(route: Route, from_head: bool, heads: set[Port]) -> float:
    """A way from a head to another head is the last that is believed, one between two tails too."""
    return route.cost + (0.9 if from_head == (route.finish in heads) else 0.0)
