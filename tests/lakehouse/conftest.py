"""One workspace for each test."""

from pathlib import Path

import pytest

from settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")
