"""The diagram reader against plain text recognition, on real diagrams (where they are there) and on drawn ones.

`peer` calls every recognised line a component and knows of nothing else; asked anything, it gives all its lines. `ours`
and `peer` are the harmonic mean of precision and recall of the components; the rest stands by name, each share as it is
defined in `_diagram_scores`: `arrows` are those that an answer may state, `questions` those answered rightly by the
embedded reader. LAKEHELM_BENCH_DIAGRAMS says how many are drawn (12); nobody tuned the reader on these.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._diagram_scores import Share, added, is_answered, rates, scores
from benchmarks._drawn_diagrams import drawn, encoded
from vision.answers.embedded import answer
from vision.picture.reader import read_image
from vision.reading import Component, Reading

REAL = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpus" / "diagrams"
DRAWN = int(os.environ.get("LAKEHELM_BENCH_DIAGRAMS", "12"))
FIRST_SEED = 90_000

Diagram = tuple[bytes, dict[str, Any]]


def real_diagrams() -> Iterator[Diagram]:
    for file in sorted((REAL / "truth").glob("*.json")):
        truth = json.loads(file.read_text(encoding="utf-8"))
        image = next(found for found in sorted(REAL.iterdir()) if found.stem == truth["id"])
        yield image.read_bytes(), truth


def drawn_diagrams() -> Iterator[Diagram]:
    for seed in range(FIRST_SEED, FIRST_SEED + DRAWN):
        picture, truth = drawn(seed)
        yield encoded(picture, seed)[1], truth


def plain(reading: Reading) -> Reading:
    """What recognised text alone gives: every line a component."""
    lines = [Component(f"c{at}", text.text, text.box) for at, text in enumerate(reading.text)]
    return Reading(reading.width, reading.height, components=tuple(lines), text=reading.text)


def measured(truth: dict[str, Any], reading: Reading) -> dict[str, Share]:
    answers = [
        "".join(piece for piece in answer(reading, asked["question"], ()) if isinstance(piece, str))
        for asked in truth["questions"]
    ]
    right = sum(is_answered(asked, said) for asked, said in zip(truth["questions"], answers, strict=True))
    return {**scores(truth, reading.as_dict()), "questions": (right, len(answers))}


def measured_plain(truth: dict[str, Any], reading: Reading) -> dict[str, Share]:
    said = "\n".join(text.text for text in reading.text)
    right = sum(is_answered(asked, said) for asked in truth["questions"])
    return {**scores(truth, plain(reading).as_dict()), "questions": (right, len(truth["questions"]))}


def harmonic(shares: dict[str, Share]) -> float:
    recall, precision = (hits / of if of else 0.0 for hits, of in (shares["components"], shares["component_precision"]))
    return round(2 * recall * precision / (recall + precision), 3) if recall + precision else 0.0


def result(name: str, diagrams: Iterator[Diagram]) -> dict[str, Any]:
    ours, peer, seconds = [], [], []
    for image, truth in diagrams:
        reading = read_image(image)
        seconds.append(reading.seconds)
        ours.append(measured(truth, reading))
        peer.append(measured_plain(truth, reading))
    ours_all, peer_all = added(ours), added(peer)
    return {
        "bench": f"diagrams: components, harmonic mean of precision and recall, {len(ours)} {name}",
        "ours": harmonic(ours_all),
        "peer": harmonic(peer_all),
        "ratio": round(harmonic(ours_all) / (harmonic(peer_all) or 1), 2),
        **rates(ours_all),
        "peer_rates": rates(peer_all),
        "median_seconds": sorted(seconds)[len(seconds) // 2],
        "most_seconds": max(seconds),
    }


def main() -> None:
    if REAL.exists():
        print(json.dumps(result("real", real_diagrams())), flush=True)
    print(json.dumps(result("drawn", drawn_diagrams())))


if __name__ == "__main__":
    main()
