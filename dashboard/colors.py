"""Colours that mean something: the same for the same version on every page, and told apart by colour-blind people.

Every colour has a contrast of at least 3:1 with the backgrounds of the light and of the dark theme, so a chart needs
one set only.
"""

VERSION_COLORS = ("#2f78c4", "#d2700b", "#0e9384", "#b3569f", "#8c6d1f", "#6366d9", "#c2484a", "#6b7785")

GOOD = "#0e9384"
WARNING = "#d2700b"
BAD = "#c4502c"
NEUTRAL = "#6b7785"
ACCENT = "#2f78c4"
GRID = "rgba(128, 144, 160, 0.22)"


def version_color(version: str) -> str:
    """The colour of a model version, on every page and in every chart."""
    number = int(version) if version.isdecimal() else sum(version.encode())
    return VERSION_COLORS[(number - 1) % len(VERSION_COLORS)]


def translucent(color: str, opacity: float) -> str:
    """A `#rrggbb` colour with an opacity from 0 to 1."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"
