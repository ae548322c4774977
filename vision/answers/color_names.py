"""What people call a colour of lines: the basic colour words of English."""

import colorsys

_HUES = (
    (15, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (195, "cyan"), (258, "blue"), (290, "purple"),
    (340, "pink"), (361, "red"),
)  # fmt: skip
"""Up to which hue in degrees a saturated colour has this name."""

_SAME = {
    "violet": "purple", "magenta": "pink", "turquoise": "cyan", "teal": "cyan", "grey": "gray", "navy": "blue",
    "gold": "yellow", "lime": "green", "maroon": "red", "crimson": "red", "indigo": "blue",
}  # fmt: skip
COLOR_WORDS = frozenset({name for _, name in _HUES} | {"gray", "black", "white", "brown"} | set(_SAME))
"""The colour words that a question may have."""

_ALSO = {
    "cyan": {"blue", "green"},
    "purple": {"blue", "pink"},
    "orange": {"yellow", "brown", "red"},
    "brown": {"orange", "red"},
}


def color_name(color: str) -> str:
    """The basic colour word for `#rrggbb`."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, lightness, _ = colorsys.rgb_to_hls(red, green, blue)
    chroma = max(red, green, blue) - min(red, green, blue)
    if lightness < 0.13 and chroma < 0.2:
        return "black"
    if chroma < 0.12:
        return "white" if lightness > 0.93 else ("black" if lightness < 0.25 else "gray")
    degrees = hue * 360
    if 12 < degrees < 45 and lightness < 0.36:
        return "brown"
    return next(name for upto, name in _HUES if degrees < upto)


def lightness(color: str) -> float:
    """How light `#rrggbb` is, from 0 (black) to 1 (white)."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return colorsys.rgb_to_hls(red, green, blue)[1]


def is_called(color: str, word: str) -> bool:
    """Whether people may call `#rrggbb` by a colour word, also where two words meet (cyan lines are called blue)."""
    wanted = _SAME.get(word, word)
    name = color_name(color)
    return wanted == name or wanted in _ALSO.get(name, set()) or {wanted, name} == {"gray", "black"}
