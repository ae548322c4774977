"""Answers of a model hold no link, picture or HTML, however they are cut into pieces."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.answer import Usage
from vision.models.plain_markdown import without_links


def plain(*pieces: str) -> str:
    return "".join(piece for piece in without_links(pieces) if isinstance(piece, str))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("![x](http://evil.example/?q=1)", "![x] (http://evil.example/?q=1)"),
        ("[x](http://evil.example)", "[x] (http://evil.example)"),
        ("[x][y]\n\n[y]: http://evil.example", "[x] [y]\n\n[y] : http://evil.example"),
        ("<img src='http://evil.example'>", "< img src='http://evil.example'>"),
        ("</div><!-- x --><?php ?>", "< /div>< !-- x -->< ?php ?>"),
        ("<http://evil.example>", "< http://evil.example>"),
        ("a < b and a[1] > 2, **bold**\n- list", "a < b and a[1] > 2, **bold**\n- list"),
    ],
)
def test_links_pictures_and_tags_become_text(answer: str, shown: str) -> None:
    assert plain(answer) == shown
    assert plain(*answer) == shown


@given(st.lists(st.text(alphabet="[]()!<>:a/\\ \n", max_size=6), max_size=8))
def test_no_way_to_cut_an_answer_leaves_a_link(pieces: list[str]) -> None:
    shown = plain(*pieces)
    assert not re.search(r"\][(:\[]|<[a-zA-Z/!?]", shown)
    assert shown.replace(" ", "") == "".join(pieces).replace(" ", "")


def test_the_usage_comes_last() -> None:
    usage = Usage("server:looker", 1.0)
    assert list(without_links(["a]", usage])) == ["a", "]", usage]
