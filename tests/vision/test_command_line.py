"""`python -m vision`: what it prints, and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from lakehouse.store import open_to_read
from settings import Settings
from tests.vision.example_diagrams import example
from vision.reading import Reading
from vision.reading_cache import hash_of, keep_reading, known_reading

ROOT = Path(__file__).resolve().parents[2]


def run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vision", *arguments],
        cwd=ROOT,
        env={**os.environ, "LAKEHELM_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vision") / "home"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boxes with an arrow between them."""
    image = Image.new("RGB", (640, 240), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(28)
    for left, label in ((40, "Orders"), (420, "Archive")):
        draw.rectangle((left, 80, left + 180, 160), outline="black", width=3)
        draw.text((left + 35, 102), label, fill="black", font=font)
    draw.line((220, 120, 405, 120), fill="black", width=4)
    draw.polygon([(418, 120), (396, 108), (396, 132)], fill="black")
    path = tmp_path_factory.mktemp("pictures") / "two boxes.png"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def read(home: Path, picture: Path) -> subprocess.CompletedProcess[str]:
    return run(home, "read", str(picture))


def test_read_prints_the_reading_as_json_and_nothing_else(read: subprocess.CompletedProcess[str]) -> None:
    assert read.returncode == 0, read.stderr
    assert read.stderr == ""
    printed = json.loads(read.stdout)
    assert printed["image"] == {"width": 640, "height": 240}
    assert {one["label"] for one in printed["components"]} == {"Orders", "Archive"}
    assert Reading.from_dict(printed).components


def test_nothing_that_ends_badly_after_the_answer_changes_it(home: Path, tmp_path: Path) -> None:
    """As threads of the text recognition may: here something that aborts the process when Python ends in order."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.abort)\n")

    refused = run(home, "read", str(tmp_path / "missing.png"), PYTHONPATH=str(tmp_path))

    assert refused.returncode == 2, refused.stderr
    assert "missing.png cannot be opened" in refused.stderr


def test_what_was_read_is_kept_for_questions(home: Path, picture: Path, read: subprocess.CompletedProcess[str]) -> None:
    known = known_reading(Settings(home=home), hash_of(picture.read_bytes()))

    assert known == Reading.from_dict(json.loads(read.stdout))
    version = open_to_read(Settings(home=home), "image_readings").version()

    asked = run(home, "ask", str(picture), "Which components are there?")

    assert asked.returncode == 0, asked.stderr
    assert asked.stderr == ""
    assert "**Orders**" in asked.stdout
    assert "**Archive**" in asked.stdout
    assert open_to_read(Settings(home=home), "image_readings").version() == version


def test_a_kept_reading_answers_without_reading_the_image_again(tmp_path: Path, picture: Path) -> None:
    keep_reading(Settings(home=tmp_path), hash_of(picture.read_bytes()), example("bookshop"))

    asked = run(tmp_path, "ask", str(picture), "What feeds RabbitMQ?", "--reader", "embedded")

    assert asked.stdout == "An arrow leads from **Order service** to **RabbitMQ** (labelled **order placed**).\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "empty"), (b"hello", "not an image"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG")],
)
def test_a_file_that_is_no_image_is_refused_in_one_sentence(
    tmp_path: Path, home: Path, content: bytes, sentence: str
) -> None:
    file = tmp_path / "file.png"
    file.write_bytes(content)

    asked = run(home, "ask", str(file), "explain this architecture")

    assert asked.returncode == 2
    assert asked.stdout == ""
    assert sentence in asked.stderr
    assert len(asked.stderr.strip().splitlines()) == 1


def test_a_missing_file_and_an_unknown_model_are_refused_in_one_sentence(home: Path, picture: Path) -> None:
    missing = run(home, "read", str(picture.parent / "nothing.png"))

    assert missing.returncode == 2
    assert missing.stderr.endswith("nothing.png cannot be opened: No such file or directory.\n")

    unknown = run(home, "ask", str(picture), "explain", "--reader", "openai:nobody")

    assert unknown.returncode == 2
    assert unknown.stdout == ""
    assert "openai:nobody" in unknown.stderr
    assert len(unknown.stderr.strip().splitlines()) == 1


def test_a_wrong_command_prints_how_to_use_it(home: Path) -> None:
    wrong = run(home, "paint")

    assert wrong.returncode == 2
    assert "usage: python -m vision" in wrong.stderr


def test_a_setting_that_is_wrong_is_said(home: Path, picture: Path) -> None:
    wrong = run(home, "ask", str(picture), "explain", LAKEHELM_GATEWAY_PORT="no number")

    assert wrong.returncode == 2
    assert "gateway_port" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_lake_that_cannot_be_opened_costs_the_cache_and_not_the_answer(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "file").write_text("in the way of the lake")

    asked = run(tmp_path, "ask", str(picture), "Which components are there?", LAKEHELM_LAKE_URI=str(tmp_path / "file"))

    assert asked.returncode == 0, asked.stderr
    assert "**Orders**" in asked.stdout
    assert "not kept" in asked.stderr
    assert "Traceback" not in asked.stderr
