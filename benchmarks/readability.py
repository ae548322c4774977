"""Readability of real chats, ours against textstat, in turns in one process: texts per second of CPU time.

Both give the grade, the reading ease and the Automated Readability Index of each text, with the same syllables, and
must agree on every text. textstat keeps what its three functions share (words, sentences) for the last 128 texts, so
it is asked for all three of a text before the next one.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from metrics import readability as ours

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat"
HANDBOOK = Path(__file__).parents[1] / "docs"
TEXTS_A_TURN = 500

Numbers = tuple[float, float, float]


def texts() -> list[str]:
    """Distinct prompts and answers of the corpus; where it is absent, the paragraphs of our own documents."""
    found: dict[str, None] = {}
    for file in sorted(CHAT.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            said = [row.get("prompt"), row.get("response"), *(turn["content"] for turn in row.get("messages", []))]
            found.update(dict.fromkeys(text for text in said if text))
    for file in [] if found else sorted(HANDBOOK.rglob("*.md")):
        found.update(dict.fromkeys(file.read_text(encoding="utf-8").split("\n\n")))
    return list(found)


def write_nltk_corpus(folder: Path) -> None:
    """Our syllables in NLTK's format, so that textstat asks for no download and counts the same."""
    corpus = folder / "corpora" / "cmudict"
    corpus.mkdir(parents=True)
    lines = [f"{word.upper()} 1 {'AH0 ' * count or 'M'}" for word, count in ours._syllable_table().items()]
    (corpus / "cmudict").write_text("\n".join(lines) + "\n", encoding="utf-8")


def our_numbers(text: str) -> Numbers:
    found = ours.readability(text)
    if isinstance(found, str):
        return 0.0, 0.0, 0.0
    return found.flesch_kincaid_grade, found.flesch_reading_ease, found.automated_readability_index


def textstats_numbers() -> Callable[[str], Numbers]:
    """textstat's three functions; NLTK_DATA must be set, as NLTK reads it when it is imported."""
    import textstat

    def numbers(text: str) -> Numbers:
        return (
            textstat.flesch_kincaid_grade(text),
            textstat.flesch_reading_ease(text),
            textstat.automated_readability_index(text),
        )

    return numbers


def main() -> None:
    batch = texts()
    with tempfile.TemporaryDirectory() as folder:
        write_nltk_corpus(Path(folder))
        os.environ["NLTK_DATA"] = folder
        scorers = {"ours": our_numbers, "peer": textstats_numbers()}
        for score in scorers.values():
            score("A first text, so that tables of words and of hyphenationpoints are loaded.")
        seconds = dict.fromkeys(scorers, 0.0)
        numbers: dict[str, list[Numbers]] = {name: [] for name in scorers}
        for start in range(0, len(batch), TEXTS_A_TURN):
            for name, score in scorers.items():
                started = time.process_time()
                numbers[name] += [score(text) for text in batch[start : start + TEXTS_A_TURN]]
                seconds[name] += time.process_time() - started
    result = {
        "bench": "readability: texts a second of CPU time, grade, ease and ARI, against textstat 0.7.13",
        "ours": round(len(batch) / seconds["ours"]),
        "peer": round(len(batch) / seconds["peer"]),
        "ratio": round(seconds["peer"] / seconds["ours"], 2),
        "texts": len(batch),
        "texts_that_differ": sum(mine != theirs for mine, theirs in zip(numbers["ours"], numbers["peer"], strict=True)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
