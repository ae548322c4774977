"""The whole story in a browser: a version passes the gate, answers, is rolled back with one click, and all is recorded.

A real gateway, a real registry, real workers (of models that echo); the evaluations are recorded evidence, judged by
the real rules.
"""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from lakehouse.ledger import changes
from registry.versions import CHALLENGER, client
from serving.errors import ServingError
from tests.browser.conftest import Visit, running_app
from tests.browser.screenshots import take
from tests.browser.test_pages import assert_whole
from tests.dashboard import evaluations, workspace
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]
SOON = 180_000
"""Milliseconds: MLflow's import in the background and a worker's start come before what is waited for."""


@dataclass
class Story:
    """The dashboard over a production called `chatbot`, which is asked all the time."""

    production: EchoProduction
    address: str
    answered_by: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ask(self, stopped: threading.Event) -> None:
        """One question after the other until stopped, as a caller of the endpoint."""
        while not stopped.wait(0.05):
            try:
                answer = self.production.client.ask("chatbot", "How do I roll back?")
                self.answered_by.append(answer.served_model_name)
            except ServingError as error:
                self.failures.append(str(error))

    def wait_for_answers(self, served: str, count: int = 5) -> None:
        """Return when this served entity has given the last answers."""
        for _ in range(600):
            if self.answered_by[-count:] == [served] * count:
                return
            threading.Event().wait(0.05)
        raise AssertionError(f"{served} does not answer, but {self.answered_by[-count:]}")


@pytest.fixture
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    home = tmp_path_factory.mktemp("story")
    gateway = GatewayProcess(home)
    try:
        production = echo_production(gateway.settings, "chatbot")
        settings, now = production.settings, datetime.now(UTC)
        client(settings).set_registered_model_alias(settings.test_model, CHALLENGER, "3")
        rows = workspace.requests(now, 20, 60).assign(entity_name=settings.prod_model)
        workspace.write_rows(settings, "metrics_minute", workspace.partials(rows, 1))
        workspace.write_rows(settings, "metrics_15min", workspace.partials(rows, 15))
        workspace.write_operations(settings, now)
        evaluations.record(settings, "3", good=True)
        evaluations.record(settings, "4", good=False)
        names = {"GATEWAY_PORT": str(settings.gateway_port), "ENDPOINT": "chatbot"}
        names |= {"TEST_MODEL": settings.test_model, "PROD_MODEL": settings.prod_model}
        with running_app(home, **{f"LAKEHELM_{name}": value for name, value in names.items()}) as address:
            told, stopped = Story(production, address), threading.Event()
            caller = threading.Thread(target=told.ask, args=(stopped,))
            caller.start()
            yield told
            stopped.set()
            caller.join()
    finally:
        gateway.stop()


@pytest.mark.soak
def test_a_version_is_promoted_through_the_gate_and_rolled_back_with_one_click(story: Story, visit: Opener) -> None:
    window = visit(story.address)
    the_bad_version_is_stopped(window.open("promotion", "Promotion"))
    the_good_one_is_promoted(window.page)
    story.wait_for_answers("chatbot-3")
    assert story.production.aliases == ("3", "2")
    one_click_brings_the_last_one_back(window.open("", "Overview"))
    story.wait_for_answers("chatbot-2")
    assert story.production.aliases == ("2", "3")
    all_of_it_is_in_the_ledger(window.open("ledger", "Ledger"), story)
    all_of_it_is_marked_on_the_charts(window)
    assert story.failures == []
    assert set(story.answered_by) == {"chatbot-2", "chatbot-3"}
    assert window.foreign == []


def the_bad_version_is_stopped(page: Page) -> None:
    expect(page.get_by_text("v3 passes the gate.")).to_be_visible(timeout=SOON)
    page.get_by_role("combobox", name="Version of the test model").click()
    page.get_by_role("option", name="4", exact=True).click()
    expect(page.get_by_text("The gate stops v4")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("0 of 30 golden questions were answered rightly")).to_be_visible()
    expect(page.get_by_role("button", name="Override the gate and promote v4 now")).to_be_disabled(timeout=SOON)
    expect(page.get_by_text(re.compile("characters, masked")).first).to_be_visible()
    assert evaluations.INVENTED not in page.content()
    assert_whole(page)
    take(page, "promotion-stopped-light-1280")


def the_good_one_is_promoted(page: Page) -> None:
    page.get_by_role("combobox", name="Version of the test model").click()
    page.get_by_role("option", name="3", exact=True).click()
    expect(page.get_by_text("v3 passes the gate.")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("cell", name="0 %, stays warm")).to_be_visible(timeout=SOON)
    button = page.get_by_role("button", name="Promote v3 now")
    expect(button).to_be_enabled(timeout=SOON)
    # Typed and clicked in one go: the words come with the click.
    reason = page.get_by_label("Reason, for the ledger")
    expect(reason, "the field of the version that was chosen before has gone").to_have_count(1)
    reason.fill("It knows the new pages")
    button.click()
    expect(page.get_by_text("Promotion: succeeded.")).to_be_visible(timeout=SOON)
    assert_whole(page)
    take(page, "promoted-light-1280")


def one_click_brings_the_last_one_back(page: Page) -> None:
    button = page.get_by_role("button", name="Roll back to v2")
    expect(button).to_be_enabled(timeout=SOON)
    button.click()
    expect(page.get_by_text("Rollback: succeeded.")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    assert_whole(page)
    take(page, "rolled-back-light-1280")


def all_of_it_is_in_the_ledger(page: Page, story: Story) -> None:
    rollback, promotion = changes(story.production.settings, 2)
    assert [(one.action, one.outcome) for one in (promotion, rollback)] == [
        ("promote", "succeeded"),
        ("rollback", "succeeded"),
    ]
    assert promotion.evidence["gate"]["passed"]
    first, second = page.locator("details summary").first, page.locator("details summary").nth(1)
    expect(first).to_contain_text("Rollback chatbot")
    expect(second).to_contain_text("Promotion chatbot: version 2 100 % → version 3 100 %")
    expect(second).to_contain_text("It knows the new pages")
    second.click()
    expect(page.get_by_text(promotion.change_id)).to_be_visible()
    expect(page.get_by_text("evaluation_id").or_(page.get_by_text("gate")).first).to_be_visible(timeout=SOON)
    assert_whole(page)
    take(page, "story-ledger-light-1280")


def all_of_it_is_marked_on_the_charts(window: Visit) -> None:
    """Every time chart has both changes under one of its markers."""
    for path, title, charts in (("", "Overview", 4), ("quality?part=Every+minute", "Quality", 1), ("jobs", "Jobs", 1)):
        page = window.open(path, title)
        marked = """() => [...document.querySelectorAll('.js-plotly-plot')]
            .map(plot => (plot.data || []).filter(trace => trace.name === 'changes').flatMap(trace => trace.text))
            .filter(texts => texts.some(text => text.includes('Promotion, chatbot'))
                && texts.some(text => text.includes('Rollback, chatbot'))).length"""
        page.wait_for_function(f"({marked})() === {charts}", timeout=SOON)
        assert_whole(page)
        take(page, f"marked-{title.lower()}-light-1280")
