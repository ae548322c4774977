import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.readability import (
    READABILITY_CHARACTERS,
    Readability,
    _syllable_table,
    _syllables,
    automated_readability_index,
    flesch_kincaid_grade,
    flesch_reading_ease,
    readabilities,
)

REPOSITORY = Path(__file__).parents[2]
CHAT = REPOSITORY / ".." / "shared" / "corpus" / "chat"

TEXTSTAT = """
import json, sys, textstat
for line in sys.stdin:
    text = json.loads(line)
    numbers = [textstat.flesch_kincaid_grade(text), textstat.flesch_reading_ease(text)]
    print(json.dumps([*numbers, textstat.automated_readability_index(text)]), flush=True)
"""


@pytest.fixture(scope="module")
def textstat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[float]]]:
    """textstat's three numbers of a text, with our syllables as its NLTK corpus, in a process that has no other."""
    folder = tmp_path_factory.mktemp("nltk")
    corpus = folder / "corpora" / "cmudict"
    corpus.mkdir(parents=True)
    # NLTK's format: word, number of the pronunciation, sounds. Only a sound that ends in a digit is a syllable.
    lines = [f"{word.upper()} 1 {'AH0 ' * count or 'M'}" for word, count in _syllable_table().items()]
    (corpus / "cmudict").write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {**os.environ, "NLTK_DATA": str(folder)}
    command = [sys.executable, "-c", TEXTSTAT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def score(text: str) -> list[float]:
            process.stdin.write(json.dumps(text) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield score


Textstat = Callable[[str], list[float]]


def our_numbers(text: str) -> list[float]:
    return [flesch_kincaid_grade(text), flesch_reading_ease(text), automated_readability_index(text)]


HARD_TEXTS = [
    "",
    " ",
    "...",
    "One.",
    "Two words.",
    "Three words here.",
    "The cat sat on the mat. It was happy! Was it? Yes.",
    "Don't say it's they've we'll you're I'd 'tis 'twas rock'n'roll dogs' 'quoted' ''double''.",
    "Version 3.5 of e.g. the U.S.A. costs $1,000.50... doesn't it?!",
    "well-known hyphen-ated un\u00adbroken soft\u2019quote \u201ccurly\u201d it\u2019s",
    "1. First thing to do\n2. Second thing to do\n\n- a list without full stops\n- and more of it",
    "HELLO WORLD AND EVERYONE ELSE. hmm shh psst.",
    "naïve café Straße İstanbul ﬁne ΣΟΦΟΣ",
    "🙂 emoji only 🙂🙂. e\u0301 combining. Ünïcödé wörds häve nö entry.",
    "tab\tnew\nline\x0bvertical\x1cfile\x85next\u2028line\u3000wide space between the words",
    "code_with_underscores(x) = y**2; if a<b: return {'key': 'value'}",
    "a'.'s b'!'t c'?ve d '. 's e.'re going on",
    "- a dash — and * a star, which are no words; 😀 ... ?! (nor this) & that",
    "\x1c\x1d\x1e\x1f odd\x1cwhite\x1espace \x00 and\x07bells\x7f. All of it is ASCII text.",
    "_ __ ___ underscores are_words too. 'Tis' ' ' 'd. It's''s.",
    "Supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism!",
]


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_hard_texts_have_textstats_numbers(text: str, textstat: Textstat) -> None:
    assert our_numbers(text) == textstat(text)


SCRIPTS = st.characters(codec="utf-8", categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf"))
ASCII_LETTERS = st.characters(codec="ascii")
PIECES = """
the answer don't they've 'quoted' rock'n'roll dogs' '' 's e.g. 3.5 $1,000.50 2026-05-04 self-hosted snake_case — ... ?!
f(x)=y**2 xyzzyplugh naïve İstanbul Straße ﬁne e\u0301 it’s 🙂🙂 网关 かな नमस्ते Привет \u200bzero\u200dwidth \ufeff
"""
SPACES = st.sampled_from([*" \n\t\x1c\x85\u2028\u3000\u00a0", "\n\n- ", ". ", "! ", "?\n", ", "])
WORDS = st.sampled_from(PIECES.split()) | st.text(SCRIPTS, max_size=6)
PROSE = st.lists(st.tuples(WORDS, SPACES).map("".join), max_size=40).map("".join)


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(st.sampled_from("aeistdvlr'.!? \n-_3É") | SCRIPTS),
        st.text(st.sampled_from("aeistdvlr'.!? \n-_3E") | ASCII_LETTERS),
        PROSE,
    )
)
def test_any_text_has_textstats_numbers(textstat: Textstat, text: str) -> None:
    assert our_numbers(text) == textstat(text)


@pytest.mark.skipif(not CHAT.exists(), reason="the corpus of real chats is not here")
@pytest.mark.parametrize("name", ["gpt-3.5-turbo-0301", "hh_harmless"])
def test_real_chats_have_textstats_numbers(name: str, textstat: Textstat) -> None:
    texts = []
    for line in (CHAT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[::4]:
        row = json.loads(line)
        turns = [turn["content"] for turn in row.get("messages", [])]
        texts.extend([row[key] for key in ("prompt", "response") if key in row] + turns)
    assert len(texts) > 300
    assert list(map(our_numbers, texts)) == list(map(textstat, texts))


@pytest.mark.parametrize("text", ["", "   ", "?!", "🙂🙂", "\x00\x1b"])
def test_a_text_without_words_has_a_reason_and_no_number(text: str) -> None:
    assert readabilities([text]) == ["the text has no words"]


def test_one_word_of_a_megabyte_is_judged_at_once_and_not_remembered() -> None:
    word = "ab" * 500_000
    assert all(isinstance(found, Readability) for found in readabilities([word, word + "."]))
    assert max(map(len, _syllables)) <= 64


def test_remembered_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.readability._REMEMBERED_WORDS", 50)
    _syllables.clear()
    texts = [f"Sentence {number} has the word gateway{number}x." for number in range(200)]
    first = [flesch_kincaid_grade(text) for text in texts]
    assert 0 < len(_syllables) <= 50
    assert [flesch_kincaid_grade(text) for text in texts] == first


def test_a_huge_text_is_judged_by_its_first_part() -> None:
    part = ("The job reads the new rows. " * (READABILITY_CHARACTERS // 28 + 1))[:READABILITY_CHARACTERS]
    expected = Readability(*our_numbers(part))
    assert readabilities([part + "incomprehensibilities " * 500_000]) == [expected]


@pytest.mark.parametrize("characters", [1, 200, 2**20])
def test_texts_together_have_the_numbers_of_each_alone(monkeypatch: pytest.MonkeyPatch, characters: int) -> None:
    monkeypatch.setattr("metrics.readability._CHARACTERS_AT_ONCE", characters)
    expected = [readabilities([text])[0] for text in HARD_TEXTS]
    assert readabilities(HARD_TEXTS) == expected
    assert readabilities(HARD_TEXTS[::-1]) == expected[::-1]
    assert readabilities([]) == []


def test_the_dictionary_knows_common_words() -> None:
    table = _syllable_table()
    assert len(table) > 120_000
    assert [table[word] for word in ("the", "table", "delta", "readability", "hmm")] == [1, 2, 2, 5, 0]
