"""What was read on a diagram: the shape that every other file of this room takes or makes.

Boxes are `(left, top, right, bottom)` in pixels of the image as it was uploaded.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Box = tuple[int, int, int, int]
Style = Literal["solid", "dashed"]

READER_VERSION = "1"
"""Goes up with every change that reads any image differently: cached readings of another version are not used."""


@dataclass(frozen=True)
class Text:
    """One line of text as the recognition gave it; `confidence` from 0 to 1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True)
class Component:
    """A named thing: a box, a cylinder, an icon with its caption. `container` is the id of the innermost around it."""

    id: str
    label: str
    box: Box
    container: str | None = None


@dataclass(frozen=True)
class Container:
    """A named region that holds components; `parent` is the id of the container around it."""

    id: str
    label: str
    box: Box
    parent: str | None = None


@dataclass(frozen=True)
class Connection:
    """A line between two parts (ids of components or containers); one with two heads is two connections.

    `stated` is true only for what an answer may assert. `confidence` from 0 to 1.
    """

    source: str
    target: str
    directed: bool
    label: str | None
    color: str
    style: Style
    confidence: float
    stated: bool
    box: Box


@dataclass(frozen=True)
class LegendEntry:
    """What a colour and style of line, or a small sign, means; `color` as `#rrggbb`."""

    label: str
    color: str
    style: Style
    box: Box


@dataclass(frozen=True)
class Step:
    """A numbered badge. `number` as printed, in lower case, without brackets and trailing dot.

    `label` is the text it stands at; `component` the id of the component or container, where it stands at one.
    """

    number: str
    label: str
    component: str | None
    box: Box


@dataclass(frozen=True)
class Reading:
    """All that was read on one image."""

    width: int
    height: int
    components: tuple[Component, ...] = ()
    containers: tuple[Container, ...] = ()
    connections: tuple[Connection, ...] = ()
    legend: tuple[LegendEntry, ...] = ()
    steps: tuple[Step, ...] = ()
    text: tuple[Text, ...] = ()
    seconds: float = 0.0
    reader: str = field(default=READER_VERSION)

    def as_dict(self) -> dict[str, Any]:
        """The reading as `python -m vision read` prints it."""
        plain = asdict(self)
        for connection in plain["connections"]:
            connection["from"], connection["to"] = connection.pop("source"), connection.pop("target")
        size = {"width": plain.pop("width"), "height": plain.pop("height")}
        return {"image": size, **plain}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Reading":
        """The reading that `as_dict` wrote. Raises: KeyError or TypeError for anything else."""

        def boxed(entry: Mapping[str, Any]) -> dict[str, Any]:
            left, top, right, bottom = entry["box"]
            return {**entry, "box": (left, top, right, bottom)}

        def connection(entry: Mapping[str, Any]) -> Connection:
            known = {name: value for name, value in boxed(entry).items() if name not in ("from", "to")}
            return Connection(source=entry["from"], target=entry["to"], **known)

        return cls(
            width=plain["image"]["width"],
            height=plain["image"]["height"],
            components=tuple(Component(**boxed(entry)) for entry in plain["components"]),
            containers=tuple(Container(**boxed(entry)) for entry in plain["containers"]),
            connections=tuple(connection(entry) for entry in plain["connections"]),
            legend=tuple(LegendEntry(**boxed(entry)) for entry in plain["legend"]),
            steps=tuple(Step(**boxed(entry)) for entry in plain["steps"]),
            text=tuple(Text(**boxed(entry)) for entry in plain["text"]),
            seconds=plain["seconds"],
            reader=plain["reader"],
        )

    def box_of(self, region: str) -> Box:
        """Where a component or container is, by its id. Raises: KeyError."""
        boxes = {component.id: component.box for component in self.components}
        return {**boxes, **{container.id: container.box for container in self.containers}}[region]
