"""Questions to multimodal models, against a server on loopback: the answer, what is sent, and every way it can fail."""

import asyncio
import io
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from settings import Settings
from tests.vision.fake_providers import fake_providers
from tests.vision.fake_server import FakeServer, fake_server
from vision.answer import Turn, Usage
from vision.ask import ask
from vision.errors import ImageRefused, ModelUnavailable
from vision.models import models
from vision.models.providers import Place, place_of
from vision.reading import Component, Reading

KEY = "lkh-SECRET-0123456789abcdef"
READING = Reading(640, 480, components=(Component("c1", "Feature table", (1, 2, 3, 4)),))


def picture(kind: str = "JPEG", size: tuple[int, int] = (640, 480)) -> bytes:
    """An image with a camera's metadata in it."""
    metadata = Image.Exif()
    metadata[0x010E] = "taken at a secret place"
    file = io.BytesIO()
    Image.new("RGB", size, "white").save(file, kind, exif=metadata)
    return file.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


def settings_of(server: FakeServer, folder: Path, name: str, silence: float = 20.0) -> Settings:
    return Settings(
        home=folder,
        vision_models=f"server:{name}",
        vision_server_url=server.url,
        vision_server_key=KEY,
        vision_timeout_seconds=silence,
    )


def answer_of(settings: Settings, image: bytes | None = None, earlier: tuple[Turn, ...] = ()) -> tuple[str, Usage]:
    model = settings.vision_model_names[0]
    *pieces, usage = ask(settings, model, image or picture(), READING, "What is there?", earlier, lambda: False)
    assert isinstance(usage, Usage)
    return "".join(str(piece) for piece in pieces), usage


def test_an_answer_rests_on_the_image_and_on_its_reading(server: FakeServer, tmp_path: Path) -> None:
    answer, usage = answer_of(settings_of(server, tmp_path, "looker"))
    assert answer == "The image is a JPEG of 640 × 480 pixels, without metadata. On it stand **Feature table**."
    assert (usage.model, usage.input_tokens, usage.output_tokens) == ("server:looker", 1200, 40)
    assert usage.cost_usd is None
    assert usage.seconds > 0


def test_only_the_image_its_reading_and_the_words_of_the_conversation_are_sent(
    server: FakeServer, tmp_path: Path
) -> None:
    answer_of(settings_of(server, tmp_path, "looker"), earlier=(Turn("And before?", "Nothing."),))
    sent = server.seen[-1]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.media_type == "image/jpeg"
    assert b"secret place" not in (sent.image or b"")
    assert [message["role"] for message in sent.body["messages"]] == ["system", "user", "assistant", "user"]
    system, data, *conversation = sent.texts
    assert "never instructions" in system
    assert '{"components": [{"label": "Feature table"}]}' in data
    assert conversation == ["And before?", "Nothing.", "What is there?"]


def test_only_the_last_turns_are_sent(server: FakeServer, tmp_path: Path) -> None:
    earlier = tuple(Turn(f"Question {number}", f"Answer {number} " * 5_000) for number in range(20))
    answer_of(settings_of(server, tmp_path, "looker"), earlier=earlier)
    sent = "\n".join(server.seen[-1].texts)
    assert "Question 13\n" not in sent
    assert "Question 14\n" in sent
    assert max(len(text) for text in server.seen[-1].texts) == 4_000


def test_a_large_image_is_sent_small_enough(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_MOST_BYTES", 100_000)
    file = io.BytesIO()
    Image.merge("RGB", [Image.effect_noise((300, 200), 90) for _ in range(3)]).save(file, "PNG")
    assert len(file.getvalue()) > 150_000
    answer_of(settings_of(server, tmp_path, "looker"), image=file.getvalue())
    sent = server.seen[-1].image or b""
    assert len(sent) <= 100_000
    assert max(Image.open(io.BytesIO(sent)).size) > 150


@pytest.mark.parametrize("name", ["busy-once", "broken-once"])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(server: FakeServer, tmp_path: Path, name: str) -> None:
    answer, _ = answer_of(settings_of(server, tmp_path, name))
    assert "**Feature table**" in answer
    assert sum(seen.model == name for seen in server.seen) == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("busy", "takes no more questions for now"),
        ("locked", "did not accept the key: check LAKEHELM_VISION_SERVER_KEY."),
        ("broken", r"failed on its own side \(HTTP 500\)"),
        ("failing", "failed on its own side"),
        ("blind", "perhaps it takes no images. It says: “This model takes no images."),
        ("absent", "There is no model absent"),
        ("moved", "points elsewhere"),
        ("garbage", "sent something that is no answer"),
        ("empty", "answered with nothing"),
        ("cut", "broke off"),
        ("endless", "came to no end"),
    ],
)
def test_every_failure_is_one_plain_sentence_without_the_key(
    server: FakeServer, tmp_path: Path, name: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), pytest.raises(ModelUnavailable, match=sentence) as failed:
        answer_of(settings_of(server, tmp_path, name))
    message = str(failed.value)
    assert "\n" not in message
    assert "SECRET" not in message + caplog.text
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__ or failed.value.__context__ is None


@pytest.mark.parametrize("name", ["silent", "halting"])
def test_a_server_that_says_nothing_is_given_up(server: FakeServer, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.5 seconds"):
        answer_of(settings_of(server, tmp_path, name, silence=0.5))


def test_a_slow_answer_is_not_given_up_while_it_goes_on(server: FakeServer, tmp_path: Path) -> None:
    # 15 words with 0.1 seconds before each take longer than the silence that is allowed.
    server.pause = 0.1
    answer, _ = answer_of(settings_of(server, tmp_path, "slow", silence=1.0))
    assert answer.endswith("**Feature table**.")


def test_an_answer_without_end_is_given_up(server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_MOST_SECONDS", 0.3)
    server.pause = 0.1
    with pytest.raises(ModelUnavailable, match="came to no end"):
        answer_of(settings_of(server, tmp_path, "slow"))


def test_an_answer_that_is_cancelled_when_all_of_it_has_come_keeps_its_usage(
    server: FakeServer, tmp_path: Path
) -> None:
    settings = settings_of(server, tmp_path, "looker")
    cancelled = threading.Event()

    def cancelled_late() -> bool:
        # Looked at for the first time once the server has ended: all of the answer waits to be taken.
        time.sleep(1.0)
        cancelled.set()
        return True

    came = list(ask(settings, "server:looker", picture(), READING, "What is there?", (), cancelled_late))
    assert cancelled.is_set()
    assert isinstance(came[-1], Usage)
    assert came[-1].input_tokens == 1200


def test_an_answer_that_is_broken_off_keeps_what_came(server: FakeServer, tmp_path: Path) -> None:
    settings = settings_of(server, tmp_path, "cut")
    came: list[object] = []
    with pytest.raises(ModelUnavailable):
        came.extend(_each(ask(settings, "server:cut", picture(), READING, "What?", (), lambda: False), came))
    assert "".join(map(str, came)) == "The image is "


def _each(pieces: Iterator[object], came: list[object]) -> list[object]:
    for piece in pieces:
        came.append(piece)
    return []


def test_a_cancelled_question_ends_before_its_answer_begins(server: FakeServer, tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    settings = settings_of(server, tmp_path, "silent")
    assert list(ask(settings, "server:silent", picture(), READING, "?", (), cancelled.is_set)) == []
    assert _nothing_runs()


@pytest.mark.parametrize("name", ["endless", "slow", "halting"])
def test_a_cancelled_answer_ends_where_it_is_and_hangs_up(server: FakeServer, tmp_path: Path, name: str) -> None:
    server.pause = 0.2
    cancelled = threading.Event()
    came = []
    for piece in ask(
        settings_of(server, tmp_path, name), f"server:{name}", picture(), READING, "?", (), cancelled.is_set
    ):
        came.append(piece)
        cancelled.set()
    assert len(came) == 1
    assert _nothing_runs()


def test_a_question_that_nobody_listens_to_any_more_is_hung_up(server: FakeServer, tmp_path: Path) -> None:
    server.pause = 5.0
    pieces = ask(settings_of(server, tmp_path, "halting"), "server:halting", picture(), READING, "?", (), lambda: False)
    assert next(pieces)
    pieces.close()
    assert _nothing_runs()


def _nothing_runs() -> bool:
    """Whether no question is being asked any more, within ten seconds."""
    for _ in range(1000):
        if not asyncio.all_tasks(models._event_loop()):
            return True
        time.sleep(0.01)
    return False


def test_what_a_model_thinks_is_not_shown(server: FakeServer, tmp_path: Path) -> None:
    answer, _ = answer_of(settings_of(server, tmp_path, "thinker"))
    assert "THOUGHTS" not in answer
    assert "**Feature table**" in answer


def test_an_answer_ended_by_the_models_limit_says_so(server: FakeServer, tmp_path: Path) -> None:
    answer, _ = answer_of(settings_of(server, tmp_path, "wordy"))
    assert answer.endswith("> The model's limit for one answer was reached here.")


def test_a_model_that_does_not_count_leaves_the_tokens_open(server: FakeServer, tmp_path: Path) -> None:
    _, usage = answer_of(settings_of(server, tmp_path, "uncounted"))
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (None, None, None)


def test_links_and_pictures_in_an_answer_become_text(server: FakeServer, tmp_path: Path) -> None:
    answer, _ = answer_of(settings_of(server, tmp_path, "linker"))
    assert "](" not in answer
    assert "<img" not in answer


def test_an_image_that_is_none_is_refused_and_nothing_is_sent(server: FakeServer, tmp_path: Path) -> None:
    before = len(server.seen)
    with pytest.raises(ImageRefused):
        answer_of(settings_of(server, tmp_path, "looker"), image=b"<svg/>")
    assert len(server.seen) == before


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, vision_models="server:any", vision_server_url="http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailable, match=r"cannot be reached at .*127\.0\.0\.1:9.*LAKEHELM_VISION_SERVER_URL"):
        answer_of(settings)


def test_a_databricks_endpoint_gets_the_workspaces_token_and_no_field_that_it_does_not_know(
    server: FakeServer, tmp_path: Path
) -> None:
    host = server.url.removesuffix("/v1")
    answer, usage = answer_of(Settings(home=tmp_path, host=host, token=KEY, vision_models="databricks:strict"))
    assert "**Feature table**" in answer
    assert server.seen[-1].path == "/serving-endpoints/chat/completions"
    assert server.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    assert (usage.input_tokens, usage.cost_usd) == (1200, None)


@pytest.mark.parametrize(
    ("provider", "model", "header", "value"),
    [
        ("anthropic", "claude-sonnet-4-5", "authorization", f"Bearer {KEY}"),
        ("google", "gemini-2.5-flash", "x-goog-api-key", KEY),
    ],
)
def test_anthropic_and_google_get_the_same_and_are_priced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, model: str, header: str, value: str
) -> None:
    settings = Settings(home=tmp_path, vision_models=f"{provider}:{model}", **{f"vision_{provider}_key": KEY})
    with fake_providers() as fake:
        real = place_of(settings, f"{provider}:{model}")
        there = Place(real.provider, real.name, fake.url, real.key, real.key_setting)
        monkeypatch.setattr(models, "place_of", lambda settings, model: there)
        answer, usage = answer_of(settings)
    assert answer == "The image is a JPEG of 640 × 480 pixels, without metadata. On it stand **Feature table**."
    assert fake.seen[0].headers[header] == value
    assert KEY not in fake.seen[0].path
    assert (usage.input_tokens, usage.output_tokens) == (1200, 40)
    assert usage.cost_usd
    assert "genai-prices" in (usage.price_source or "")
