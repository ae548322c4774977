"""The whole reading of an image: every stage in turn, and the way back to the pixels of the image as uploaded."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from vision.images import check_image, open_picture
from vision.picture.arrows import find_arrows
from vision.picture.badges import read_badges
from vision.picture.connections import connect
from vision.picture.found import Picture
from vision.picture.icons import find_icons
from vision.picture.labels import group_lines
from vision.picture.legend import read_legend
from vision.picture.lines import read_lines
from vision.picture.parts import name_parts
from vision.picture.shapes import find_shapes
from vision.picture.steps import number_steps
from vision.reading import Component, Connection, Container, LegendEntry, Reading, Step, Text

Found = TypeVar("Found", Connection, LegendEntry, Step)


def read_image(image: bytes) -> Reading:
    """All that can be read on an image. Raises: ImageRefused."""
    started = time.monotonic()
    _, width, height = check_image(image)
    picture = open_picture(image)
    texts = read_lines(picture)
    if not texts:
        # Nothing on it can be named: a photograph, perhaps, in which all that follows would look for boxes in vain.
        return Reading(width, height, seconds=round(time.monotonic() - started, 2))
    badges, lines = read_badges(picture, texts)
    shapes = find_shapes(picture, lines, badges)
    icons = find_icons(picture, lines, shapes, badges)
    labels = group_lines(lines, shapes, icons)
    legend, labels = read_legend(picture, labels, shapes, icons)
    parts = name_parts(labels, shapes, icons)
    arrows = find_arrows(picture, lines, shapes, icons, badges)
    connections = connect(arrows, parts, legend)
    steps = number_steps(badges, parts, connections)
    return Reading(
        width=width,
        height=height,
        components=tuple(Component(p.id, p.label, picture.original(p.box), p.within) for p in parts.components),
        containers=tuple(Container(p.id, p.label, picture.original(p.box), p.within) for p in parts.containers),
        connections=_on_image(picture, connections),
        legend=_on_image(picture, legend),
        steps=_on_image(picture, steps),
        text=tuple(Text(line.text, picture.original(line.box), line.confidence) for line in texts),
        seconds=round(time.monotonic() - started, 2),
    )


def _on_image(picture: Picture, found: Sequence[Found]) -> tuple[Found, ...]:
    """What was found on the picture, with boxes in pixels of the image as uploaded, each at least one pixel wide."""
    scaled = [(entry, picture.original(entry.box)) for entry in found]
    return tuple(
        replace(entry, box=(left, top, max(right, left + 1), max(bottom, top + 1)))
        for entry, (left, top, right, bottom) in scaled
    )
