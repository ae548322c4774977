"""The named parts of a diagram: boxes and icons with their names, and the regions that hold them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vision.picture.boxes import area, around, height, middle, share_within, width
from vision.picture.captions import is_below, match_captions
from vision.picture.found import Icon, Label, Part, Parts, Shape
from vision.picture.labels import innermost
from vision.picture.titles import best_title
from vision.reading import Box

_WORD = re.compile(r"[^\W_]")
_LARGEST_ICON = 300  # pixels of a side
_NEAR = 12  # pixels by which the sides of a region and of its title bar may differ


@dataclass
class _Region:
    """A shape with what lies in it and in none of the shapes in it; `children` are indexes of regions."""

    shape: Shape
    box: Box
    children: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    icons: list[Icon] = field(default_factory=list)
    title: Label | None = None
    bar_of: int | None = None
    """The region whose title bar this one is."""
    is_icon: bool = False
    """Whether it is a picture with some letters in it, and has its name below."""


def name_parts(labels: Sequence[Label], shapes: Sequence[Shape], icons: Sequence[Icon]) -> Parts:
    """Components, containers and what is in what; loose are the labels that name nothing.

    A container is a region with a title that holds other named things; its parts point to it with `within`.
    """
    named = [label for label in labels if len(_WORD.findall(label.text)) >= 2]
    single = [label for label in labels if len(label.text) == 1 and label.text.isascii() and label.text.isalpha()]
    regions, page = _regions([*named, *single], shapes, icons)
    _find_captioned_shapes(regions, page)
    _find_title_bars(regions)
    components: list[Part] = []
    containers: list[Part] = []
    used: list[Label] = [label for region in regions if region.bar_of is not None for label in region.labels]
    for index, region in enumerate(regions):
        if region.bar_of is not None or region.is_icon:
            continue
        if _holds_parts(index, regions):
            region.title = region.title or best_title(region.box, _words(region), region.icons)
            if region.title:
                used.append(region.title)
                containers.append(Part(f"k{len(containers) + 1}", region.title.text, region.box))
        elif region.labels:
            name = _name_of_box(region)
            used.append(name)
            components.append(Part("", name.text, region.box))
    for region in [*regions, page]:
        if region is page or (region.bar_of is None and not region.is_icon and _is_open(region)):
            for label, box in _captioned(region, used):
                used.append(label)
                components.append(Part("", label.text, box))
    loose = tuple(label for label in named if not any(label is other for other in used))
    return _placed(components, containers, loose)


def _regions(labels: Sequence[Label], shapes: Sequence[Shape], icons: Sequence[Icon]) -> tuple[list[_Region], _Region]:
    """The shapes, largest first, each with its own labels and icons; and the page, with what lies in no shape."""
    shapes = sorted(shapes, key=lambda shape: -area(shape.box))
    regions = [_Region(shape, shape.box) for shape in shapes]
    page = _Region(Shape("other", (0, 0, 0, 0), None, None, "solid"), (0, 0, 0, 0))
    homes = [*regions, page]  # index -1 is the page
    for index, shape in enumerate(shapes):
        homes[innermost(shape.box, shapes[:index])].children.append(index)
    for label in labels:
        homes[innermost(label.box, shapes)].labels.append(label)
    for icon in icons:
        homes[innermost(icon.box, shapes)].icons.append(icon)
    return regions, page


def _find_captioned_shapes(regions: Sequence[_Region], page: _Region) -> None:
    """Small shapes with some letters in them and a name right below are icons of what surrounds them."""
    for home in [*regions, page]:
        for index in list(home.children):
            region = regions[index]
            if _is_picture(region) and (_is_only_picture(region, home) or _has_name_below(region, home.labels)):
                region.is_icon = True
                home.children.remove(index)
                home.icons = [icon for icon in home.icons if share_within(icon.box, region.box) < 0.5]
                home.icons.append(Icon(region.box))


def _is_picture(region: _Region) -> bool:
    across, down = width(region.box), height(region.box)
    if region.children or max(across, down) > _LARGEST_ICON or not 0.6 < across / down < 1.6:
        return False
    share = sum(area(label.box) for label in region.labels) / (across * down)
    return share < (0.6 if all(len(label.text) <= 4 for label in region.labels) else 0.1)


def _words(region: _Region) -> list[Label]:
    return [label for label in region.labels if len(label.text) > 1]


def _is_only_picture(region: _Region, home: _Region) -> bool:
    """Whether a shape with hardly a word in it is the picture in a box that has a name."""
    short = all(len(label.text) <= 4 for label in region.labels)
    return short and len(home.children) == 1 and 0 < len(home.labels) <= 2 and bool(home.box[2])


def _has_name_below(region: _Region, labels: Sequence[Label]) -> bool:
    return any(_is_its_name(label, region) for label in labels)


def _is_its_name(label: Label, region: _Region) -> bool:
    """Whether a label is centred closely below a shape."""
    off = abs(middle(label.box)[0] - middle(region.box)[0])
    size = height(label.lines[0].box)
    return -0.6 * size < label.box[1] - region.box[3] < 0.9 * size and off < max(0.1 * width(region.box), 0.4 * size)


def _find_title_bars(regions: list[_Region]) -> None:
    """Flat boxes as wide as a region at its upper end become its title, and part of it."""
    for index, bar in enumerate(regions):
        if bar.children or len(bar.labels) != 1:
            continue
        for number, region in enumerate(regions):
            if number == index or region.title or (not region.children and len(region.labels) < 2):
                continue
            ends = abs(bar.box[0] - region.box[0]) < _NEAR, abs(bar.box[2] - region.box[2]) < _NEAR
            same_width = all(ends) or (any(ends) and share_within(bar.box, region.box) > 0.9 and _is_wide(bar, region))
            at_top = abs(bar.box[3] - region.box[1]) < _NEAR or abs(bar.box[1] - region.box[1]) < _NEAR
            if same_width and at_top and height(bar.box) < 0.4 * height(around([region.box, bar.box])):
                region.title, bar.bar_of = bar.labels[0], number
                region.box = around([region.box, bar.box])
                if index in region.children:
                    region.children.remove(index)
                break


def _is_wide(bar: _Region, region: _Region) -> bool:
    """Whether a title bar that an arrow cuts is most of one."""
    return width(bar.box) > 0.75 * width(region.box)


def _holds_parts(index: int, regions: Sequence[_Region]) -> bool:
    """Whether a region holds named things, rather than being one."""
    region = regions[index]
    return bool(region.title) or any(_is_named(child, regions) for child in region.children) or _is_open(region)


def _is_named(index: int, regions: Sequence[_Region]) -> bool:
    region = regions[index]
    return bool(region.labels) or any(_is_named(child, regions) for child in region.children)


def _is_open(region: _Region) -> bool:
    """Whether the labels in a region may be captions of icons in it, rather than texts of one box."""
    if region.children or region.title:
        return True
    captions = match_captions(region.labels, region.icons)
    below = [label for label in captions if is_below(region.labels[label], region.icons[captions[label]].box)]
    if len(below) >= 2:
        return True
    if len(region.labels) < 2 or not below:
        return False
    caption = region.labels[below[0]]
    others = [label for label in region.labels if label is not caption]
    largest = max(height(label.lines[0].box) for label in others)
    centred = abs(middle(caption.box)[0] - middle(region.box)[0]) < 0.1 * width(region.box)
    same_size = height(caption.lines[0].box) > 0.8 * largest
    return (centred or same_size) and height(region.box) > 6 * largest


def _name_of_box(region: _Region) -> Label:
    """The name of a box: its first text, unless another one is clearly larger."""
    candidates = _words(region) or region.labels
    largest = max(height(label.lines[0].box) for label in candidates)
    return next(label for label in candidates if height(label.lines[0].box) > 0.7 * largest)


def _captioned(region: _Region, used: Sequence[Label]) -> list[tuple[Label, Box]]:
    """The labels of a region that name an icon, with the box of both."""
    free = [label for label in _words(region) if not any(label is other for other in used)]
    outside = [each for each in free if not any(share_within(each.box, icon.box) > 0.6 for icon in region.icons)]
    matched = match_captions(outside, region.icons)
    alone = [icon for index, icon in enumerate(region.icons) if index not in matched.values()]
    inside = [(each, icon.box) for each in free for icon in alone if share_within(each.box, icon.box) > 0.6]
    return inside + [
        (outside[number], around([outside[number].box, region.icons[icon].box])) for number, icon in matched.items()
    ]


def _placed(components: Sequence[Part], containers: Sequence[Part], loose: tuple[Label, ...]) -> Parts:
    """Parts with their ids, in reading order, and with the container that each lies in."""
    in_order = sorted(components, key=lambda part: (part.box[1] // 40, part.box[0]))
    nested = [replace(each, within=_container_of(each, containers)) for each in containers]
    named = [
        replace(part, id=f"c{number}", within=_container_of(part, containers))
        for number, part in enumerate(in_order, start=1)
    ]
    return Parts(tuple(named), tuple(nested), loose)


def _container_of(part: Part, containers: Sequence[Part]) -> str | None:
    holding = [
        each
        for each in containers
        if each.id != part.id and area(each.box) > area(part.box) and share_within(part.box, each.box) > 0.8
    ]
    return min(holding, key=lambda each: area(each.box)).id if holding else None
