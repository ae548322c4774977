"""Which differences between two real versions of GPT-3.5 are real: what the Quality page says of all 805 pairs.

`ours` is the paired difference that the page shows, `peer` is that of pandas and scipy over the raw rows, matched by
the prompts of the log itself; so are both verdicts, corrected for the number of scores (Holm). A line also has what
the page says without pairs, with the test that fits the score. It ends with an error where a verdict differs. Scores
come from our readability and the keyword classifier; tokens are words and signs. Perplexity is left out: a language
model would take an hour.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat"


def main() -> int:
    if not CHAT.is_dir():
        print(f"{CHAT} is not there, so there is nothing to compare.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAKEHELM_HOME"] = folder
        # Imported here, because the settings are read from the environment.
        from tests.dashboard import chat_pairs

        rows = chat_pairs.build(Path(folder), CHAT)
        lines = compared(rows)
    for line in lines:
        print(json.dumps(line), flush=True)
    return int(any(line["real"] != line["peer_real"] for line in lines))


def compared(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One line for each score."""
    from dashboard.panels.quality_words import is_real, paired_verdict, verdict
    from dashboard.periods import period
    from dashboard.queries.quality_comparison import findings
    from dashboard.queries.quality_pairs import pairs
    from dashboard.queries.quality_sides import Side
    from tests.dashboard.chat_pairs import pairs_of

    span = period("30d")
    a, b = (Side("prod.chatbot", version, span, f"v{version}") for version in ("1", "2"))
    started = time.perf_counter()
    unpaired = findings("chatbot", a, b)
    middle = time.perf_counter()
    found = pairs("chatbot", a, b, unpaired)
    ended = time.perf_counter()
    known = [(one, all_of, one.paired) for one, all_of in zip(found.findings, unpaired, strict=True) if one.paired]
    expected = {one.score.metric: pairs_of(rows, one.score.metric) for one, _, _ in known}
    peers = {one.score.metric: peer_of(expected[one.score.metric], ranks=one.way == "ranks") for one, _, _ in known}
    corrected = dict(zip(peers, holm([p_value for _, p_value in peers.values()]), strict=True))
    lines = []
    for one, all_of, paired in known:
        metric = one.score.metric
        peer, p_value = peers[metric]
        lines.append(
            {
                "bench": f"quality pairs: {one.score.title}, {one.score.unit}, gpt-3.5-turbo 0613 less 0301",
                "ours": round(paired.difference, 4),
                "peer": round(peer, 4),
                "ratio": round(paired.difference / peer, 6),
                "compared_by": "median and Wilcoxon's test" if one.way == "ranks" else "average and paired t-test",
                "pairs": paired.n,
                "interval": [round(paired.low or np.nan, 4), round(paired.high or np.nan, 4)],
                "p": [paired.p_value, p_value],
                "real": is_real(one.corrected),
                "peer_real": corrected[metric] < 0.05,
                "says": paired_verdict(one, b.label),
                "unpaired_says": verdict(all_of, b.label),
                "seconds": {"comparison": round(middle - started, 2), "pairing": round(ended - middle, 2)},
            }
        )
    return lines


def peer_of(both: pd.DataFrame, *, ranks: bool) -> tuple[float, float]:
    """The difference of the pairs and its p-value, by pandas and scipy."""
    difference = both["2"] - both["1"]
    if ranks:
        return float(difference.median()), float(stats.wilcoxon(difference, correction=False, method="approx").pvalue)
    return float(difference.mean()), float(stats.ttest_rel(both["2"], both["1"]).pvalue)


def holm(p_values: list[float]) -> list[float]:
    """Holm's correction, written out: the peer's own."""
    order = np.argsort(p_values)
    steps = [p_values[place] * (len(p_values) - rank) for rank, place in enumerate(order)]
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in corrected]


if __name__ == "__main__":
    sys.exit(main())
