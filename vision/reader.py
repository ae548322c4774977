"""The whole reading of an image: every stage in turn, and the way back to the pixels of the image as uploaded."""

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from vision.badges import read_badges
from vision.found import Parts, Picture
from vision.images import check_image, open_picture
from vision.lines import read_lines
from vision.reading import Component, Connection, Container, LegendEntry, Reading, Step, Text
from vision.steps import number_steps

Found = TypeVar("Found", Connection, LegendEntry, Step)


def read_image(image: bytes) -> Reading:
    """All that can be read on an image. Raises: ImageRefused."""
    started = time.monotonic()
    _, width, height = check_image(image)
    picture = open_picture(image)
    texts = read_lines(picture)
    badges, lines = read_badges(picture, texts)
    shapes = _stage("shapes", "find_shapes", [], picture, lines, badges)
    icons = _stage("icons", "find_icons", [], picture, lines, shapes, badges)
    labels = _stage("labels", "group_lines", [], lines, shapes, icons)
    legend, labels = _stage("legend", "read_legend", ([], labels), picture, labels, shapes, icons)
    parts = _stage("parts", "name_parts", Parts((), (), ()), labels, shapes, icons)
    arrows = _stage("arrows", "find_arrows", [], picture, lines, shapes, icons, badges)
    connections = _stage("connections", "connect", [], arrows, parts, legend)
    steps = number_steps(badges, parts, connections)
    return Reading(
        width=width,
        height=height,
        components=tuple(Component(p.id, p.label, picture.original(p.box), p.within) for p in parts.components),
        containers=tuple(Container(p.id, p.label, picture.original(p.box), p.within) for p in parts.containers),
        connections=_scaled(picture, connections),
        legend=_scaled(picture, legend),
        steps=_scaled(picture, steps),
        text=tuple(Text(line.text, picture.original(line.box), line.confidence) for line in texts),
        seconds=round(time.monotonic() - started, 2),
    )


def _stage(file: str, name: str, without: Any, *given: Any) -> Any:
    """Scaffolding until every stage is there: what a stage makes, or what stands for it while it is missing."""
    if importlib.util.find_spec(f"vision.{file}") is None:
        return without
    stage = getattr(importlib.import_module(f"vision.{file}"), name, None)
    return without if stage is None else stage(*given)


def _scaled(picture: Picture, found: Sequence[Found]) -> tuple[Found, ...]:
    """What was found on the picture, with boxes in pixels of the image as uploaded."""
    return tuple(replace(entry, box=picture.original(entry.box)) for entry in found)
