"""One way to ask, whoever answers."""

import subprocess
import sys
from pathlib import Path

import pytest

from settings import Settings
from vision.answer import Usage
from vision.ask import EMBEDDED, answerers, ask
from vision.errors import ModelUnavailable
from vision.reading import Component, Reading

READING = Reading(640, 480, components=(Component("c1", "Feature table", (1, 2, 3, 4)),))


def test_the_embedded_reader_is_always_there_and_models_only_if_set_up(tmp_path: Path) -> None:
    assert answerers(Settings(home=tmp_path)) == [EMBEDDED]
    assert answerers(Settings(home=tmp_path, vision_models="server:a,openai:b")) == [EMBEDDED, "server:a", "openai:b"]


def test_nobody_else_is_asked(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="'server:evil' is not one of the models"):
        ask(Settings(home=tmp_path, vision_models="server:a"), "server:evil", b"", READING, "?", (), lambda: False)


def test_the_embedded_reader_answers_with_what_was_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    *pieces, usage = ask(settings, EMBEDDED, b"", READING, "Is there a feature table?", (), lambda: False)
    assert "**Feature table**" in "".join(map(str, pieces))
    assert isinstance(usage, Usage)
    assert usage.model == EMBEDDED


def test_a_cancelled_question_has_no_answer(tmp_path: Path) -> None:
    assert list(ask(Settings(home=tmp_path), EMBEDDED, b"", READING, "explain", (), lambda: True)) == []


def test_the_embedded_reader_loads_no_client_of_a_provider() -> None:
    program = (
        "import sys, vision.ask, vision.evidence, vision.models.grounding;"
        "print([name for name in ('pydantic_ai', 'openai', 'httpx2', 'cv2', 'rapidocr') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_clients_are_loaded_ahead_for_the_models_that_can_be_reached(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from settings import Settings; from vision.ask import load_clients;"
        f"load_clients(Settings(home=Path({str(tmp_path)!r}), vision_models='openai:a,server:b',"
        " vision_server_url='http://127.0.0.1:9/v1'));"
        "print([name for name in ('pydantic_ai.models.openai', 'vision.models.models') if name not in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_models_no_client_is_loaded(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from settings import Settings; from vision.ask import load_clients;"
        f"load_clients(Settings(home=Path({str(tmp_path)!r}))); print('pydantic_ai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
