"""Every page in a real browser: light and dark, desk and phone, mouse and keyboard."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from settings import Settings
from tests.browser.conftest import PAGES, SETTLED, Visit, running_app
from tests.browser.screenshots import take
from tests.dashboard import workspace

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]


def assert_whole(page: Page) -> None:
    """No traceback, no panel that failed, nothing wider than the window."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    # In a box of an error: the table of runs may quote one, of a run that failed.
    for failure in ("could not be shown", "could not be read"):
        expect(page.get_by_test_id("stAlert").filter(has_text=failure)).to_have_count(0)
    assert page.evaluate(
        "() => { const main = document.querySelector('[data-testid=stMain]');"
        " return main.scrollWidth <= main.clientWidth + 1; }"
    )


def brightness(page: Page) -> float:
    """Of the page's background, from 0 (black) to 255."""
    color = page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    return sum(float(part) for part in re.findall(r"[\d.]+", color)[:3]) / 3


# The other three of the four ways to look at a page are among the long tests: each takes most of a minute.
@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1280),
        pytest.param("dark", 390, marks=pytest.mark.soak),
        pytest.param("dark", 1280, marks=pytest.mark.soak),
        pytest.param("light", 390, marks=pytest.mark.soak),
    ],
)
def test_every_page_opens_whole(month: str, visit: Opener, theme: str, width: int) -> None:
    window = visit(month, theme=theme, width=width)
    for path, title in PAGES.items():
        page = window.open(path, title)
        expect(page.get_by_text("Demo data").locator("visible=true").first).to_be_visible()
        expect(page.locator("h1")).to_have_count(1)
        assert_whole(page)
        assert (brightness(page) > 128) == (theme == "light")
        take(page, f"{title.lower()}-{theme}-{width}")
    assert window.foreign == []


def test_the_overview_says_what_is_live(month: str, visit: Opener) -> None:
    page = visit(month).open("", "Overview")
    expect(page.get_by_text("Healthy.")).to_be_visible()
    expect(page.get_by_role("cell", name="v2 of prod.chatbot")).to_be_visible()
    for figure in ("Requests", "Errors", "Latency, p95", "Toxicity flags"):
        expect(page.get_by_test_id("stMetric").filter(has_text=figure)).to_be_visible()


def test_a_link_opens_the_same_comparison(month: str, visit: Opener) -> None:
    window = visit(month)
    page = window.open("quality", "Quality")
    page.get_by_role("radio", name="7 days").click()
    expect(page).to_have_url(re.compile("range=7"))
    page.get_by_role("radio", name="30 days").click()
    expect(page.get_by_text("v2 reads less fluent").first).to_be_visible()
    for box, version in ((0, "prod.chatbot v2"), (1, "prod.chatbot v1")):
        page.wait_for_selector(SETTLED)
        page.get_by_role("combobox").nth(box).click()
        page.get_by_role("option", name=version).click()
    expect(page).to_have_url(re.compile("a=prod.chatbot.v2&b=prod.chatbot.v1"))
    expect(page.get_by_text("v1 reads more fluent").first).to_be_visible()
    again = visit(month)
    again.page.goto(page.url)
    expect(again.page.get_by_text("v1 reads more fluent").first).to_be_visible()
    assert_whole(again.page)


def test_charts_and_texts_tell_the_same_time(month: str, visit: Opener) -> None:
    page = visit(month).open("", "Overview")
    page.wait_for_selector(".js-plotly-plot .scatterlayer path.js-line", state="attached")
    # plotly keeps wall time as if it were UTC; the browser stands in Berlin.
    shown = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.js-plotly-plot')].flatMap("
        "plot => (plot.calcdata || []).flat().map(point => point.x)).filter(x => x > 1e12))"
    )
    wall = datetime.now(ZoneInfo("Europe/Berlin")).replace(tzinfo=UTC).timestamp()
    assert timedelta(minutes=10) < timedelta(seconds=wall - shown / 1000) < timedelta(minutes=35)


def test_the_pages_can_be_used_with_the_keyboard_alone(month: str, visit: Opener) -> None:
    page = visit(month).open("", "Overview")
    for _ in range(len(PAGES) + 6):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent.includes('Jobs')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(re.compile("^Jobs"))
    assert_whole(page)


def test_the_demos_building_shows_its_steps_and_then_gives_way(tmp_path: Path, visit: Opener) -> None:
    settings = Settings(home=tmp_path)
    workspace.write_building(settings)
    with running_app(tmp_path, LAKEHELM_GATEWAY_PORT="9") as address:
        window = visit(address)
        page = window.open("", "Overview")
        expect(page.get_by_text("212 of 380 answers")).to_be_visible()
        assert_whole(page)
        take(page, "building-light-1280")
        workspace.write_operations(settings, workspace.utc_now())
        expect(page.get_by_text("Last changes")).to_be_visible()
        expect(page.get_by_text("The gateway does not answer.")).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
