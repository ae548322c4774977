"""What was read, in tables: in words, and as narrow as a phone needs it."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard.image_overlay import regions
from dashboard.panels import ask_image_answers
from settings import Settings
from tests.dashboard.image_readings import READING
from tests.dashboard.image_readings import opened as open_conversation
from tests.dashboard.test_ask_image_page import ME
from vision.answer import Usage


def test_the_colour_of_a_line_is_a_word() -> None:
    (entry,) = [region for region in regions(READING) if region["layer"] == "legend"]
    assert (entry["label"], entry["about"]) == ("Reads", "solid blue")


def test_the_tables_say_how_sure_an_arrow_is_and_what_a_line_looks_like(
    empty: Settings, page: Callable[..., AppTest]
) -> None:
    conversation, _ = open_conversation(empty, ME)
    tables = [table.value for table in page("ask_image", conversation=conversation).table]
    (connections,) = [table for table in tables if "Sure" in table]
    assert list(connections["Sure"]) == ["97\u00a0%", "41\u00a0%, too unsure to state"]
    (legend,) = [table for table in tables if "Legend" in table]
    assert list(legend["Line"]) == ["solid blue"]


def test_an_answer_without_a_model_took_no_time_worth_a_number() -> None:
    assert ask_image_answers._took("embedded", Usage("embedded", 0.01)) == "The embedded reader · at once"
    assert ask_image_answers._took("embedded", Usage("embedded", 0.31)) == "The embedded reader · 0.3\u00a0s"
