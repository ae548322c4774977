"""What an arrow means: its own label, and what the legend says about lines of its colour and style."""

import colorsys
import math

from vision.answers.glossary import is_kind_of
from vision.answers.graph import Diagram
from vision.answers.question_words import STORES
from vision.answers.things import short_names
from vision.answers.wording import SYNONYM, alike, has_word, words_of
from vision.reading import Connection, LegendEntry

_MOST_APART = 0.28
"""Largest distance (in the colour solid, 0 to about 2) between a line and its sample in the legend."""

_READING = ("read", "load", "fetch", "consume", "pull", "poll", "query", "get", "subscribe")
_WRITING = ("write", "store", "save", "persist", "insert", "publish", "push")


def legend_entry(connection: Connection, legend: tuple[LegendEntry, ...]) -> LegendEntry | None:
    """The entry of the legend whose colour and style a line has; None where none fits or two fit as well."""
    fitting = [(_apart(connection.color, entry.color), entry) for entry in legend if entry.style == connection.style]
    near = sorted((one for one in fitting if one[0] <= _MOST_APART), key=lambda one: one[0])
    if not near or (len(near) > 1 and near[1][0] - near[0][0] < 0.05 and near[1][1].label != near[0][1].label):
        return None
    return near[0][1]


def means(connection: Connection, diagram: Diagram, sense: str) -> bool:
    """Whether the label of an arrow or the legend says that something is read or written along it (sense)."""
    words = {"read": _READING, "use": _READING, "write": _WRITING, "store": _WRITING}.get(sense, ())
    entry = legend_entry(connection, diagram.reading.legend)
    texts = [text for text in (connection.label, entry.label if entry else None) if text]
    return any(has_word(text, word) for text in texts for word in words)


def keeps_data(name: str) -> bool:
    """Whether a part keeps data by its name: it ends in `table`, `bucket`, …, or is a technology that keeps data."""
    words = [word for word in words_of(short_names(name)[-1]) if not word.isdigit()]
    is_store = "sql" in words or (bool(words) and any(alike(words[-1], store) >= SYNONYM for store in STORES))
    return is_store or any(is_kind_of(name, kind) for kind in ("database", "storage", "cache", "warehouse"))


def _apart(one: str, other: str) -> float:
    """The distance of two colours `#rrggbb` in the solid of hue, saturation and lightness."""

    def place(color: str) -> tuple[float, float, float]:
        red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
        hue, lightness, _ = colorsys.rgb_to_hls(red, green, blue)
        chroma = max(red, green, blue) - min(red, green, blue)
        return chroma * math.cos(2 * math.pi * hue), chroma * math.sin(2 * math.pi * hue), lightness

    return math.dist(place(one), place(other))
