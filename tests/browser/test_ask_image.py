"""The page Ask an image in a real browser: an upload, an answer with its evidence, follow-ups, history, refusals."""

import getpass
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from settings import Settings
from tests.browser.conftest import SETTLED, Visit, running_app
from tests.browser.screenshots import take
from tests.browser.test_monitoring_keyboard import tab_to
from tests.browser.test_pages import assert_whole
from tests.dashboard import image_readings
from vision.reading import Component, Text

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]
ME = getpass.getuser()
READ_MILLISECONDS = 150_000
"""How long the slowest machine may take for one image, the start of the reader included."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def address(workspace: Settings) -> Iterator[str]:
    with running_app(workspace.home, LAKEHELM_GATEWAY_PORT="9") as found:
        yield found


@pytest.fixture
def talk(workspace: Settings, address: str, visit: Opener) -> Page:
    """A conversation about a diagram whose reading is known."""
    conversation, _ = image_readings.opened(workspace, ME)
    return conversation_page(visit(address), conversation)


def conversation_page(window: Visit, conversation: str) -> Page:
    page = window.open(f"ask_image?conversation={conversation}", "Ask an image")
    page.wait_for_selector(".view svg")
    return page


def ask(page: Page, question: str) -> None:
    box = page.get_by_placeholder("Ask about this image")
    box.fill(question)
    box.press("Enter")
    expect(page.get_by_text(question, exact=True).first).to_be_visible()
    expect(page.get_by_text("The embedded reader ·").last).to_be_visible()
    page.wait_for_selector(SETTLED)


def png(size: tuple[int, int]) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "white").save(written, "PNG")
    return written.getvalue()


def huge_png() -> bytes:
    """A PNG that says it has 20,000 × 20,000 pixels."""
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


REFUSED = {
    "drawing.svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "export it as PNG"),
    "moving.gif": (b"GIF89a" + b"\0" * 40, "GIF"),
    "renamed.png": (b"PK\x03\x04" + b"\0" * 40, "ZIP"),
    "words.jpg": (b"these are only words", "not an image that can be read"),
    "large.txt": (b"w" * 27_000_000, "not an image that can be read"),
    "tiny.png": (png((1, 1)), "too few for a readable diagram"),
    "huge.png": (huge_png(), "20,000"),
    "cut.png": (image_readings.drawn()[:700], "cut off or damaged"),
}


def test_an_uploaded_diagram_is_read_explained_and_kept(workspace: Settings, address: str, visit: Opener) -> None:
    from vision.sample import sample_diagram

    window = visit(address)
    page = window.open("ask_image", "Ask an image")
    page.locator("input[type=file]").set_input_files(
        {"name": "our stack.png", "mimeType": "image/png", "buffer": sample_diagram()}
    )
    expect(page.get_by_text("Reading the image")).to_be_visible()
    page.wait_for_selector(".view svg", timeout=READ_MILLISECONDS)
    expect(page).to_have_url(re.compile("conversation=[0-9a-f]{32}"))
    page.get_by_role("button", name="Explain this architecture").click()
    expect(page.locator("button.mention").first).to_be_visible()
    expect(page.get_by_text("The embedded reader ·")).to_be_visible()
    assert_whole(page)
    take(page, "ask-image-light-1280")
    # Another day: the image, the question and the answer are there, and the same image needs no reading.
    page.reload()
    expect(page.locator("button.mention").first).to_be_visible(timeout=60_000)
    again = visit(address).open("ask_image", "Ask an image")
    expect(again.get_by_role("link", name="our stack.png")).to_be_visible()
    again.get_by_role("button", name="Try the sample diagram").click()
    again.wait_for_selector(".view svg", timeout=60_000)
    assert window.foreign == []


def test_a_name_in_an_answer_lights_up_its_place(talk: Page) -> None:
    ask(talk, "What is inside Production environment?")
    region = talk.locator('.region[data-region="c2"]')
    mention = talk.locator("button.mention", has_text="Model training").first
    expect(region).not_to_have_class(re.compile("lit"))
    mention.hover()
    expect(region).to_have_class(re.compile("lit"))
    expect(talk.locator(".card .label")).to_have_text("Model training")
    expect(talk.locator(".close-up svg")).to_be_visible()
    talk.mouse.move(2, 2)
    expect(region).not_to_have_class(re.compile("lit"))
    mention.click()
    talk.mouse.move(2, 2)
    expect(region).to_have_class(re.compile("lit"))


def test_a_place_on_the_picture_lights_up_its_name_and_can_be_asked_about(talk: Page) -> None:
    ask(talk, "What is inside Production environment?")
    mention = talk.locator("button.mention", has_text="Feature table").first
    talk.locator('.region[data-region="c1"]').hover(position={"x": 20, "y": 4})
    expect(mention).to_have_class(re.compile("lit"))
    talk.locator('.region[data-region="c3"]').click()
    talk.get_by_role("button", name="Ask about this").click()
    expect(talk.get_by_text("What is Model registry?", exact=True)).to_be_visible()
    expect(talk.get_by_text("The embedded reader ·")).to_have_count(2)


def test_layers_are_shown_and_hidden_and_the_picture_is_zoomed(talk: Page) -> None:
    unsure = talk.locator('.region[data-region="connection-1"]')
    expect(unsure).to_be_hidden()
    talk.get_by_role("button", name="Connections 2").click()
    expect(unsure).to_be_visible()
    expect(unsure.locator(".sure")).to_have_text("41 %")
    expect(unsure).to_have_class(re.compile("unsure"))
    talk.get_by_role("button", name="Boxes 3").click()
    expect(talk.locator('.region[data-region="c1"]')).to_be_hidden()
    talk.get_by_role("button", name="Zoom in").click()
    expect(talk.get_by_role("button", name="Whole picture")).to_have_text("150 %")
    assert talk.locator(".view > svg").get_attribute("viewBox") != "0 0 640 320"
    talk.get_by_role("button", name="Whole picture").click()
    assert talk.locator(".view > svg").get_attribute("viewBox") == "0 0 640 320"


def test_no_outline_runs_across_the_number_of_a_badge(talk: Page) -> None:
    spared = talk.locator("#beside-badges rect[fill='#000000']")
    expect(spared).to_have_count(len(image_readings.READING.steps))
    for place, step in enumerate(image_readings.READING.steps):
        assert spared.nth(place).get_attribute("x") == str(step.box[0])
        assert spared.nth(place).get_attribute("y") == str(step.box[1])
    expect(talk.locator('g[mask="url(#beside-badges)"] > [data-layer="components"]')).to_have_count(3)
    expect(talk.locator('g[mask="url(#beside-badges)"] > [data-layer="steps"]')).to_have_count(0)


def test_the_evidence_can_be_used_with_the_keyboard_alone(talk: Page) -> None:
    ask(talk, "What is inside Production environment?")
    talk.locator("h1").click()
    tab_to(talk, "element.shadowRoot && element.shadowRoot.activeElement?.dataset.region === 'c3'")
    expect(talk.locator(".card .label")).to_have_text("Model registry")
    talk.keyboard.press("Enter")
    expect(talk.get_by_role("button", name="Ask about this")).to_be_visible()
    tab_to(talk, "element.shadowRoot?.activeElement?.classList.contains('mention')")
    expect(talk.locator(".region.lit")).not_to_have_count(0)


def test_a_question_follows_the_last_one(talk: Page) -> None:
    ask(talk, "What happens in step 1?")
    ask(talk, "And the next step?")
    expect(talk.locator(".answer").nth(1)).to_contain_text("Model training")
    expect(talk.get_by_text("The embedded reader ·")).to_have_count(2)


def test_what_was_read_stands_as_a_diagram_and_in_tables(talk: Page) -> None:
    expect(talk.get_by_test_id("stGraphVizChart").locator("svg")).to_be_visible()
    talk.get_by_role("tab", name="Connections").click()
    expect(talk.get_by_role("cell", name="41 %, too unsure to state")).to_be_visible()
    talk.get_by_text("Look the names up here").click()
    expect(talk.get_by_text("Not found here:")).to_be_visible()
    assert_whole(talk)


# The large one takes a minute on a busy machine: it is among the long tests.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak) if name == "large.txt" else name for name in REFUSED]
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(address: str, visit: Opener, name: str) -> None:
    data, said = REFUSED[name]
    page = visit(address).open("ask_image", "Ask an image")
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )
    # A cut image is only known as one when it is decoded.
    expect(page.get_by_test_id("stAlert")).to_contain_text(said, timeout=READ_MILLISECONDS)
    expect(page.get_by_test_id("stAlert")).to_have_count(1)
    expect(page.locator("input[type=file]")).to_have_count(1)
    assert_whole(page)


def test_the_history_is_searched_exported_and_deleted(
    workspace: Settings, address: str, visit: Opener, tmp_path: Path
) -> None:
    conversation, _ = image_readings.opened(workspace, ME, name="plan of march.png")
    window = visit(address)
    page = conversation_page(window, conversation)
    ask(page, "What happens in step 2?")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    download.value.save_as(tmp_path / "taken.zip")
    with zipfile.ZipFile(tmp_path / "taken.zip") as archive:
        assert "## What happens in step 2?" in archive.read("conversation.md").decode()
        assert archive.read("diagram.png").startswith(b"\x89PNG")
    page = window.open("ask_image", "Ask an image")
    page.get_by_role("textbox").fill("MARCH")
    page.get_by_role("textbox").press("Enter")
    expect(page.get_by_role("link", name="stack.png")).to_have_count(0)
    page.get_by_role("link", name="plan of march.png").click()
    page.wait_for_selector(".view svg")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("input[type=file]")).to_be_attached()
    page.goto(f"{address}/ask_image?conversation={conversation}")
    expect(page.get_by_text("There is no such conversation of yours")).to_be_visible(timeout=60_000)


def test_no_text_of_an_image_becomes_a_part_of_the_page(workspace: Settings, address: str, visit: Opener) -> None:
    wild = "<img src=x onerror=document.title='taken'>"
    reading = replace(
        image_readings.READING,
        components=(Component("c1", wild, (60, 80, 200, 140)), *image_readings.READING.components[1:]),
        text=(Text(wild, (75, 100, 185, 120), 0.98), Text("![a](http://127.0.0.1:9/b.png)", (1, 1, 9, 9), 0.9)),
    )
    conversation, _ = image_readings.opened(workspace, ME, name=f"{wild}.png", reading=replace(reading, reader="1"))
    window = visit(address)
    page = conversation_page(window, conversation)
    ask(page, "Explain this architecture")
    page.locator('.region[data-region="c1"]').hover(position={"x": 20, "y": 4})
    expect(page.locator(".card .label")).to_have_text(wild)
    expect(page.locator("img[src='x'], img[src*='b.png']")).to_have_count(0)
    assert page.evaluate("() => document.title") != "taken"
    assert window.foreign == []


@pytest.mark.parametrize(("theme", "width"), [("dark", 390), ("dark", 1280), ("light", 390)])
def test_the_page_is_whole_in_both_themes_and_widths(
    workspace: Settings, address: str, visit: Opener, theme: str, width: int
) -> None:
    conversation, _ = image_readings.opened(workspace, ME)
    page = conversation_page(visit(address, theme=theme, width=width), conversation)
    ask(page, "Explain this architecture")
    assert_whole(page)
    take(page, f"ask-image-{theme}-{width}")
