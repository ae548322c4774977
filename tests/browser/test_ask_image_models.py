"""Asking a multimodal model in a real browser, with a server on loopback that behaves well and badly."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from settings import Settings
from tests.browser.conftest import SETTLED, Visit, running_app
from tests.browser.test_ask_image import ME, conversation_page
from tests.browser.test_pages import assert_whole
from tests.dashboard import image_readings
from tests.vision.fake_server import FakeServer, fake_server

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]
MODELS = ("looker", "slow", "inventor", "linker", "locked")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def address(workspace: Settings, server: FakeServer) -> Iterator[str]:
    with running_app(
        workspace.home,
        LAKEHELM_GATEWAY_PORT="9",
        LAKEHELM_VISION_SERVER_URL=server.url,
        LAKEHELM_VISION_SERVER_KEY="a-key-that-nobody-sees",
        LAKEHELM_VISION_MODELS=",".join(f"server:{name}" for name in MODELS),
    ) as found:
        yield found


@pytest.fixture
def window(workspace: Settings, address: str, visit: Opener) -> Visit:
    conversation, _ = image_readings.opened(workspace, ME)
    found = visit(address)
    conversation_page(found, conversation)
    return found


def ask(page: Page, model: str, question: str) -> None:
    page.get_by_role("combobox", name="Answered by").click()
    page.get_by_role("option", name=f"server:{model}").click()
    page.wait_for_selector(SETTLED)
    box = page.get_by_placeholder("Ask about this image")
    box.fill(question)
    box.press("Enter")
    expect(page.get_by_text(question, exact=True)).to_be_visible()


def test_a_model_gets_the_image_and_its_answer_has_evidence_and_a_cost(window: Visit, server: FakeServer) -> None:
    page = window.page
    ask(page, "looker", "What do you see?")
    expect(page.locator(".answer")).to_contain_text("The image is a PNG of 640 × 320 pixels, without metadata.")
    expect(page.get_by_text(re.compile(r"server:looker · .* tokens in, .* out"))).to_be_visible()
    page.locator("button.mention", has_text="Model training").first.hover()
    expect(page.locator('.region[data-region="c2"]')).to_have_class(re.compile("lit"))
    assert "a-key-that-nobody-sees" in str(server.seen[-1].headers)
    assert "a-key-that-nobody-sees" not in page.content()
    assert_whole(page)


def test_an_answer_is_shown_as_it_is_written_and_can_be_stopped(window: Visit) -> None:
    page = window.page
    ask(page, "slow", "Slowly, please.")
    expect(page.locator(".answer")).to_contain_text("The image")
    expect(page.get_by_text("server:slow writes:")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped here.")).to_be_visible()
    expect(page.locator(".answer")).to_contain_text("The image")
    expect(page.get_by_placeholder("Ask about this image")).to_be_enabled()


def test_what_a_model_makes_up_is_marked(window: Visit) -> None:
    page = window.page
    ask(page, "inventor", "What is there?")
    expect(page.locator(".missing", has_text="Redis")).to_be_visible()
    expect(page.locator(".missing-note").first).to_have_text("not found on the image")
    expect(page.locator("button.mention", has_text="Feature table")).to_be_visible()


def test_links_pictures_and_html_of_a_model_stay_words(window: Visit) -> None:
    page = window.page
    ask(page, "linker", "Show me.")
    expect(page.locator(".answer")).to_contain_text("the docs")
    expect(page.get_by_text("server:linker ·")).to_be_visible()
    expect(page.locator(".answer a, .answer img")).to_have_count(0)
    assert window.foreign == []


def test_a_refusal_of_the_model_is_a_sentence_without_the_key_and_can_be_asked_again(window: Visit) -> None:
    page = window.page
    ask(page, "locked", "May I?")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    assert "a-key-that-nobody-sees" not in page.content()
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("button", name="Ask again")).to_have_count(2)
    page.get_by_role("combobox", name="Answered by").click()
    page.get_by_role("option", name=re.compile("Embedded reader")).click()
    page.wait_for_selector(SETTLED)
    page.get_by_role("button", name="Ask again").last.click()
    expect(page.get_by_text("The embedded reader ·")).to_be_visible()
