from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import chart_frame
from dashboard.queries import watch
from settings import Settings, get_settings
from tests.dashboard import workspace

APP = Path(__file__).resolve().parent.parent.parent / "dashboard" / "app.py"
PAGES = APP.parent.parent / "pages"


@dataclass(frozen=True)
class Month:
    """A workspace with a month of numbers, and the single rows that its rollups were made from."""

    settings: Settings
    rows: pd.DataFrame
    now: datetime


def use(monkeypatch: pytest.MonkeyPatch, home: Path, **environment: str) -> Settings:
    """Make `home` the workspace of this process, with nothing remembered from another."""
    # What another test watches would read these settings, or leave its own behind.
    watch.close_all()
    monkeypatch.setenv("LAKEHELM_HOME", str(home))
    # Port 9 is nobody's: a page that asks the gateway is refused at once.
    for name, value in {"GATEWAY_PORT": "9", **environment}.items():
        monkeypatch.setenv(f"LAKEHELM_{name}", value)
    get_settings.cache_clear()
    if get_settings().home != home:
        # A thread of the app that was reading the earlier settings has just put them back.
        get_settings.cache_clear()
    st.cache_data.clear()
    st.cache_resource.clear()
    return get_settings()


@pytest.fixture(autouse=True)
def _looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A property of a chart that plotly does not know fails a test."""
    monkeypatch.setattr(chart_frame, "LOOKED_THROUGH", True)


@pytest.fixture(scope="session", autouse=True)
def _packages_looked_through_once() -> Iterator[None]:
    """Every AppTest looks through all installed packages for components, which takes longer than most pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Month:
    now = datetime.now(UTC)
    home = tmp_path_factory.mktemp("month")
    return Month(
        workspace.build(home, per_day=80, now=now), workspace.with_requesters(workspace.requests(now, 30, 80)), now
    )


@pytest.fixture
def month(built: Month, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    use(monkeypatch, built.settings.home)
    yield built
    get_settings.cache_clear()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    yield use(monkeypatch, tmp_path / "workspace")
    get_settings.cache_clear()


@pytest.fixture
def page() -> Callable[..., AppTest]:
    """Open a page of the app by its file's name, in this process."""

    def opened(name: str = "overview", **query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        for key, value in query.items():
            app.query_params[key] = value
        # Straight to the page: the first screen would be drawn first.
        return (app if name == "overview" else app.switch_page(str(PAGES / f"{name}.py"))).run()

    return opened
