"""The Models page in a real browser: rows are clicked, versions typed, and links opened again."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from registry.versions import CHAMPION, client
from settings import Settings
from tests.browser.conftest import SETTLED, Visit, running_app
from tests.dashboard.endpoint_server import described, endpoint_server

# tests/dashboard/test_models_page.py holds the page to the same in a tenth of the time, without the clicks.
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(300)]
TEST, PROD = "test.chatbot", "prod.chatbot"
_HEADER, _ROW = 36, 35
"""Pixels: the tables are drawn on a canvas, so their rows are found by where they are."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app over a registry with four versions of the test model and copies of two, of which 2 is live."""
    settings = Settings(home=tmp_path_factory.mktemp("registry") / "home")
    registry = client(settings)
    model = settings.home / "model"
    model.mkdir()
    (model / "MLmodel").write_text("model_uuid: m-1\nflavors:\n  python_function:\n    python_version: 3.11.7\n")
    for name in (TEST, PROD):
        registry.create_registered_model(name)
    for _ in range(4):
        registry.create_model_version(TEST, str(model), await_creation_for=0)
    for number in ("1", "2"):
        registry.copy_model_version(f"models:/{TEST}/{number}", PROD)
    registry.set_registered_model_alias(PROD, CHAMPION, "2")
    with (
        endpoint_server(described({"1": 10, "2": 90})) as port,
        running_app(settings.home, LAKEHELM_GATEWAY_PORT=str(port), LAKEHELM_GATEWAY_TOKEN="for this test") as found,
    ):
        yield found


def click_row(page: Page, table: int, row: int) -> None:
    """Choose a row of the versions of test (table 0) or production (table 1)."""
    box = page.get_by_test_id("stDataFrame").nth(table).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + _HEADER + _ROW * (row + 0.5))


def test_a_version_is_chosen_by_a_click_by_typing_and_by_a_link(address: str, visit: Callable[..., Visit]) -> None:
    page = visit(address).open("models", "Models")
    version = page.get_by_role("heading", level=3)
    expect(version.filter(has_text=f"{PROD} v2")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("with 90 % of the traffic")).to_be_visible()
    page.wait_for_selector(SETTLED)

    click_row(page, 0, 2)
    expect(version.filter(has_text=f"{TEST} v2")).to_be_visible()
    expect(page).to_have_url(re.compile(r"model=test\.chatbot&version=2"))
    click_row(page, 1, 1)
    expect(version.filter(has_text=f"{PROD} v1")).to_be_visible()

    page.get_by_label("Compare with").click()
    page.keyboard.type(f"{PROD}/2")
    page.keyboard.press("Enter")
    beside = f"{PROD} v1 beside {PROD} v2"
    expect(version.filter(has_text=beside)).to_be_visible()

    again = visit(address, width=390)
    again.page.goto(page.url)
    expect(again.page.get_by_role("heading", level=3).filter(has_text=beside)).to_be_visible()
    again.page.get_by_role("tab", name="Files").click()
    expect(again.page.get_by_text("model_uuid")).to_be_visible()
    assert again.page.evaluate(
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth <= main.clientWidth + 1; }"
    )
    assert again.foreign == []
