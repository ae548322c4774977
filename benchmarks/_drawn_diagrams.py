"""Architecture diagrams drawn by code, with what a reader should find on them.

    python -m benchmarks._drawn_diagrams FOLDER --count N --seed S

writes FOLDER/drawn_SSSS.png (or .jpg) and FOLDER/truth/drawn_SSSS.json: components, containers with their members,
arrows, steps and other texts, and in pixels of the image where components, containers, arrows and badges stand.
"""

import argparse
import io
import json
import random
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks._diagram_ink import Canvas
from benchmarks._diagram_layout import measure, place
from benchmarks._diagram_lines import draw_connections
from benchmarks._diagram_marks import draw_badges, draw_surroundings, give_meanings
from benchmarks._diagram_plans import Plan, random_plan
from benchmarks._diagram_questions import questions_about
from benchmarks._diagram_sheet import Sheet
from benchmarks._diagram_styles import Theme, random_theme
from benchmarks._diagram_things import draw_things

MARGIN = 50
SMALLEST_TEXT = 11
"""Pixels: what is smaller on the finished picture is no fair test."""


def drawn(seed: int) -> tuple[Image.Image, dict[str, Any]]:
    """The diagram of this seed and its truth. Source of the truth's form: what the scorer of real diagrams reads."""
    rng = random.Random(seed)
    theme = random_theme(rng)
    plan, maker = random_plan(theme)
    measure(plan.root, theme)
    place(plan.root, MARGIN, MARGIN + 40, theme)
    _shuffle(plan, rng)
    width = plan.root.box[2] + MARGIN + rng.choice((0, 60))
    height = plan.root.box[3] + MARGIN + 70
    scale = _scale(max(width, height), theme)
    sheet = Sheet(plan, maker, Canvas(width, height, scale, theme), scale)
    draw_things(sheet)
    meanings = give_meanings(sheet)
    draw_connections(sheet)
    draw_badges(sheet)
    draw_surroundings(sheet, meanings)
    truth = truth_of(sheet)
    truth["questions"] = questions_about(truth, rng)
    return sheet.canvas.finish(), {"id": f"drawn_{seed:04d}", **truth}


def truth_of(sheet: Sheet) -> dict[str, Any]:
    """What was drawn: the scorer's keys, then places in pixels by name."""
    nodes = sheet.plan.root.nodes()
    groups = sheet.groups()
    arrows = [
        {
            "from": edge.source.name,
            "to": edge.target.name,
            "label": edge.label,
            "style": " ".join(filter(None, ("dashed" if edge.dashed else "", edge.color or ""))) or None,
            "bidirectional": True if edge.heads == 2 else None,
            "path": [[round(x * sheet.scale), round(y * sheet.scale)] for x, y in path],
        }
        for edge, path in sheet.paths
    ]
    return {
        "components": [node.name for node in nodes],
        "containers": {group.name: [node.name for node in group.nodes()] for group in groups},
        "arrows": [arrow for arrow, (edge, _) in zip(arrows, sheet.paths, strict=True) if edge.heads],
        "lines_without_heads": [arrow for arrow, (edge, _) in zip(arrows, sheet.paths, strict=True) if not edge.heads],
        "steps": {number: name for number, (name, _) in sheet.steps.items()},
        "edge_labels": [edge.label for edge, _ in sheet.paths if edge.label],
        "other_text": sheet.other_text,
        "questions": [],
        "legend": sheet.legend,
        "boxes": {node.name: sheet.pixels(node.box) for node in nodes},
        "kinds": {node.name: node.kind for node in nodes},
        "container_boxes": {group.name: sheet.pixels(group.box) for group in groups},
        "badges": {number: sheet.pixels(box) for number, (_, box) in sheet.steps.items()},
    }


def _scale(longest: float, theme: Theme) -> float:
    wanted = theme.rng.choice((900, 1200, 1400, 1600, 1900, 2400)) / longest
    return min(max(wanted, SMALLEST_TEXT / theme.text_size), 2.6, max(1.0, 3000 / longest))


def _shuffle(plan: Plan, rng: random.Random) -> None:
    """Move loose nodes a little, as nobody places them by the ruler."""
    for node in plan.root.nodes() if plan.shuffled else ():
        dx, dy = (rng.uniform(-plan.shuffled, plan.shuffled) for _ in range(2))
        for name in ("box", "body"):
            left, top, right, bottom = getattr(node, name)
            setattr(node, name, (left + dx, top + dy, right + dx, bottom + dy))


def encoded(picture: Image.Image, seed: int) -> tuple[str, bytes]:
    """The file's suffix and bytes: a PNG, or now and then a JPEG with its artefacts, or a PNG of few colours."""
    rng, file = random.Random(seed + 7), io.BytesIO()
    way = rng.random()
    if way < 0.22:
        picture.save(file, "JPEG", quality=rng.choice((45, 65, 80, 92)))
        return ".jpg", file.getvalue()
    (picture.quantize(96) if way < 0.3 else picture).save(file, "PNG")
    return ".png", file.getvalue()


def write(folder: Path, count: int, seed: int) -> None:
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    for at in range(seed, seed + count):
        picture, truth = drawn(at)
        suffix, content = encoded(picture, at)
        (folder / f"{truth['id']}{suffix}").write_bytes(content)
        (folder / "truth" / f"{truth['id']}.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write(given.folder, given.count, given.seed)


if __name__ == "__main__":
    main()
