"""Drift: which shifts are found within three windows, and how often usual days cry wolf, beside two other rules.

The same made-up traffic for all (8 columns, 300 requests in five minutes, a daily rhythm): `ours` is what
`metrics.drift_judgement` confirms; Databricks' rule is p < 0.05 for each column (Kolmogorov-Smirnov, chi-squared)
against the same window of the week before; Evidently's is its DataDriftPreset as it comes, on the same pairs. A line
for each shift has the share of trials in which the right column was named, and in which others were named besides; the
power is what was computed before. Of the month the alerts are counted: ours are columns that
were not told in the window before, theirs columns and windows.

Evidently wants pandas below 3, so it gets an environment of its own in a temporary folder; where that cannot be made,
its figures are null and the reason stands on stderr. Both rules judge a part of the windows, and their alerts are
scaled to all that have a week before. The topics are those of real prompts where the corpus is there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from metrics.drift_judgement import LARGEST_Q, LARGEST_Q_TOGETHER
from metrics.drift_questions import QUESTIONS
from metrics.power import Power, power_of_ratio, power_of_share
from metrics.power import Traffic as PowerTraffic
from metrics.text_drift import Prompts, TopicDrift, TopicJudge, words_of
from tests.metrics.drift_traffic import COLUMNS, PER_DAY, Shift, Traffic, alerts, judged, traffic

TRIALS = int(os.environ.get("LAKEHELM_BENCH_DRIFT_TRIALS", "10"))
DAYS = 30
WEEK = 7 * PER_DAY
EVIDENTLY = "evidently==0.7.23"
EVERY = 24
"""The rule of p-values judges every so manyth window of the month, which is enough to tell thousands from one."""
EVIDENTLY_WINDOWS = int(os.environ.get("LAKEHELM_BENCH_DRIFT_EVIDENTLY", "40"))
CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat" / "gpt-3.5-turbo-0301.jsonl"
TOPIC = r"python|code|function|program|javascript|sql|html"
TOPIC_WINDOWS = 288
START = 10 * PER_DAY
USUAL = PowerTraffic(windows_compared=91, n_compared=27_300)
SHIFTS: dict[str, tuple[str, Shift, Power]] = {
    "flagged answers 5 % to 15 %": (
        "response_flagged",
        Shift(START, flagged=0.15),
        power_of_share(QUESTIONS[2], 0.05, 0.15, USUAL),
    ),
    "answers 30 % longer": (
        "completion_tokens",
        Shift(START, length=1.3),
        power_of_ratio(QUESTIONS[0], 1.3, 0.8, USUAL),
    ),
    "latency 50 % up": (
        "execution_duration_ms",
        Shift(START, latency=1.5),
        power_of_ratio(QUESTIONS[1], 1.5, 0.6, USUAL),
    ),
}
Pair = tuple[dict[str, Any], dict[str, Any]]


class Windows:
    """The values of each window of some traffic."""

    def __init__(self, made: Traffic) -> None:
        self._edges = np.searchsorted(made.window, np.arange(made.windows + 1))
        self._values = made.values

    def pair(self, window: int, before: int) -> Pair:
        return self._of(window), self._of(before)

    def _of(self, window: int) -> dict[str, Any]:
        chosen = slice(self._edges[window], self._edges[window + 1])
        return {name: values[chosen] for name, values in self._values.items()}


def by_p_values(pair: Pair) -> set[str]:
    """The columns that have drifted by Databricks' rule."""
    now, before = pair
    found = set()
    for question in QUESTIONS:
        a, b = now[question.column], before[question.column]
        if question.kind == "share":
            counts = np.array([[side.sum(), len(side) - side.sum()] for side in (a, b)])
            p_value = stats.chi2_contingency(counts, correction=False).pvalue if counts.all() else 1.0
        else:
            p_value = stats.ks_2samp(a, b, method="asymp").pvalue
        if p_value < 0.05:
            found.add(question.column)
    return found


def evidently_says(pairs: list[Pair], folder: Path) -> list[set[str]] | None:
    """The columns that have drifted by Evidently's defaults, for each pair; None where it cannot be had."""
    arrays = {
        f"{place}/{side}/{name}": values
        for place, pair in enumerate(pairs)
        for side, columns in zip(("now", "before"), pair, strict=True)
        for name, values in columns.items()
    }
    python = folder / "venv" / "bin" / "python"
    try:
        if not python.exists():
            uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
            subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder / "venv")], check=True)
            subprocess.run([uv, "pip", "install", "-q", "-p", str(python), EVIDENTLY, "pandas<3"], check=True)
        np.savez(folder / "cases.npz", **arrays)
        worker = Path(__file__).parent / "_evidently_drift.py"
        done = subprocess.run([python, worker, folder / "cases.npz"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Evidently is left out: {error}", file=sys.stderr)
        return None
    return [set(columns) for columns in json.loads(done.stdout.strip().splitlines()[-1])]


def of_shifts(folder: Path) -> None:
    for name, (cause, shift, power) in SHIFTS.items():
        ours, pairs = [], []
        for seed in range(TRIALS):
            made = traffic(1_000 + seed, 11, shift, windows=START + 3, level=0.0)
            confirmed = judged(made, np.arange(START - 2, START + 3)).confirmed
            ours.append({COLUMNS[place] for place in np.flatnonzero(confirmed.any(axis=1))})
            windows = Windows(made)
            pairs += [windows.pair(window, window - WEEK) for window in range(START, START + 3)]
        databricks = in_trials([by_p_values(pair) for pair in pairs])
        said = evidently_says(pairs, folder)
        evidently = in_trials(said) if said else None
        line = {
            "bench": f"drift, found within three windows: {name}",
            "ours": share(cause in found for found in ours),
            "peer": share(cause in found for found in databricks),
            "power": round(power.found, 4),
            "power_of_one_window": round(power.single, 4),
            "others_named": {
                "ours": share(found - {cause} for found in ours),
                "p < 0.05": share(found - {cause} for found in databricks),
                "Evidently": None if evidently is None else share(found - {cause} for found in evidently),
            },
            "evidently": None if evidently is None else share(cause in found for found in evidently),
            "trials": TRIALS,
        }
        show(line)


def of_a_month(folder: Path) -> None:
    for level in (0.0, 0.03):
        started = time.perf_counter()
        made = traffic(30, DAYS, level=level)
        confirmed = judged(made).confirmed
        seconds = time.perf_counter() - started
        windows = Windows(made)
        told = [by_p_values(windows.pair(window, window - WEEK)) for window in range(WEEK, made.windows, EVERY)]
        chosen = np.linspace(WEEK, made.windows - 1, EVIDENTLY_WINDOWS).astype(int)
        said = evidently_says([windows.pair(int(window), int(window) - WEEK) for window in chosen], folder)
        columns = sum(len(found) for found in said) if said else 0
        line = {
            "bench": f"drift, alerts in {DAYS} usual days, level wanders by {level:.0%}",
            "ours": alerts(confirmed),
            "peer": sum(len(found) for found in told) * EVERY,
            "evidently": round(columns * (made.windows - WEEK) / len(chosen)) if said else None,
            "windows": {"ours": made.windows, "p < 0.05": len(told), "Evidently": len(chosen)},
            "seconds_of_ours": round(seconds, 1),
        }
        show(line)


def of_topics() -> None:
    if not CHAT.is_file():
        print(f"{CHAT} is not there, so topics are left out.", file=sys.stderr)
        return
    asked = [json.loads(line)["prompt"] for line in CHAT.read_text(encoding="utf-8").splitlines()]
    new = [words_of(text) for text in asked if re.search(TOPIC, text.lower())]
    old = [words_of(text) for text in asked if not re.search(TOPIC, text.lower())]
    random = np.random.default_rng(0)

    def prompts(count: int, share_of_new: float = 0.0, days: int = 1) -> Prompts:
        pools = [new if chance < share_of_new else old for chance in random.random(count)]
        chosen = [pool[random.integers(len(pool))] for pool in pools]
        return Prompts(chosen, random.integers(0, 200, count), np.repeat(np.arange(days), count // days))

    started, found = time.perf_counter(), 0
    for _ in range(TRIALS):
        windows = [prompts(300), prompts(300), *(prompts(300, 0.2) for _ in range(3))]
        found += topics_told(prompts(1250, days=5), windows)[2:].any()
    seconds = (time.perf_counter() - started) / TRIALS
    stretches = [[prompts(300) for _ in range(38)] for _ in range(TOPIC_WINDOWS // 36)]
    told = np.concatenate([topics_told(prompts(1250, days=5), stretch)[2:] for stretch in stretches])
    line = {
        "bench": "drift, found within three windows: a new topic in 20 % of prompts (real ones about programming)",
        "ours": round(found / TRIALS, 3),
        "peer": None,
        "trials": TRIALS,
        "alerts_in_usual_windows": alerts(told[None]),
        "usual_windows": len(told),
        "seconds_for_five_windows": round(seconds, 2),
    }
    show(line)


def topics_told(reference: Prompts, windows: list[Prompts]) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """In which of the windows a new topic is confirmed, by the rule of `jobs.drift_topics`."""
    judge = TopicJudge(reference, windows)

    def told(found: TopicDrift | None, most: float) -> bool:
        return found is not None and found.matters and found.p_value <= most

    seen = [told(judge.judge(window), LARGEST_Q) for window in windows]
    confirmed = []
    for place in range(len(windows)):
        last = windows[max(place - 2, 0) : place + 1]
        three = Prompts(
            [words for window in last for words in window.words],
            np.concatenate([window.requesters for window in last]),
            np.concatenate([window.days for window in last]),
        )
        often = sum(seen[max(place - 2, 0) : place + 1])
        confirmed.append(seen[place] and often >= 2 and told(judge.judge(three), LARGEST_Q_TOGETHER))
    return np.array(confirmed)


def in_trials(windows: list[set[str]]) -> list[set[str]]:
    """What three windows of a trial say together."""
    return [set().union(*windows[place : place + 3]) for place in range(0, len(windows), 3)]


def share(told: Any) -> float:
    return round(float(np.mean([bool(one) for one in told])), 3)


def show(line: dict[str, Any]) -> None:
    ours, peer = line["ours"], line["peer"]
    print(json.dumps({**line, "ratio": round(ours / peer, 4) if peer else None}), flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        of_shifts(Path(name))
        of_a_month(Path(name))
    of_topics()


if __name__ == "__main__":
    main()
