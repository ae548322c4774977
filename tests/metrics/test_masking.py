"""What must not stand on a screen is replaced, what only looks like it stays, and no text makes the rules slow."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.masking import KINDS, mask, masked


def key(*parts: str) -> str:
    """A made-up key, put together here so that no scanner of repositories takes it for a real one."""
    return "".join(parts)


JWT = key(
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
    ".eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
)
PEM = key("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq83k+/==\n-----END RSA PRIVATE KEY-----")

MASKED = {
    "Write to anna.schmidt+work@mail.example.co.uk, please.": "Write to [e-mail], please.",
    "o'brien@example.ie or 'anna@example.com'": "[e-mail] or '[e-mail]'",
    "mailto:jürgen@münchen.example.": "mailto:[e-mail].",
    "?mail=anna_b@example.com&x=1": "?mail=[e-mail]&x=1",
    "Call me at +49 170 1234567 about it.": "Call me at [phone] about it.",
    "+1 (555) 123-4567": "[phone]",
    "+44 (0)20 7946 0958, thanks": "[phone], thanks",
    "0049 170 1234567": "[phone]",
    "tel:+491701234567": "tel:[phone]",
    "(555) 123-4567 or 555.123.4567 or 1-800-555-0199": "[phone] or [phone] or [phone]",
    "0170/1234567, 030 1234567 and 06 12 34 56 78": "[phone], [phone] and [phone]",
    "020 7946 0958.": "[phone].",
    "my mobile is 01701234567": "my mobile is [phone]",
    "phone: 5551234567": "phone: [phone]",
    "Card 4111 1111 1111 1111, exp 12/27": "Card [card], exp 12/27",
    "5555-5555-5555-4444": "[card]",
    "378282246310005": "[card]",
    "3782 822463 10005": "[card]",
    "IBAN DE89 3704 0044 0532 0130 00 WITH thanks": "IBAN [IBAN] WITH thanks",
    "GB82WEST12345698765432.": "[IBAN].",
    "FR14 2004 1010 0505 0001 3M02 606": "[IBAN]",
    f"use {key('sk-', 'proj-abcdefghijklmnop1234')} now": "use [key] now",
    key("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"): "[key]",
    key("AKIA", "IOSFODNN7EXAMPLE"): "[key]",
    key("dapi", "0123456789abcdef0123456789abcdef"): "[key]",
    key("xoxb-", "123456789012-abcdefghijkl"): "[key]",
    f"cookie {JWT}; path": "cookie [key]; path",
    f"{PEM} is mine": "[key] is mine",
    "cut off: -----BEGIN PRIVATE KEY-----\nMIIEpAIB": "cut off: [key]",
    "password=hunter2&user=anna": "password=[key]&user=anna",
    '{"password": "hunter2", "user": "anna"}': '{"password": "[key]", "user": "anna"}',
    r"{\"api_key\": \"abc123def\"}": r"{\"api_key\": \"[key]\"}",
    "My password is hunter2!": "My password is [key]!",
    "DB_PASSWORD: correct-horse": "DB_PASSWORD: [key]",
    "token: 8f14e45fceea167a": "token: [key]",
    "Authorization: Bearer abcDEF123456.ghi": "Authorization: Bearer [key]",
    "postgres://anna:geheim@db.example.com/x": "postgres://[key]@db.example.com/x",
    "from 203.0.113.42 at night": "from [IP address] at night",
}

STAYS = [
    "on 2026-11-22 at 10:30:00+01:00, or 22.11.2026, or 01/02/2024, 01-02-2024, 01 02 2024",
    "call on 2026-11-22 at noon",
    "version 1.2.3.4, v10.0.19.45, Version 10.0.19.45, Chrome 120.0.6099.109, 0.12.3",
    "costs 1,299.99 or 1.299.999,00 or +10.000.000 or $ 4 111 111",
    "order 4111111111111112, order #0123-456-7890, invoice 20261122-0042",
    "id 1234567890, ticket 12345678, unix time 1763800000000",
    "ISBN 978-3-16-148410-0, 0-306-40615-2",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "sha 3f786850e387550fdab836ed7e6dc881de23001b",
    "npm install left-pad@1.3.0 by @somebody",
    "a token: the smallest piece of a text; the password is wrong; secret: nobody knows",
    "tokens = 4", "the key is under the mat", "max_tokens: 512",
    "127.0.0.1 and 0.0.0.0", "pi is 3.14159265358979, 0.1234567890 too",
    "DE89 AB04 CD44 EF32 GH30 01", "task-skeleton, sk-learn, risk-averse-behaviour-of-people",
    "in 1999, 2000 and 2001 there were 100 000 000 of them", "", "[e-mail] and [key]",
]  # fmt: skip


@pytest.mark.parametrize("text", MASKED)
def test_what_must_not_be_shown_is_replaced_by_what_it_was(text: str) -> None:
    assert masked(text) == MASKED[text]
    assert masked(MASKED[text]) == MASKED[text]


@pytest.mark.parametrize("text", STAYS)
def test_dates_versions_prices_and_numbers_stay(text: str) -> None:
    assert masked(text) == text


def test_what_was_found_is_counted() -> None:
    found = mask("a@example.com, b@example.com, +49 170 1234567 and 4111 1111 1111 1111").found
    assert found == {"e-mail": 2, "phone": 1, "card": 1}
    assert set(found) <= set(KINDS)


WORDS = st.text(string.ascii_letters, min_size=1, max_size=12)
PROSE = st.lists(WORDS.filter(lambda word: not re.search("(?i)pass|pwd|token|key|secret|credential", word)), max_size=8)


@given(PROSE, WORDS, WORDS, PROSE)
def test_no_e_mail_address_among_words_is_left(before: list[str], name: str, host: str, after: list[str]) -> None:
    address = f"{name}@{host}.example"
    found = masked(" ".join([*before, address, *after]))
    assert found == " ".join([*before, "[e-mail]", *after])


@given(st.text("0123456789", min_size=14, max_size=14), st.sampled_from(["", " ", "-"]))
def test_every_card_with_the_right_check_digit_is_masked_and_with_a_wrong_one_stays(middle: str, gap: str) -> None:
    start = f"4{middle}"
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(start)]
    check = -sum(d - 9 if d > 9 else d for d in doubled) % 10
    for digit in range(10):
        number = gap.join(re.findall("....", f"{start}{digit}"))
        assert ("[card]" in masked(f"pay {number} now")) == (digit == check)


@given(st.text())
def test_any_text_is_masked_without_a_fault(text: str) -> None:
    found = mask(text)
    assert sum(found.found.values()) == 0 or found.text != text


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["a", "@", ".", "1", "4", "0", " ", "+", "-", "(", "=", ":", "'", "x.de", "token", "sk-"]))
)
def test_masking_twice_is_masking_once_for_pieces_of_every_rule(pieces: list[str]) -> None:
    once = masked("".join(pieces))
    assert masked(once) == once


HOSTILE = [
    "a", "a.", "a@", "a@a.", "a'", "4", "4 ", "4111 ", "0", "01 ", "+1", "+49 ", "DE89", "DE89 ", "1.", "10.0.0.",
    "(", "-", "eyJ", "eyJaaaaaaaa-", "sk-", "token:", "token: ", "password is ", "password=[", "://a:", "://",
    "bearer ", "Bearer a", "SG.aaaaaaaaaaaaaaaaaa", "-----BEGIN A-----", "call me at ", "tel. 1", "\u00a0", "'", "_",
    "é", "a@a.a1.",
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_text_made_to_be_slow_is_masked_all_the_same(piece: str) -> None:
    # Rules that look at every beginning anew would take minutes: the test's own limit ends them.
    assert masked(piece * (100_000 // len(piece))) is not None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a.", "4111 ", "01 ", "token: ", "eyJaaaaaaaa-"])
def test_a_megabyte_is_masked(piece: str) -> None:
    text = masked(piece * (1_000_000 // len(piece)) + " and anna@example.com")
    assert text.endswith(" and [e-mail]")
