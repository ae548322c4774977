"""The monitoring pages with the keyboard alone: from a list to one request."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SETTLED, Visit
from tests.browser.test_pages import assert_whole

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]

_MOST_TABS = 120


def tab_to(page: Page, what: str) -> None:
    """Press Tab until an element has the focus of which the JavaScript expression `what` (of `element`) is true."""
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"() => {{ const element = document.activeElement; return Boolean({what}); }}"):
            return
    raise AssertionError(f"The focus does not get to {what} in {_MOST_TABS} steps.")


def test_a_request_is_opened_with_the_keyboard(month: str, visit: Opener) -> None:
    page = visit(month).open("requests", "Requests")
    tab_to(page, "element.tagName === 'SUMMARY' && element.textContent.includes('As a table')")
    page.keyboard.press("Enter")
    expect(page.locator("a[href*='request=']").first).to_be_visible()
    page.wait_for_selector(SETTLED)
    tab_to(page, "element.tagName === 'A' && (element.getAttribute('href') || '').includes('request=')")
    address = page.evaluate("() => document.activeElement.href")
    page.goto(address)
    expect(page.get_by_text("Conversation").first).to_be_visible()
    assert_whole(page)


def test_a_time_range_is_chosen_with_the_keyboard(month: str, visit: Opener) -> None:
    page = visit(month).open("traffic", "Traffic")
    tab_to(page, "element.getAttribute('role') === 'radio' && element.closest('[data-testid=stButtonGroup]')")
    for _ in range(8):
        if page.evaluate("() => document.activeElement.textContent.includes('7 days')"):
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile(r"range=7(\+|%20)days"))
    page.wait_for_selector(SETTLED)
    expect(page.get_by_role("radio", name="7 days")).to_be_checked()
    assert_whole(page)
