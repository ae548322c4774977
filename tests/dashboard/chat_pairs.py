"""A workspace in which two real versions answered the same prompts: imported and scored as the jobs do it."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jobs.import_payload import import_payload
from jobs.partial_sums import partial_sums
from lakehouse.inference import InferenceSource
from metrics.engines.toxicity import KeywordEngine
from metrics.scorers import OnProgress, PerplexityScores
from metrics.scoring import score_rows
from metrics.text_cache import TextCache
from metrics.text_scores import Scorers
from settings import Settings
from tests.dashboard import workspace

VERSIONS = {"1": "gpt-3.5-turbo-0301", "2": "gpt-3.5-turbo-0613"}
ROLLUPS = {
    "metrics_minute": (60, False),
    "metrics_15min": (900, False),
    "metrics_hour": (3600, False),
    "metrics_daily_requester": (86_400, True),
}


class WordsAndSigns:
    """Counts tokens as words and signs, and knows no perplexity: a language model would take minutes."""

    name = "words-and-signs/none/1"

    def score(self, texts: Sequence[str], on_progress: OnProgress | None = None) -> PerplexityScores:
        """No perplexity."""
        return PerplexityScores(
            np.full(len(texts), np.nan), np.zeros(len(texts), dtype=np.int64), ["no model was asked"] * len(texts)
        )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Words, and every sign that is none."""
        return np.array([len(re.findall(r"\w+|[^\w\s]", text)) for text in texts], dtype=np.int64)


def build(home: Path, chat: Path, first: int | None = None) -> pd.DataFrame:
    """The first prompts of the two logs in `chat` (all unless given), answered by versions 1 and 2 of one model.

    Returns: the scored rows, with the prompt that each answers in the column `prompt`.
    """
    settings = Settings(home=home)
    asked: dict[str, str] = {}
    for version, name in VERSIONS.items():
        lines = (chat / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:first]
        part = home / f"{name}.jsonl"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("\n".join(lines), encoding="utf-8")
        import_payload(settings, part, "prod.chatbot", version, endpoint="chatbot")
        asked |= {f"{name}-{number}": json.loads(line)["prompt"] for number, line in enumerate(lines)}
    source = InferenceSource.open(settings)
    rows = source.read(0, source.version)
    scorers = Scorers(perplexity=WordsAndSigns(), toxicity=KeywordEngine.load())
    scored = score_rows(rows, scorers, (), TextCache(), datetime.now(UTC))
    workspace.write_rows(settings, "request_metrics", scored)
    for name, (seconds, by_requester) in ROLLUPS.items():
        workspace.write_rows(settings, name, partial_sums(scored, seconds, by_requester))
    frame: pd.DataFrame = scored.to_pandas()
    return frame.assign(prompt=frame["client_request_id"].map(asked))


def pairs_of(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Both versions' values of a score for each prompt that both have one of, by plain pandas: columns `1` and `2`."""
    return rows.pivot_table(index="prompt", columns="entity_version", values=metric).dropna()
