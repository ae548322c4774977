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
    flesch_kincaid_grade,
    flesch_reading_ease,
    readability,
)

REPOSITORY = Path(__file__).parents[2]
CHAT = REPOSITORY / ".." / "shared" / "corpus" / "chat"

TEXTSTAT = """
import json, sys, textstat
for line in sys.stdin:
    text = json.loads(line)
    print(json.dumps([textstat.flesch_kincaid_grade(text), textstat.flesch_reading_ease(text)]), flush=True)
"""


@pytest.fixture(scope="module")
def textstat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[float]]]:
    """textstat's two numbers of a text, with our syllable table as its NLTK corpus, in a process that has no other."""
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
    "Supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism!",
]


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_hard_texts_have_textstats_numbers(text: str, textstat: Textstat) -> None:
    assert [flesch_kincaid_grade(text), flesch_reading_ease(text)] == textstat(text)


@settings(max_examples=300)
@given(st.text(alphabet=st.one_of(st.sampled_from("aeistdvlr'.!? \n-_3É"), st.characters(codec="utf-8"))))
def test_any_text_has_textstats_numbers(textstat: Textstat, text: str) -> None:
    assert [flesch_kincaid_grade(text), flesch_reading_ease(text)] == textstat(text)


@pytest.mark.skipif(not CHAT.exists(), reason="the corpus of real chats is not here")
@pytest.mark.parametrize("name", ["gpt-3.5-turbo-0301", "hh_harmless"])
def test_real_chats_have_textstats_numbers(name: str, textstat: Textstat) -> None:
    texts = []
    for line in (CHAT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[::4]:
        row = json.loads(line)
        turns = [turn["content"] for turn in row.get("messages", [])]
        texts.extend([row[key] for key in ("prompt", "response") if key in row] + turns)
    assert len(texts) > 300
    assert [[flesch_kincaid_grade(text), flesch_reading_ease(text)] for text in texts] == list(map(textstat, texts))


@pytest.mark.parametrize("text", ["", "   ", "?!", "🙂🙂", "\x00\x1b"])
def test_a_text_without_words_has_a_reason_and_no_number(text: str) -> None:
    assert readability(text) == "the text has no words"


def test_a_huge_text_is_judged_by_its_first_part() -> None:
    part = ("The job reads the new rows. " * (READABILITY_CHARACTERS // 28 + 1))[:READABILITY_CHARACTERS]
    expected = Readability(flesch_kincaid_grade(part), flesch_reading_ease(part))
    assert readability(part + "incomprehensibilities " * 500_000) == expected


def test_the_dictionary_knows_common_words() -> None:
    table = _syllable_table()
    assert len(table) > 120_000
    assert [table[word] for word in ("the", "table", "delta", "readability", "hmm")] == [1, 2, 2, 5, 0]
