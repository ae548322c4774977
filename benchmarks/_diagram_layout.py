"""Where the things of a drawn diagram stand: nodes in rows and columns, in containers that may be nested."""

from dataclasses import dataclass, field

from benchmarks._diagram_styles import Look, Theme

Rect = tuple[float, float, float, float]


@dataclass(eq=False)
class Node:
    """A component. `body` is its outline or icon, where arrows end; `box` is all of it, with the caption."""

    label: str
    kind: str
    look: Look
    lines: list[str] = field(default_factory=list)
    size: tuple[float, float] = (0, 0)
    box: Rect = (0, 0, 0, 0)
    body: Rect = (0, 0, 0, 0)
    aside: str | None = None
    """A few small words in its lower right corner."""
    detail: str | None = None
    """A description in smaller letters under its name."""
    icon: int = 0
    text_size: float = 14
    name: str = ""


@dataclass(eq=False)
class Group:
    """A container, or with no label only an arrangement. Children of one that `adjoins` share their borders."""

    label: str | None
    direction: str
    children: list["Group | Node"]
    look: Look
    gap: float = 40
    padding: float = 24
    title: str = "top-left"
    title_size: float = 15
    adjoins: bool = False
    box: Rect = (0, 0, 0, 0)
    title_box: Rect | None = None
    bar: Look | None = None
    icon: int | None = None
    size: tuple[float, float] = (0, 0)
    name: str = ""

    def title_height(self) -> float:
        return self.title_size * 2 if self.label else 0

    def nodes(self) -> list[Node]:
        found: list[Node] = []
        for child in self.children:
            found += [child] if isinstance(child, Node) else child.nodes()
        return found

    def groups(self) -> list["Group"]:
        """All groups in it, itself first."""
        found = [self]
        for child in self.children:
            found += child.groups() if isinstance(child, Group) else []
        return found


def wrapped(text: str, width: float, theme: Theme, size: float, style: str = "regular") -> list[str]:
    """The words of a text in lines no wider than `width`, where a single word allows it."""
    font, lines = theme.font(size, style), [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def text_width(lines: list[str], theme: Theme, size: float, style: str = "regular") -> float:
    font = theme.font(size, style)
    return max((font.getlength(line) for line in lines), default=0)


def measure_node(node: Node, theme: Theme) -> None:
    rng = theme.rng
    size = node.text_size = theme.text_size
    style = "bold" if theme.bold_nodes else "regular"
    node.lines = wrapped(node.label, rng.choice((90, 110, 130, 170)), theme, size, style)
    width, height = text_width(node.lines, theme, size, style), len(node.lines) * size * 1.25
    if node.detail:
        height += len(wrapped(node.detail, max(width, 120), theme, size - 3)) * (size - 3) * 1.25 + 4
        width = max(width, 120)
    if node.kind == "icon":
        node.size = (max(width, 62) + 4, 58 + height + 4)
    elif node.kind == "icon_box":
        node.size = (width + 62, max(46, height + 16))
    elif node.kind == "icon_below":
        node.size = (max(width + 24, 96), height + 58)
    elif node.kind == "cylinder":
        node.size = (max(width + 26, 76), height + 48)
    elif node.kind == "chevron":
        node.size = (width + 64, max(54, height + 24))
    elif node.kind in ("ellipse", "hexagon"):
        node.size = (width * 1.3 + 36, height * 1.3 + 34)
    else:
        node.size = (max(width + rng.choice((18, 26, 40)), 76), max(40, height + rng.choice((14, 22, 34))))


def measure(part: Group | Node, theme: Theme) -> tuple[float, float]:
    if isinstance(part, Node):
        measure_node(part, theme)
        return part.size
    sizes = [measure(child, theme) for child in part.children]
    along, across = (0, 1) if part.direction == "row" else (1, 0)
    if part.adjoins:
        _even(part, across)
        sizes = [child.size for child in part.children]
    inner = [0.0, 0.0]
    inner[along] = sum(size[along] for size in sizes) + part.gap * (len(sizes) - 1)
    inner[across] = max(size[across] for size in sizes)
    pad = part.padding if part.label else 0
    title = text_width([part.label], theme, part.title_size, "bold") + 40 if part.label else 0
    part.size = (max(inner[0] + 2 * pad, title), inner[1] + 2 * pad + part.title_height())
    return part.size


def _even(part: Group, across: int) -> None:
    """Children that share borders are equally wide or high."""
    most = max(child.size[across] for child in part.children)
    for child in part.children:
        child.size = (most, child.size[1]) if across == 0 else (child.size[0], most)


def place(part: Group | Node, left: float, top: float, theme: Theme) -> None:
    """Give a measured part and all in it their boxes."""
    width, height = part.size
    part.box = (left, top, left + width, top + height)
    if isinstance(part, Node):
        part.body = part.box
        if part.kind == "icon":
            middle = left + width / 2
            part.body = (middle - 28, top, middle + 28, top + 56)
        return
    pad = part.padding if part.label else 0
    head = part.title_height() if part.title != "bottom" else 0
    along = 0 if part.direction == "row" else 1
    inner = (width - 2 * pad, height - 2 * pad - part.title_height())
    used = sum(child.size[along] for child in part.children) + part.gap * (len(part.children) - 1)
    at, slack = [left + pad, top + pad + head], max(0.0, inner[along] - used)
    if part.adjoins and all(isinstance(child, Group) for child in part.children):
        for child in part.children:
            longer = list(child.size)
            longer[along] += slack / len(part.children)
            child.size = (longer[0], longer[1])
        slack = 0
    at[along] += slack / 2
    for child in part.children:
        spare = inner[1 - along] - child.size[1 - along]
        if part.adjoins and isinstance(child, Group):
            stretched = list(child.size)
            stretched[1 - along] = inner[1 - along]
            child.size, spare = (stretched[0], stretched[1]), 0
        corner = list(at)
        corner[1 - along] += spare / 2
        place(child, corner[0], corner[1], theme)
        at[along] += child.size[along] + part.gap
    if part.label:
        part.title_box = _title_box(part, theme)


def _title_box(part: Group, theme: Theme) -> Rect:
    left, top, right, bottom = part.box
    width, height = text_width([part.label or ""], theme, part.title_size, "bold"), part.title_size * 1.2
    up = bottom - height - 8 if part.title == "bottom" else top + 8
    from_left = left + 10
    if part.title in ("top", "bottom"):
        from_left = (left + right - width) / 2
    elif part.title == "top-right":
        from_left = right - width - 10
    return (from_left, up, from_left + width, up + height)
