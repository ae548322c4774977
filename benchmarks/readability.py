"""Readability of real chats, ours against textstat, in turns in one process: texts per second of CPU time.

Both give the grade, the reading ease and the Automated Readability Index of each text, with the same syllables, and
must agree on every text. textstat keeps what its three functions share (words, sentences) for the last 128 texts, so
it is asked for all three of a text before the next one. Each text is new to both, so the time that words cost which no
dictionary knows is in it. Half of the texts are short questions; the longer ones are counted on their own, too.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics import readability as ours

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat"
HANDBOOK = Path(__file__).parents[1] / "docs"
TEXTS_A_TURN = 500
LONG_CHARACTERS = 700

Numbers = tuple[float, float, float]
Scorers = dict[str, Callable[[list[str]], list[Numbers]]]


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


def our_numbers(texts: Sequence[str]) -> list[Numbers]:
    numbers = []
    for found in ours.readabilities(texts):
        if isinstance(found, str):
            numbers.append((0.0, 0.0, 0.0))
        else:
            numbers.append((found.flesch_kincaid_grade, found.flesch_reading_ease, found.automated_readability_index))
    return numbers


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


@dataclass
class Turns:
    """CPU seconds by scorer, of each turn, and how many texts got different numbers."""

    seconds: list[dict[str, float]]
    differing: int

    def median_ratio(self) -> float | None:
        ratios = [turn["peer"] / turn["ours"] for turn in self.seconds]
        return round(statistics.median(ratios), 2) if ratios else None


def in_turns(scorers: Scorers, texts: list[str]) -> Turns:
    turns = Turns([], 0)
    for start in range(0, len(texts), TEXTS_A_TURN):
        turn, numbers = {}, {}
        for name, score in scorers.items():
            started = time.process_time()
            numbers[name] = score(texts[start : start + TEXTS_A_TURN])
            turn[name] = time.process_time() - started
        turns.seconds.append(turn)
        turns.differing += sum(mine != theirs for mine, theirs in zip(numbers["ours"], numbers["peer"], strict=True))
    return turns


def main() -> None:
    batch = texts()
    with tempfile.TemporaryDirectory() as folder:
        write_nltk_corpus(Path(folder))
        os.environ["NLTK_DATA"] = folder
        peer = textstats_numbers()
        scorers: Scorers = {"ours": our_numbers, "peer": lambda texts: [peer(text) for text in texts]}
        for score in scorers.values():
            score(["A first text, so that tables of words and of hyphenationpoints are loaded."])
        short = [text for text in batch if len(text) < LONG_CHARACTERS]
        long = [text for text in batch if len(text) >= LONG_CHARACTERS]
        of_short, of_long = in_turns(scorers, short), in_turns(scorers, long)
    ours_seconds, peer_seconds = (
        sum(sum(turn[name] for turn in measured.seconds) for measured in (of_short, of_long)) for name in scorers
    )
    result = {
        "bench": "readability: texts a second of CPU time, grade, ease and ARI, against textstat 0.7.13",
        "ours": round(len(batch) / ours_seconds),
        "peer": round(len(batch) / peer_seconds),
        "ratio": round(peer_seconds / ours_seconds, 2),
        "texts": len(batch),
        "median_ratio_of_short_texts": of_short.median_ratio(),
        f"median_ratio_from_{LONG_CHARACTERS}_characters": of_long.median_ratio(),
        "long_texts": len(long),
        "texts_that_differ": of_short.differing + of_long.differing,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
