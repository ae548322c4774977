import re
from datetime import UTC, datetime, timedelta

import pytest

from dashboard import wording

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (100, "2 minutes ago"), (3600, "1 hour ago"), (86400 * 15, "15 days ago")],
)
def test_an_age_has_one_unit(seconds: float, said: str) -> None:
    assert wording.age(NOW - timedelta(seconds=seconds), NOW) == said


def test_an_age_of_nothing_is_never() -> None:
    assert wording.age(None) == "never"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.42, "0.4 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (90000, "1 d 1 h")]
)
def test_a_duration_has_at_most_two_units(seconds: float, said: str) -> None:
    assert wording.duration(seconds).replace("\u00a0", " ") == said


@pytest.mark.parametrize("format", [wording.number, wording.percent, wording.milliseconds, wording.duration])
def test_no_value_is_a_dash(format: object) -> None:
    assert format(None) == format(float("nan")) == wording.NOTHING  # type: ignore[operator]


def test_a_p_value_is_never_rounded_to_zero() -> None:
    assert wording.probability(1e-30) == "< 0.001"
    # Markdown would take the sign for the beginning of HTML.
    assert [wording.p_value(value) for value in (1e-30, 0.034)] == ["p \\< 0.001", "p = 0.034"]


@pytest.mark.parametrize(
    "text", ["![x](http://evil)", "[click](javascript:x)", ":red[x]", "**x**", "$x$", "`x`", "<b>"]
)
def test_no_markdown_survives_in_peoples_texts(text: str) -> None:
    shown = wording.plain(text)
    assert shown != text
    assert shown.replace("\\", "").replace("\u2060", "") == text
    assert all(shown[i - 1] == "\\" for i, char in enumerate(shown) if char in "[]()*`$<>:!")


@pytest.mark.parametrize(
    "text", ["www.evil.example/a", "see HTTPS://evil.example", "http://evil.example", "a@b.example"]
)
def test_no_bare_address_in_peoples_texts_becomes_a_link(text: str) -> None:
    shown = wording.plain(text).replace("\\", "")
    assert not re.search(r"www\.|https?://|\w@", shown, re.IGNORECASE)
    assert shown.replace("\u2060", "") == text


def test_two_that_are_called_alike_get_headings_of_their_own() -> None:
    names = ["others", "ana", "others", "From"]
    assert wording.told_apart(names, ["From"]) == ["others", "ana", "others (2)", "From (2)"]
    assert wording.told_apart(["a", "a (2)", "a"]) == ["a", "a (2)", "a (3)"]
