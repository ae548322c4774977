"""How a drawn diagram looks: its colours, fonts, lines and heads of arrows, the same all over one diagram."""

import random
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_FILES = (
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf", "LiberationSans-Italic.ttf"),
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf", "LiberationSans-Italic.ttf"),
    ("LiberationSansNarrow-Regular.ttf", "LiberationSansNarrow-Bold.ttf", "LiberationSansNarrow-Italic.ttf"),
    ("DejaVuSansCondensed.ttf", "DejaVuSansCondensed-Bold.ttf", "DejaVuSansCondensed-Oblique.ttf"),
    ("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf", "LiberationSerif-Italic.ttf"),
    ("", "", ""),
)
"""Regular, bold, italic; an empty name is the font that Pillow brings."""
HEADS = ("triangle", "slim", "barbed", "open", "hollow")
BRIGHT = [
    "#0078d4",
    "#d35400",
    "#27ae60",
    "#8e44ad",
    "#c0392b",
    "#16a085",
    "#e7157b",
    "#ed7100",
    "#3f8624",
    "#326ce5",
    "#5c6bc0",
    "#00897b",
    "#b5651d",
]
PALE = [
    "#dae8fc",
    "#d5e8d4",
    "#ffe6cc",
    "#fff2cc",
    "#f8cecc",
    "#e1d5e7",
    "#e3f2fd",
    "#fce4ec",
    "#e0f2f1",
    "#ede7f6",
    "#fff8e1",
    "#cfe2f3",
]
VIVID = [
    "#7ecfe2",
    "#b5d6a7",
    "#d4a5bd",
    "#ffd966",
    "#f4b183",
    "#9dc3e6",
    "#ff8ad8",
    "#00c853",
    "#fca55d",
    "#80cbc4",
    "#ce93d8",
    "#64b5f6",
]
DEEP = ["#1e3a5f", "#14532d", "#7c2d12", "#4a148c", "#263238", "#3e2723", "#0b3954", "#5b2333", "#2d3142"]
LINE_COLORS = ["#1a4fb4", "#b00020", "#2e7d32", "#6a1b9a", "#e65100", "#00838f", "#c2185b", "#546e7a"]


@lru_cache(maxsize=256)
def font_of(file: str, size: int) -> ImageFont.FreeTypeFont:
    """A font file that Pillow finds on this machine or in matplotlib; else the one that Pillow brings."""
    if file:
        try:
            return ImageFont.truetype(file, size)
        except OSError:
            pass
        try:
            import matplotlib

            return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file, size)
        except (ImportError, OSError):
            pass
    return ImageFont.load_default(size)


def brightness(color: str) -> float:
    """From 0 (black) to 1 (white), as the eye weighs red, green and blue."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def mixed(color: str, other: str, share: float) -> str:
    """`share` of the other colour in this one."""
    parts = [round(int(color[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)


@dataclass
class Look:
    """How one outline is drawn; None: no outline, or no filling."""

    fill: str | None
    outline: str | None
    width: float = 1.5
    radius: float = 0
    dashed: bool = False
    shadow: bool = False
    gradient: bool = False

    def ink(self, background: str) -> str:
        """A colour for text that stands on it."""
        return "#111111" if brightness(self.fill or background) > 0.45 else "#ffffff"


@dataclass
class Theme:
    """The choices that hold for a whole diagram. Sizes in units of the drawing."""

    rng: random.Random
    dark: bool = False
    background: str = "#ffffff"
    paper: str = "plain"
    ink: str = "#111111"
    line_color: str = "#333333"
    line_width: float = 1.6
    head: str = "triangle"
    head_size: float = 9
    corner: float = 0
    gap_at_ends: float = 0
    fonts: tuple[str, str, str] = FONT_FILES[0]
    text_size: int = 14
    node_looks: list[Look] = field(default_factory=list)
    label_ground: bool = True
    bold_nodes: bool = False

    def font(self, size: float, style: str = "regular") -> ImageFont.FreeTypeFont:
        return font_of(self.fonts[("regular", "bold", "italic").index(style)], max(6, round(size)))

    def group_look(self, depth: int, palette: list[str]) -> Look:
        rng = self.rng
        way = rng.random()
        edge = mixed(self.background, self.ink, rng.choice((0.3, 0.5, 0.8)))
        if self.dark:
            fill = mixed(self.background, "#ffffff", 0.05 + 0.06 * depth)
            return Look(fill, mixed(fill, "#ffffff", 0.35), 1.5, rng.choice((0, 8)), way < 0.3)
        if way < 0.35:
            return Look(None, edge, rng.choice((1, 1.5, 2)), rng.choice((0, 4, 8)), rng.random() < 0.4)
        fill = mixed(rng.choice(palette), "#ffffff", 0.35)
        if way < 0.5:
            return Look(fill, None, 1, rng.choice((0, 8)))
        return Look(fill, mixed(fill, "#445566", 0.5), 1, rng.choice((0, 6, 12)), rng.random() < 0.2)


def random_theme(rng: random.Random) -> Theme:
    theme = Theme(rng, dark=rng.random() < 0.12)
    theme.fonts = rng.choice(FONT_FILES)
    theme.text_size = rng.choice((13, 14, 14, 15, 16))
    theme.head = rng.choices(HEADS, (5, 3, 3, 2, 1))[0]
    theme.line_width = rng.choice((1, 1.3, 1.6, 2, 2.4))
    theme.head_size = rng.uniform(7.5, 10) + 1.6 * theme.line_width
    theme.corner = rng.choice((0, 0, 6, 10))
    theme.gap_at_ends = rng.choice((0, 0, 2, 5))
    theme.label_ground = rng.random() < 0.55
    theme.bold_nodes = rng.random() < 0.15
    if theme.dark:
        theme.background = rng.choice(("#1e1e1e", "#0d1117", "#202a38", "#2b2b2b"))
        theme.ink, theme.line_color = "#f2f2f2", rng.choice(("#c8c8c8", "#f2f2f2", "#8ab4f8"))
    else:
        theme.background = rng.choice(("#ffffff",) * 5 + ("#fafafa", "#fdf9f0", "#f4f7fb"))
        theme.line_color = rng.choice(("#000000", "#222222", "#444444", "#6b7684", "#7b8894", *LINE_COLORS[:2]))
        theme.paper = rng.choice(("plain",) * 8 + ("grid", "dots", "gradient"))
    theme.node_looks = _node_looks(theme)
    return theme


def _node_looks(theme: Theme) -> list[Look]:
    rng, looks = theme.rng, []
    radius, width = rng.choice((0, 0, 4, 8, 14)), rng.choice((1, 1.5, 2, 3))
    shadow, gradient = rng.random() < 0.15, rng.random() < 0.15
    way = "deep" if theme.dark and rng.random() < 0.6 else rng.choice(("white", "pale", "pale", "vivid", "deep"))
    for _ in range(rng.randint(1, 3)):
        if way == "white":
            fill = theme.background if theme.dark else rng.choice(("#ffffff", "#ffffff", None))
            outline = rng.choice((theme.ink, theme.line_color, rng.choice(BRIGHT)))
        else:
            fill = rng.choice({"pale": PALE, "vivid": VIVID, "deep": DEEP if not theme.dark else BRIGHT}[way])
            bare = abs(brightness(fill) - brightness(theme.background)) > 0.12
            outline = rng.choice((mixed(fill, "#000000", 0.4), theme.ink, None if bare else theme.line_color))
        looks.append(Look(fill, outline, width, radius, rng.random() < 0.08, shadow, gradient and way != "white"))
    return looks
