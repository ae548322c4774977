"""Kinds of architecture diagrams as people draw them: which things there are, in which containers, how connected."""

import itertools
import random
from dataclasses import dataclass, field

from benchmarks._diagram_layout import Group, Node
from benchmarks._diagram_names import WORDS, Names
from benchmarks._diagram_styles import PALE, VIVID, Look, Theme


@dataclass(eq=False)
class Edge:
    """A connection that a plan wants; drawn only if there is a way for it."""

    source: Node | Group
    target: Node | Group
    label: str | None = None
    heads: int = 1
    dashed: bool = False
    color: str | None = None


@dataclass
class Plan:
    """What a diagram shows, before anything is drawn. `way`: right-angled, straight or curved."""

    root: Group
    edges: list[Edge] = field(default_factory=list)
    way: str = "right-angled"
    shared: bool = False
    shuffled: float = 0


class Maker:
    """Makes nodes and groups in the manner of one diagram."""

    def __init__(self, theme: Theme) -> None:
        self.theme, self.rng, self.names = theme, theme.rng, Names(theme.rng)
        self.kinds = self.rng.choice(
            (
                ["box"],
                ["box"],
                ["icon"],
                ["icon_box", "box"],
                ["box", "icon", "cylinder"],
                ["icon_below"],
                ["box", "cylinder", "ellipse"],
                ["box", "stacked"],
                ["plaque", "box"],
                ["box", "box", "box", "hexagon"],
            )
        )

        self.described = self.rng.random() < 0.05

    def node(self, kind: str | None = None, look: Look | None = None) -> Node:
        rng = self.rng
        kind = kind or rng.choice(self.kinds)
        label = self.names.short() if rng.random() < 0.1 else self.names.component()
        node = Node(label, kind, look or rng.choice(self.theme.node_looks), icon=rng.randrange(10**6))
        if kind == "box" and self.described:
            node.detail = rng.choice(WORDS["details"])
        elif kind == "box" and rng.random() < 0.06:
            node.aside = rng.choice(("TLS 1.3", "Python 3", "x 3", "eu-west-1", "Release", "Dev"))
        return node

    def nodes(self, count: int) -> list[Group | Node]:
        return [self.node() for _ in range(count)]

    def block(self, children: list, direction: str, label: str | None = "", depth: int = 0, **more) -> Group:
        rng = self.rng
        label = self.names.region() if label == "" else label
        look = self.theme.group_look(depth, PALE)
        group = Group(label, direction, children, look, gap=rng.choice((28, 40, 56)), **more)
        group.title = rng.choices(("top-left", "top", "bottom", "top-right"), (6, 4, 1, 1))[0]
        group.title_size = self.theme.text_size + rng.choice((0, 1, 3))
        if label and group.title in ("top", "top-left") and rng.random() < 0.15:
            group.bar = Look(rng.choice(VIVID), look.outline)
        if label and not group.bar and group.title == "top-left" and rng.random() < 0.12:
            group.icon = rng.randrange(10**6)
        return group

    def bare(self, children: list, direction: str, gap: float = 60, **more) -> Group:
        return Group(None, direction, children, Look(None, None), gap=gap, **more)


def bands(maker: Maker) -> Plan:
    """Wide layers on top of each other that share borders, one of them divided into environments."""
    rng = maker.rng
    rows: list[Group | Node] = []
    for at in range(rng.randint(2, 4)):
        if at == 1 and rng.random() < 0.7:
            parts = [maker.block(_lines(maker, rng.randint(2, 4)), "column") for _ in range(rng.randint(2, 3))]
            rows.append(maker.bare(parts, "row", rng.choice((0, 0, 16)), adjoins=True))
        else:
            rows.append(maker.block(maker.nodes(rng.randint(3, 6)), "row"))
    gap = rng.choice((0, 0, 24, 40))
    for row in rows:
        for group in row.groups():
            group.gap = max(group.gap, 48) if group.label else group.gap
            group.padding = 36
    root = maker.bare(rows, "column", gap, adjoins=True)
    return Plan(root, near_edges(maker, root, 1.0), shared=rng.random() < 0.4)


def _lines(maker: Maker, count: int) -> list:
    nodes = maker.nodes(count)
    if count > 2 and maker.rng.random() < 0.6:
        half = count // 2
        return [maker.bare(nodes[:half], "row", 48), maker.bare(nodes[half:], "row", 48)]
    return nodes


def pipeline(maker: Maker) -> Plan:
    """Stages from left to right, each a container or a single thing."""
    rng = maker.rng
    stages: list[Group | Node] = []
    for _ in range(rng.randint(3, 5)):
        way = rng.random()
        if way < 0.3:
            stages.append(maker.bare(maker.nodes(rng.randint(1, 3)), "column", 50))
        elif way < 0.5:
            inner = maker.block(maker.nodes(rng.randint(1, 3)), "column", depth=1)
            stages.append(maker.block([inner, *maker.nodes(rng.randint(0, 1))], "column"))
        else:
            stages.append(maker.block(maker.nodes(rng.randint(2, 4)), "column"))
    root = maker.bare(stages, "row", rng.choice((70, 90, 120)))
    return Plan(root, near_edges(maker, root, 1.1, along="x"), shared=rng.random() < 0.4)


def clusters(maker: Maker) -> Plan:
    """Pictures with captions in pale nested containers, joined by thin lines."""
    rng, theme = maker.rng, maker.theme
    maker.kinds = ["icon"]
    theme.line_width, theme.head = rng.choice((1, 1.2)), "slim"
    theme.line_color = rng.choice(("#7b8894", "#444444", "#000000")) if not theme.dark else theme.line_color
    columns: list[Group | Node] = [maker.node()]
    inner = [maker.block(maker.nodes(rng.randint(2, 3)), "column", depth=1) for _ in range(rng.randint(1, 2))]
    columns.append(maker.block([inner[0], maker.node(), *inner[1:]], "row"))
    columns.append(maker.bare(maker.nodes(rng.randint(1, 3)), "column", 60))
    for group in columns[1].groups():
        group.gap, group.title, group.bar, group.icon = 60, "top-left", None, None
    root = maker.bare(columns, "row", 90)
    return Plan(root, near_edges(maker, root, 1.2, along="x"), shared=rng.random() < 0.7)


def tree(maker: Maker) -> Plan:
    """Loose rows of boxes, joined by straight or curved lines that start at one point and may cross."""
    rng = maker.rng
    rows: list[Group | Node] = [
        maker.bare(maker.nodes(count), "row", rng.choice((50, 80, 110)))
        for count in [rng.randint(1, 2), *(rng.randint(2, 5) for _ in range(rng.randint(2, 3)))]
    ]
    root = maker.bare(rows, "column", rng.choice((80, 110)))
    edges = []
    for upper, lower in itertools.pairwise(rows):
        for node in lower.nodes():
            for source in rng.sample(upper.nodes(), min(len(upper.nodes()), rng.choice((1, 1, 1, 2)))):
                edges.append(Edge(source, node))
    return Plan(root, edges, rng.choice(("straight", "straight", "curved", "right-angled")), shared=True, shuffled=18)


def stacks(maker: Maker) -> Plan:
    """Layers of boxes without gaps, large filled boxes that hold smaller ones, and drums."""
    rng = maker.rng
    rows: list[Group | Node] = []
    looks = [Look(fill, "#333333", 1) for fill in rng.sample(VIVID, 4)]
    if rng.random() < 0.8:
        layers = maker.bare(
            [maker.node("box", looks[at % 4]) for at in range(rng.randint(2, 4))], "column", 0, adjoins=True
        )
        rows.append(maker.block([layers], "column"))
        rows[-1].look = Look("#eeeeee", "#333333", 1.2, dashed=True)
    for at in range(rng.randint(2, 3)):
        if rng.random() < 0.35:
            rows.append(
                maker.bare(
                    [maker.node(rng.choice(("cylinder", "box")), looks[3]) for _ in range(rng.randint(1, 2))],
                    "column",
                    70,
                )
            )
            continue
        inner = [
            maker.node(rng.choice(("plaque", "box")), Look(None, "#222222", 1.2)) for _ in range(rng.randint(1, 3))
        ]
        block = maker.block(inner, "column")
        block.look, block.title, block.bar, block.icon = Look(looks[at % 3].fill, "#333333", 1), "top", None, None
        rows.append(block)
    root = maker.bare(rows, "row", 110)
    return Plan(root, near_edges(maker, root, 1.0, along="x", to_groups=0.4))


def accounts(maker: Maker) -> Plan:
    """Containers of pictures, with labelled arrows between the containers themselves."""
    rng = maker.rng
    maker.kinds = ["icon"] if rng.random() < 0.7 else ["icon", "icon_box"]
    blocks: list[Group | Node] = []
    for _ in range(rng.randint(2, 4)):
        pairs = [maker.bare(maker.nodes(2), "row", 36) for _ in range(rng.randint(1, 2))]
        blocks.append(maker.block(pairs, "column"))
    rows: list = [maker.bare(blocks[:2], "row", 190), *([maker.bare(blocks[2:], "row", 190)] if blocks[2:] else [])]
    root = maker.bare(rows, "column", 110)
    edges = [Edge(a, b, maker.names.call()) for a, b in itertools.pairwise(blocks)]
    edges += [Edge(b, a, maker.names.call()) for a, b in itertools.pairwise(blocks) if rng.random() < 0.6]
    edges += [Edge(block, block, maker.names.call()) for block in blocks if rng.random() < 0.25]
    return Plan(root, edges)


def chevrons(maker: Maker) -> Plan:
    """Phases of a process as broad arrows one after the other, with what belongs to each below."""
    rng, theme = maker.rng, maker.theme
    look = rng.choice([look for look in theme.node_looks if look.fill] or [Look("#4f81bd", None)])
    count = rng.randint(3, 5)
    phases = maker.bare([maker.node("chevron", look) for _ in range(count)], "row", 10)
    rows: list[Group | Node] = [phases]
    if rng.random() < 0.8:
        rows.append(maker.block(maker.nodes(rng.randint(3, 5)), "row"))
    root = maker.bare(rows, "column", 70)
    below = rows[1].nodes() if len(rows) > 1 and isinstance(rows[1], Group) else []
    edges = [Edge(one, other) for one, other in itertools.pairwise(below) if rng.random() < 0.8]
    return Plan(root, edges)


def hub(maker: Maker) -> Plan:
    """One thing in the middle, the others around it, often with arrows both ways."""
    rng = maker.rng
    middle = maker.node()
    around = [maker.bare(maker.nodes(rng.randint(2, 3)), "row", 120) for _ in range(2)]
    sides = maker.nodes(2)
    row = maker.bare([sides[0], middle, sides[1]], "row", 130)
    root = maker.bare([around[0], row, around[1]], "column", 100)
    edges = []
    for node in root.nodes():
        if node is not middle:
            pair = (node, middle) if rng.random() < 0.5 else (middle, node)
            edges.append(Edge(*pair, heads=2 if rng.random() < 0.35 else 1))
    return Plan(root, edges, rng.choice(("straight", "straight", "right-angled")), shuffled=10)


def near_edges(maker: Maker, root: Group, density: float, along: str = "", to_groups: float = 0.12) -> list[Edge]:
    """Connections between things that stand near each other, most in reading direction; places are not known yet."""
    rng, nodes = maker.rng, root.nodes()
    home = {id(node): group for group in root.groups() if group.label for node in group.nodes()}
    edges, seen = [], set()
    for _ in range(round(density * len(nodes)) * 3):
        at = rng.randrange(len(nodes))
        to = at + rng.choice((1, 1, 1, 2, 2, 3, 4, -1, -3) if along else (1, 1, 2, 3, 4, 5, -1, -2, -4))
        if not 0 <= to < len(nodes) or (at, to) in seen or len(edges) >= density * len(nodes):
            continue
        seen |= {(at, to), (to, at)} if rng.random() < 0.8 else {(at, to)}
        ends: list[Node | Group] = [nodes[at], nodes[to]]
        for side in (0, 1):
            group = home.get(id(ends[side]))
            if rng.random() < to_groups and group and nodes[to if side == 0 else at] not in group.nodes():
                ends[side] = group
        edges.append(Edge(ends[0], ends[1], heads=rng.choices((1, 2, 0), (10, 1.3, 0.4))[0]))
    return edges


PLANS = (bands, bands, pipeline, pipeline, clusters, tree, tree, stacks, stacks, accounts, hub, chevrons)


def random_plan(theme: Theme) -> tuple[Plan, Maker]:
    maker = Maker(theme)
    plan = theme.rng.choice(PLANS)(maker)
    _name_twins(plan, theme.rng)
    _decorate_edges(plan, maker)
    return plan, maker


def _name_twins(plan: Plan, rng: random.Random) -> None:
    """Now and then two things in different containers have the same name; truths tell them apart by #2."""
    nodes = plan.root.nodes()
    if len(nodes) > 5 and rng.random() < 0.2:
        for _ in range(rng.randint(1, 2)):
            one, other = rng.sample(nodes, 2)
            other.label = one.label
    counts: dict[str, int] = {}
    for part in [*nodes, *(group for group in plan.root.groups() if group.label)]:
        counts[part.label or ""] = counts.get(part.label or "", 0) + 1
        twin = counts[part.label or ""]
        part.name = f"{part.label}#{twin}" if twin > 1 else part.label or ""


def _decorate_edges(plan: Plan, maker: Maker) -> None:
    """Labels for some, dashes for some, and in some diagrams colours with a meaning."""
    rng = maker.rng
    labelled, dashed = rng.choice((0, 0.2, 0.5)), rng.choice((0, 0, 0.15, 0.4))
    for edge in plan.edges:
        edge.label = edge.label or (maker.names.call() if rng.random() < labelled else None)
        edge.dashed = rng.random() < dashed
