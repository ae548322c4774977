"""The real app in a real browser: `streamlit run` as a process, Chromium through Playwright."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.dashboard import workspace
from tests.dashboard.endpoint_server import described, endpoint_server

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = Path("/usr/bin/chromium")
PAGES = {
    "": "Overview",
    "alerts": "Alerts",
    "endpoints": "Endpoints",
    "models": "Models",
    "promotion": "Promotion",
    "pipeline": "Pipeline",
    "quality": "Quality",
    "safety": "Safety",
    "drift": "Drift",
    "traffic": "Traffic",
    "cost": "Cost",
    "requests": "Requests",
    "ask_image": "Ask an image",
    "ledger": "Ledger",
    "incident": "Incident",
    "jobs": "Jobs",
}
SETTLED = '[data-testid="stApp"][data-test-connection-state="CONNECTED"][data-test-script-state="notRunning"]'
STARTED_SECONDS = 60.0
# Playwright's own five seconds are short where test processes share two slow cores; a test that passes waits for none.
expect.set_options(timeout=60_000)


@dataclass
class Visit:
    """A page that is open, and every address outside of this machine that it asked for."""

    page: Page
    address: str
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str, title: str) -> Page:
        """Go to a page of the app and wait until it has drawn itself."""
        self.page.goto(f"{self.address}/{path}")
        expect(self.page.locator("h1")).to_have_text(re.compile(f"^{title}"))
        self.page.wait_for_selector(SETTLED)
        return self.page


@contextmanager
def running_app(home: Path, **environment: str) -> Iterator[str]:
    """The dashboard over a workspace; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "dashboard-test.log"
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), "--server.port", str(port)]
    variables = {**os.environ, "LAKEHELM_HOME": str(home), **environment}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"The dashboard did not start: {log.read_text()}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for these tests. Playwright keeps an event loop running, so it must end before other tests begin."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"There is no Chromium at {CHROMIUM}, and in CI a browser test must not be skipped.")
        pytest.skip(f"There is no Chromium at {CHROMIUM}.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app over a month of numbers, with an endpoint that answers."""
    home = tmp_path_factory.mktemp("month")
    workspace.build(home, per_day=120)
    with (
        endpoint_server(described({"1": 10, "2": 90})) as port,
        running_app(home, LAKEHELM_GATEWAY_PORT=str(port), LAKEHELM_GATEWAY_TOKEN="for this test") as address,
    ):
        yield address


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a browser window on the app, in a theme and a width."""
    contexts = []

    def opened(address: str, *, theme: str = "light", width: int = 1280) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 500 else 844},
            color_scheme=theme,  # type: ignore[arg-type]
            timezone_id="Europe/Berlin",
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        found = Visit(context.new_page(), address)
        found.page.on("request", lambda request: _note(found, request.url))
        return found

    yield opened
    for context in contexts:
        context.close()


def _note(visit: Visit, url: str) -> None:
    if not url.startswith((visit.address, visit.address.replace("http", "ws", 1), "data:", "blob:")):
        visit.foreign.append(url)
