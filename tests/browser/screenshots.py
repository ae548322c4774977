"""Pictures of the pages: `python -m tests.browser.screenshots FOLDER [HOME]`.

The browser tests take them too where LAKEHELM_SCREENSHOTS names a folder. HOME is a workspace; without one, a made-up
month is used.
"""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def take(page: "Page", name: str, folder: str | None = None) -> None:
    """Write the whole page as `<name>.png`, if there is a folder for it."""
    target = folder or os.environ.get("LAKEHELM_SCREENSHOTS")
    if not target:
        return
    width = (page.viewport_size or {"width": 1280})["width"]
    # Charts draw a moment after the script has ended, and the app scrolls inside of the window: make that tall enough.
    page.wait_for_timeout(2500)
    height = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(int(height) + 10, 600)})
    page.wait_for_timeout(1200)
    Path(target).mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(Path(target) / f"{name}.png"))
    page.set_viewport_size({"width": width, "height": 900})


def main(folder: str, home: str | None) -> None:
    """Every page in both themes and both widths."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import CHROMIUM, PAGES, Visit, running_app
    from tests.dashboard import workspace
    from tests.dashboard.endpoint_server import described, endpoint_server

    with ExitStack() as stack:
        gateway = {}
        if home is None:
            home = stack.enter_context(tempfile.TemporaryDirectory())
            workspace.build(Path(home))
            port = stack.enter_context(endpoint_server(described({"1": 0, "2": 100})))
            gateway = {"LAKEHELM_GATEWAY_PORT": str(port), "LAKEHELM_GATEWAY_TOKEN": "for these pictures"}
        address = stack.enter_context(running_app(Path(home), **gateway))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for width in (1280, 390):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                visit = Visit(context.new_page(), address)
                for path, title in PAGES.items():
                    page = visit.open(path, title)
                    page.wait_for_timeout(4000)
                    take(page, f"{title.lower()}-{theme}-{width}", folder)
                context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
