"""The figures of `make bench` for diagrams: full marks for a perfect reading; a mistake costs where it belongs."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks._diagram_scores import added, is_answered, is_on_image, is_same, rates, scores
from benchmarks._drawn_diagrams import drawn, encoded, write

SEED = 43  # containers, badges, right-angled connections, one of them both ways


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return drawn(SEED)[1]


def perfect(truth: Mapping[str, Any]) -> dict[str, Any]:
    """The reading that has everything right."""
    ids = {name: f"k{at}" for at, name in enumerate(truth["containers"])}
    ids |= {name: f"c{at}" for at, name in enumerate(truth["components"])}
    home = {name: region for region, inside in truth["containers"].items() for name in inside}
    lines = [(arrow["from"], arrow["to"]) for arrow in truth["arrows"]]
    lines += [(arrow["to"], arrow["from"]) for arrow in truth["arrows"] if arrow["bidirectional"]]
    return {
        "components": [
            {"id": ids[name], "label": name.split("#")[0], "container": ids.get(home.get(name, ""))}
            for name in truth["components"]
        ],
        "containers": [{"id": ids[name], "label": name, "parent": None} for name in truth["containers"]],
        "connections": [{"from": ids[a], "to": ids[b], "directed": True, "stated": True} for a, b in lines],
        "steps": [{"number": number} for number in truth["steps"]],
    }


def test_a_perfect_reading_gets_full_marks(truth: dict[str, Any]) -> None:
    found = scores(truth, perfect(truth))
    assert found["components"] == (len(truth["components"]),) * 2
    assert all(rate in (1.0, None) for rate in rates(found).values())


def test_a_name_that_is_not_on_the_image_costs_precision_only(truth: dict[str, Any]) -> None:
    reading = perfect(truth)
    reading["components"].append({"id": "x", "label": "Quantum flux capacitor", "container": None})
    found = rates(scores(truth, reading))
    assert found["components"] == 1.0
    assert found["component_precision"] is not None
    assert found["component_precision"] < 1.0


def test_an_arrow_the_wrong_way_round_is_not_right(truth: dict[str, Any]) -> None:
    reading = perfect(truth)
    drawn_both_ways = {arrow["from"] for arrow in truth["arrows"] if arrow["bidirectional"]}
    line = next(line for line in reading["connections"] if line["from"] not in drawn_both_ways)
    line["from"], line["to"] = line["to"], line["from"]
    before, after = scores(truth, perfect(truth)), scores(truth, reading)
    assert after["arrows"][0] == before["arrows"][0] - 1
    assert after["arrow_precision"][0] < after["arrow_precision"][1]


def test_what_is_not_stated_is_not_counted(truth: dict[str, Any]) -> None:
    reading = copy.deepcopy(perfect(truth))
    for line in reading["connections"]:
        line["stated"] = False
    assert scores(truth, reading)["arrow_precision"] == (0, 0)


def test_members_of_a_nested_container_count_for_the_outer_one() -> None:
    truth = {"components": ["a one", "b two"], "containers": {"outer": ["a one", "b two"], "inner": ["b two"]}}
    truth |= {"arrows": [], "steps": {}, "edge_labels": [], "other_text": []}
    reading = {
        "components": [
            {"id": "1", "label": "a one", "container": "k1"},
            {"id": "2", "label": "b two", "container": "k2"},
        ],
        "containers": [{"id": "k1", "label": "outer", "parent": None}, {"id": "k2", "label": "inner", "parent": "k1"}],
        "connections": [],
        "steps": [],
    }
    found = scores(truth, reading)
    assert (found["members"], found["member_precision"]) == ((3, 3), (3, 3))


def test_names_are_the_same_but_for_case_signs_and_a_letter_in_many() -> None:
    assert is_same("Feature table#2", "feature-table")
    assert is_same("Model deployment", "Model deploymeni")
    assert not is_same("proc1", "proc2")
    assert not is_same("", "")
    assert is_on_image("Feature table", ["Feature table refresh"])
    assert not is_on_image("DB", ["DB of everything"])


def test_an_answer_must_hold_and_must_not_hold() -> None:
    asked = {"question": "What feeds DB?", "must": ["Jaeger Collector"], "must_not": ["Kafka"]}
    assert is_answered(asked, "The **Jaeger  collector** feeds it.")
    assert is_answered(asked, "The jaeger-collector.\n> Background: Kafka is a log.")
    assert not is_answered(asked, "Kafka and the Jaeger Collector.")
    assert not is_answered(asked, "Jaeger Collectors.")
    assert not is_answered(asked, "Jaeger Collector " + "and so on " * 40)
    assert is_answered({**asked, "question": "Explain it"}, "Jaeger Collector " + "and so on " * 40)


def test_shares_of_several_diagrams_add_up() -> None:
    assert rates(added([{"steps": (1, 2)}, {"steps": (2, 2)}, {"steps": (0, 0)}])) == {"steps": 0.75}


def test_the_same_seed_draws_the_same_diagram() -> None:
    (one, first), (other, second) = drawn(9), drawn(9)
    assert (one.tobytes(), first) == (other.tobytes(), second)


def test_truths_are_complete_and_inside_the_picture(tmp_path: Path) -> None:
    write(tmp_path, 3, 40)
    truths = sorted((tmp_path / "truth").glob("*.json"))
    assert len(truths) == 3
    for file in truths:
        truth = json.loads(file.read_text(encoding="utf-8"))
        with Image.open(next(tmp_path.glob(f"{truth['id']}.*"))) as image:
            width, height = image.size
        known = {*truth["components"], *truth["containers"]}
        assert known >= {arrow[end] for arrow in truth["arrows"] for end in ("from", "to")}
        assert set(truth["steps"].values()) <= known | set(truth["edge_labels"])
        for left, top, right, bottom in [*truth["boxes"].values(), *truth["container_boxes"].values()]:
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height


def test_arrows_end_at_what_they_name(truth: dict[str, Any]) -> None:
    boxes = {**truth["container_boxes"], **truth["boxes"]}
    for arrow in truth["arrows"]:
        for name, (x, y) in ((arrow["from"], arrow["path"][0]), (arrow["to"], arrow["path"][-1])):
            left, top, right, bottom = boxes[name]
            assert left - 3 <= x <= right + 3, name
            assert top - 3 <= y <= bottom + 3, name


def test_some_diagrams_are_jpeg_and_most_are_png() -> None:
    picture = Image.new("RGB", (40, 30), "white")
    kinds = [encoded(picture, seed)[0] for seed in range(60)]
    assert set(kinds) == {".png", ".jpg"}
    assert kinds.count(".png") > kinds.count(".jpg")
