"""Answers about the legend, and about what colours and styles of lines mean."""

import re
from collections.abc import Sequence

from vision.answers.arrow_sentences import told
from vision.answers.color_names import COLOR_WORDS, color_name, is_called, lightness
from vision.answers.emphasis import all_named, named
from vision.answers.graph import Diagram
from vision.answers.questions import Question
from vision.reading import Connection, LegendEntry

_STYLE_WORDS = {"dashed": "dashed", "dotted": "dashed", "broken": "dashed", "solid": "solid", "continuous": "solid"}


def legend_answer(question: Question, diagram: Diagram) -> str:
    """What the legend says about the colours and styles in a question, else which labels such lines bear."""
    words = [word.text for word in question.words]
    if {"asterisk", "asterisks", "star", "stars"} & set(words):
        return _with_asterisk(diagram)
    colors = [word for word in words if word in COLOR_WORDS]
    styles = {_STYLE_WORDS[word] for word in words if word in _STYLE_WORDS}
    legend = diagram.reading.legend
    named_entries = {
        at for one in question.named for thing in one.things if thing.kind == "legend" for at in thing.places
    }
    entries = [entry for at, entry in enumerate(legend) if at in named_entries] or [
        entry for entry in legend if _fits(entry, colors, styles)
    ]
    shades = {"dark", "darker", "darkest", "light", "lighter", "lightest"} & set(words)
    if len(entries) > 1 and len(colors) == 1 and shades:
        by_lightness = sorted(entries, key=lambda entry: lightness(entry.color))
        entries = by_lightness[:1] if any(word.startswith("dark") for word in shades) else by_lightness[-1:]
    if entries and not re.search(r"^(?:which|what) (?:arrows|lines|connections)\b", question.pattern):
        return "\n".join(_entry_told(entry) for entry in entries)
    lines = [one for one in diagram.reading.connections if (colors or styles) and _fits(one, colors, styles)]
    if lines and entries:
        stated = [one for one in lines if one.stated and one.source in diagram.parts and one.target in diagram.parts]
        return "\n\n".join(["\n".join(map(_entry_told, entries)), told(stated[:6], diagram)]).strip()
    if lines:
        return _lines_told(lines, diagram)
    if legend:
        return "The legend shows no such line. It has " + "; ".join(_entry_told(entry)[2:] for entry in legend) + "."
    if colors or styles:
        return "No legend was read on the image, and no such line could be read with confidence."
    return "No legend was read on the image."


def _with_asterisk(diagram: Diagram) -> str:
    """What stands behind an asterisk: first the texts that name no part, as those explain it."""
    parts = set(diagram.labels(diagram.parts))
    texts = [line.text for line in diagram.reading.text if line.text.lstrip().startswith("*")]
    notes = [text for text in texts if text not in parts]
    if not texts:
        return "No text with an asterisk was read on the image."
    return f"Text with an asterisk: {all_named(dict.fromkeys(notes or texts))}."


def _fits(one: LegendEntry | Connection, colors: Sequence[str], styles: set[str]) -> bool:
    has_color = not colors or any(is_called(one.color, color) for color in colors)
    return has_color and (not styles or one.style in styles)


def _entry_told(entry: LegendEntry) -> str:
    return f"- {_look(entry)}: {named(entry.label)}"


def _look(one: LegendEntry | Connection) -> str:
    style = "dashed " if one.style == "dashed" else ""
    return f"{style}{color_name(one.color)}"


def _lines_told(lines: Sequence[Connection], diagram: Diagram) -> str:
    """Without a legend: the labels that such lines bear, and where those lead that could be read with confidence."""
    labels = list(dict.fromkeys(one.label for one in lines if one.label))
    stated = [one for one in lines if one.stated and one.source in diagram.parts and one.target in diagram.parts]
    look = _look(lines[0])
    if labels and not stated:
        return f"No legend says so. A {look} line bears the label {all_named(labels)}."
    if not stated:
        return f"No legend was read on the image, and where the {look} line leads could not be read with confidence."
    labelled = [one for one in stated if one.label]
    sentences = told((labelled or stated)[:6], diagram)
    return f"No legend says so; what was read at {re.sub('^', '', look)} lines: {sentences}"
