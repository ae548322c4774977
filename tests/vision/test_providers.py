"""Where a model is reached: only where the settings say, with only the key of that place."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from settings import Settings
from vision.errors import ModelUnavailable
from vision.models.providers import Place, connected, http_client, place_of

KEYS = {
    "token": "dapi-SECRET",
    "vision_openai_key": "openai-SECRET",
    "vision_anthropic_key": "anthropic-SECRET",
    "vision_google_key": "google-SECRET",
    "vision_server_key": "server-SECRET",
}


def settings_of(folder: Path, **more: Any) -> Settings:
    known = {"host": "https://adb.example", "vision_server_url": "http://10.0.0.7:8000/v1/", **KEYS}
    return Settings(home=folder, **{**known, **more})


@pytest.mark.parametrize(
    ("model", "address", "key"),
    [
        ("openai:gpt-4o", "https://api.openai.com/v1", "openai-SECRET"),
        ("anthropic:claude-sonnet-4-5", "https://api.anthropic.com", "anthropic-SECRET"),
        ("google:gemini-2.5-flash", "https://generativelanguage.googleapis.com", "google-SECRET"),
        ("databricks:databricks-llama-4", "https://adb.example/serving-endpoints", "dapi-SECRET"),
        ("server:llava:13b", "http://10.0.0.7:8000/v1", "server-SECRET"),
    ],
)
def test_each_provider_has_its_own_place_and_key(tmp_path: Path, model: str, address: str, key: str) -> None:
    place = place_of(settings_of(tmp_path), model)
    assert (place.address, place.key.get_secret_value(), place.model) == (address, key, model)
    assert "SECRET" not in repr(place)


@pytest.mark.parametrize(
    "model", ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "google:gemini-2.5-flash", "databricks:x", "server:x"]
)
def test_the_environment_moves_no_image_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://evil.example")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "environment-SECRET")
    place = place_of(settings_of(tmp_path), model)
    model_there = connected(place, http_client(place, 30.0))
    assert httpx2.URL(model_there.base_url or "").host == httpx2.URL(place.address).host


def test_no_redirect_is_followed_and_an_open_connection_uses_no_proxy(tmp_path: Path) -> None:
    client = http_client(place_of(settings_of(tmp_path), "server:x"), 30.0)
    assert not client.follow_redirects
    assert not client.trust_env


@pytest.mark.parametrize(
    ("model", "missing", "setting"),
    [
        ("openai:gpt-4o", {"vision_openai_key": ""}, "LAKEHELM_VISION_OPENAI_KEY"),
        ("anthropic:claude", {"vision_anthropic_key": " "}, "LAKEHELM_VISION_ANTHROPIC_KEY"),
        ("google:gemini", {"vision_google_key": ""}, "LAKEHELM_VISION_GOOGLE_KEY"),
        ("databricks:x", {"host": ""}, "LAKEHELM_HOST"),
        ("databricks:x", {"token": ""}, "LAKEHELM_TOKEN"),
        ("server:x", {"vision_server_url": ""}, "LAKEHELM_VISION_SERVER_URL"),
        ("server:x", {"vision_server_key": "two words SECRET"}, "LAKEHELM_VISION_SERVER_KEY"),
        ("server:x", {"vision_server_key": "line\nSECRET"}, "LAKEHELM_VISION_SERVER_KEY"),
    ],
)
def test_a_missing_or_impossible_setting_is_named(
    tmp_path: Path, model: str, missing: dict[str, str], setting: str
) -> None:
    with pytest.raises(ModelUnavailable, match=setting) as failed:
        place_of(settings_of(tmp_path, **missing), model)
    assert "SECRET" not in str(failed.value)


def test_your_own_server_needs_no_key(tmp_path: Path) -> None:
    assert place_of(settings_of(tmp_path, vision_server_key=""), "server:x").key.get_secret_value() == ""


def test_a_key_read_from_a_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    place = place_of(settings_of(tmp_path, vision_openai_key="openai-SECRET\n"), "openai:gpt-4o")
    assert place.key.get_secret_value() == "openai-SECRET"


def test_models_are_named_once_each_and_in_order(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, vision_models=" server:b, openai:a ,server:b,, ")
    assert settings.vision_model_names == ("server:b", "openai:a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"vision_models": "gpt-4o"},
        {"vision_models": "openai:"},
        {"vision_models": "nobody:SECRET"},
        {"vision_server_url": "127.0.0.1:11434"},
        {"vision_server_url": "file:///etc/passwd"},
        {"vision_server_url": "http://user:SECRET@127.0.0.1/v1"},
        {"vision_server_url": "http://127.0.0.1/v1?key=SECRET"},
        {"vision_timeout_seconds": 0},
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_without_its_value(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))) as failed:
        Settings(home=tmp_path, **wrong)
    assert "SECRET" not in str(failed.value)


def test_keys_are_not_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert "SECRET" not in f"{settings!r} {settings}"


def test_a_place_without_a_secret_can_be_printed() -> None:
    assert "hidden" not in repr(Place("server", "x", "http://a", SecretStr("hidden"), "LAKEHELM_VISION_SERVER_KEY"))
