"""Settings: where they come from, what they say, and that a secret does not slip out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEHELM_HOME", str(tmp_path))
    monkeypatch.setenv("LAKEHELM_GATEWAY_PORT", "9001")
    settings = Settings()
    assert settings.home == tmp_path
    assert settings.gateway_url == "http://127.0.0.1:9001"


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHELM_GATEWAY_PORT", "70000")
    with pytest.raises(ValidationError, match="gateway_port"):
        Settings()


def test_secrets_are_not_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, token="dapi-secret", gateway_token="bearer-secret", storage_options={"k": "store-secret"}
    )
    shown = f"{settings!r} {settings}"
    assert [word for word in ("dapi-secret", "bearer-secret", "store-secret") if word in shown] == []


@pytest.mark.parametrize("wrong", ['["SECRET"]', '{"key": {"x": "SECRET"}}', "SECRET"])
def test_a_wrong_setting_that_may_hold_secrets_is_named_without_its_value(wrong: str, tmp_path: Path) -> None:
    environment = {**os.environ, "LAKEHELM_STORAGE_OPTIONS": wrong, "LAKEHELM_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jobs", "compact"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "storage_options" in done.stderr
    assert "SECRET" not in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_host_everything_points_to_databricks(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="https://example.invalid/", token="t")
    assert settings.endpoint_host == "https://example.invalid"
    assert (settings.tracking_uri, settings.registry_uri) == ("databricks", "databricks-uc")


def test_without_a_host_everything_stays_in_the_workspace_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.endpoint_host == settings.gateway_url
    assert settings.tracking_uri == settings.registry_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert settings.lake == str(tmp_path / "lake")


def test_the_documentation_of_the_settings_is_up_to_date() -> None:
    from jobs.docs import settings_page

    assert (Path(__file__).resolve().parent.parent / "docs" / "settings.md").read_text(
        encoding="utf-8"
    ) == settings_page()
