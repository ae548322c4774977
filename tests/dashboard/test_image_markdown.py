"""Answers become blocks of plain text: names carry their regions, and nothing in an answer is more than its words."""

import json

from hypothesis import given
from hypothesis import strategies as st

from dashboard.image_markdown import answer_blocks
from tests.dashboard.image_readings import READING
from vision.evidence import Mention, mentions, not_found


def texts(value: object) -> str:
    """All text of blocks, joined."""
    if isinstance(value, dict):
        return str(value.get("text", "")) + "".join(texts(part) for key, part in value.items() if key != "text")
    return "".join(texts(part) for part in value) if isinstance(value, list) else ""


def test_a_name_in_an_answer_carries_its_region() -> None:
    answer = "**Feature table** feeds *Model training*."
    ((block),) = answer_blocks(answer, mentions(answer, READING))
    assert block["runs"] == [
        {"text": "Feature table", "bold": True, "regions": ["c1", "step-0"]},
        {"text": " feeds "},
        {"text": "Model training", "italic": True, "regions": ["c2", "step-1"]},
        {"text": "."},
    ]


def test_what_is_not_on_the_image_is_marked() -> None:
    answer = "It writes to **Redis Cluster** at last."
    (block,) = answer_blocks(answer, [*mentions(answer, READING), *not_found(answer, READING)])
    assert {"text": "Redis Cluster", "bold": True, "missing": True} in block["runs"]


def test_lists_quotes_code_and_tables_keep_their_shape() -> None:
    answer = (
        "## Stages\n\n3. first\n   - inner\n4. second\n\n> Background: text\n\n```\ncode *as it is*\n```\n\n---\n\n"
        "| a | b |\n|---|---|\n| 1 | **2** |\n"
    )
    heading, numbered, quote, code, rule, table = answer_blocks(answer, [])
    assert (heading["kind"], heading["level"], texts(heading)) == ("heading", 2, "Stages")
    assert (numbered["kind"], numbered["start"], len(numbered["items"])) == ("list", 3, 2)
    assert numbered["items"][0][1]["start"] is None
    assert quote["blocks"][0]["runs"] == [{"text": "Background: text"}]
    assert texts(code) == "code *as it is*"
    assert rule["kind"] == "rule"
    assert [[texts(cell) for cell in row] for row in table["rows"]] == [["a", "b"], ["1", "2"]]


def test_links_pictures_and_html_are_only_words() -> None:
    answer = "![seen](https://evil.example/p.png) [here](https://evil.example) <img src=x onerror=alert(1)> <b>b</b>"
    blocks = answer_blocks(answer, [])
    assert "evil.example" not in json.dumps(blocks)
    assert texts(blocks) == "seen here <img src=x onerror=alert(1)> <b>b</b>"


def test_a_mention_may_begin_a_line_end_a_text_and_stand_in_code() -> None:
    answer = "- Feature table\n- `Model training`"
    (block,) = answer_blocks(answer, mentions(answer, READING))
    first, second = (item[0]["runs"] for item in block["items"])
    assert first == [{"text": "Feature table", "regions": ["c1", "step-0"]}]
    assert second == [{"text": "Model training", "code": True, "regions": ["c2", "step-1"]}]


def test_signs_that_are_nobodys_do_not_get_into_the_text() -> None:
    assert texts(answer_blocks("a\ue000b\U000f0000c", [])) == "a\ufffdb\ufffdc"


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.data())
def test_no_answer_fails_and_no_mark_of_ours_is_left(answer: str, data: st.DataObject) -> None:
    named = []
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(answer)))
        end = data.draw(st.integers(start, len(answer)))
        named.append(Mention(start, end, answer[start:end], data.draw(st.sampled_from([(), ("c1",), ("c1", "k1")]))))
    shown = texts(answer_blocks(answer, named))
    assert not any("\ue000" <= sign <= "\uf8ff" or sign >= "\U000f0000" for sign in shown)
