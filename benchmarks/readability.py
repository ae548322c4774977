"""Readability of real chats, ours against textstat, one after the other in one process: texts per second of CPU time.

Both give the grade and the reading ease of each text, with the same syllables, and must agree on every text.
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


def measured(score: Callable[[str], tuple[float, float]], batch: list[str]) -> tuple[list[tuple[float, float]], float]:
    """The numbers of all texts, and texts per second of CPU time."""
    score("A first text, so that tables are loaded.")
    started = time.process_time()
    numbers = [score(text) for text in batch]
    return numbers, len(batch) / (time.process_time() - started)


def our_numbers(text: str) -> tuple[float, float]:
    both = ours.readability(text)
    return (0.0, 0.0) if isinstance(both, str) else (both.flesch_kincaid_grade, both.flesch_reading_ease)


def main() -> None:
    batch = texts()
    with tempfile.TemporaryDirectory() as folder:
        write_nltk_corpus(Path(folder))
        os.environ["NLTK_DATA"] = folder
        # After NLTK_DATA is set: NLTK reads it when it is imported.
        import textstat

        peers, peer_speed = measured(
            lambda text: (textstat.flesch_kincaid_grade(text), textstat.flesch_reading_ease(text)), batch
        )
    numbers, speed = measured(our_numbers, batch)
    differing = sum(mine != theirs for mine, theirs in zip(numbers, peers, strict=True))
    result = {
        "bench": "readability: texts per second of CPU time, grade and reading ease, against textstat 0.7.13",
        "ours": round(speed),
        "peer": round(peer_speed),
        "ratio": round(speed / peer_speed, 2),
        "texts": len(batch),
        "texts_that_differ": differing,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
