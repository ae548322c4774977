"""The reading of a diagram as a graph: parts are nodes, and only connections that an answer may assert are edges."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from vision.reading import Component, Connection, Container, Reading

P = TypeVar("P", Component, Container, Component | Container)


@dataclass(frozen=True)
class Diagram:
    """A reading with its parts by id, who is in whom, and its stated connections."""

    reading: Reading
    parts: Mapping[str, Component | Container] = field(repr=False)
    inside: Mapping[str, str | None] = field(repr=False)
    """Part → the container around it."""
    arrows: tuple[Connection, ...]
    """Stated connections with a direction."""
    joined: tuple[Connection, ...]
    """Stated connections without one."""
    unsure: tuple[Connection, ...]
    """Lines that were seen, and that no answer may assert."""

    def label(self, part: str) -> str:
        """The name of a part as read."""
        return self.parts[part].label

    def labels(self, parts: Iterable[str]) -> list[str]:
        """The names of parts as read."""
        return [self.label(part) for part in parts]

    def is_container(self, part: str) -> bool:
        """Whether a part is a region around others."""
        return isinstance(self.parts[part], Container)

    def around(self, part: str) -> list[str]:
        """The containers around a part, the innermost first."""
        found: list[str] = []
        outer = self.inside.get(part)
        while outer is not None and outer not in found and outer != part:
            found.append(outer)
            outer = self.inside.get(outer)
        return found

    def within(self, container: str) -> list[str]:
        """Everything in a container, also in those that it holds, in the order of the picture."""
        return [part for part in self.parts if container in self.around(part)]

    def members(self, container: str) -> list[str]:
        """What stands directly in a container."""
        return [part for part in self.parts if self.inside.get(part) == container]

    def family(self, part: str) -> set[str]:
        """A part with everything in it."""
        return {part, *self.within(part)}


def diagram_of(reading: Reading) -> Diagram:
    """A reading, ready for questions. Parts are ordered as people read: rows from the top, each from the left."""
    everything: list[Component | Container] = [*reading.containers, *reading.components]
    parts = {part.id: part for part in in_reading_order(everything)}
    inside = {container.id: container.parent for container in reading.containers}
    inside.update({component.id: component.container for component in reading.components})
    known = [one for one in reading.connections if one.source in parts and one.target in parts]
    return Diagram(
        reading=reading,
        parts=parts,
        inside={part: outer if outer in parts else None for part, outer in inside.items()},
        arrows=tuple(one for one in known if one.stated and one.directed),
        joined=tuple(one for one in known if one.stated and not one.directed),
        unsure=tuple(one for one in reading.connections if not one.stated),
    )


def shortest_way(diagram: Diagram, starts: Iterable[str], ends: Iterable[str]) -> list[str] | None:
    """The parts on the shortest way along stated arrows from any start to any end; None where there is none.

    What enters a container may leave from a part in it, and what leaves a container may come from a part in it.
    """
    import networkx

    # Each part has two nodes, where a way arrives and where it leaves: so no way goes from one part of a container to
    # another without an arrow.
    graph: networkx.DiGraph[tuple[str, str]] = networkx.DiGraph()
    for part, outer in diagram.inside.items():
        graph.add_edge(("in", part), ("out", part), weight=0)
        if outer is not None:
            graph.add_edge(("in", outer), ("in", part), weight=1)
            graph.add_edge(("out", part), ("out", outer), weight=1)
    for one in diagram.arrows:
        graph.add_edge(("out", one.source), ("in", one.target), weight=2)
    goals = {("in", end) for end in ends}
    ways: list[tuple[float, list[str]]] = []
    for start in starts:
        lengths, paths = networkx.single_source_dijkstra(graph, ("out", start))
        ways += [(lengths[goal], [part for _, part in paths[goal]]) for goal in goals if goal in paths]
    way = min(ways, default=(0, []), key=lambda way: way[0])[1]
    return [part for place, part in enumerate(way) if place == 0 or way[place - 1] != part] or None


def in_reading_order(parts: Iterable[P]) -> list[P]:
    """Parts by rows from the top, each row from the left; parts whose heights overlap by half are a row."""
    left_over = sorted(parts, key=lambda part: (part.box[1], part.box[0]))
    ordered: list[P] = []
    while left_over:
        top, bottom = left_over[0].box[1], left_over[0].box[3]
        row = [part for part in left_over if part.box[1] <= (top + bottom) / 2]
        ordered += sorted(row, key=lambda part: part.box[0])
        left_over = [part for part in left_over if part not in row]
    return ordered
