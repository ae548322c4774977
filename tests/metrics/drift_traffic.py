"""Made-up traffic for the tests and the benchmark of drift: a daily rhythm, a level that wanders, shifts on demand."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metrics.drift_judgement import Judgement, Question, judge, stacked
from metrics.drift_questions import QUESTIONS
from metrics.drift_reference import FIVE_MINUTES, differences
from metrics.drift_summaries import Summary, summarise

Floats = NDArray[np.float64]
PER_DAY = 288
REQUESTS = 300
"""In a window of five minutes, on average over the day."""
COLUMNS = tuple(question.column for question in QUESTIONS)
_LENGTH_DEVIATION = 0.8


@dataclass(frozen=True)
class Shift:
    """What is different from window `start` on."""

    start: int
    length: float = 1.0
    latency: float = 1.0
    flagged: float | None = None
    """The share of flagged answers."""


@dataclass(frozen=True)
class Traffic:
    """Single values of each column, of windows from 0 to `windows` - 1. [requests]"""

    windows: int
    window: NDArray[np.int64]
    values: dict[str, Floats] = field(default_factory=dict)

    def summary(self, question: Question) -> Summary:
        values = self.values[question.column]
        return summarise(self.window, np.log(values) if question.kind == "ratio" else values, self.windows)


def wander(random: np.random.Generator, windows: int, deviation: float) -> Floats:
    """A level that comes back to 0 within about an hour: an autoregression of the first order. [windows]"""
    steps = random.normal(0, deviation * np.sqrt(1 - 0.9**2), windows)
    level = np.empty(windows)
    last = 0.0
    for place in range(windows):
        last = 0.9 * last + steps[place]
        level[place] = last
    return level


def traffic(
    seed: int, days: int, shift: Shift | None = None, *, windows: int | None = None, level: float = 0.03
) -> Traffic:
    """`days` of traffic whose volume, latency, length, flags and errors follow the hour.

    windows: cut off after so many. level: the standard deviation with which latency and length wander (logarithms).
    """
    random = np.random.default_rng(seed)
    count = windows or days * PER_DAY
    hour = np.arange(count) / PER_DAY * 2 * np.pi
    day = np.sin(hour - 2.0)
    sizes = random.poisson(REQUESTS * (1 + 0.5 * day)) if shift is None else np.full(count, REQUESTS)
    window = np.repeat(np.arange(count), sizes)
    n = len(window)
    since = np.arange(count) >= (shift.start if shift else count)
    longer = np.log(shift.length) * since if shift else 0 * day
    slower = np.log(shift.latency) * since if shift else 0 * day
    flagged = 0.05 * (1 + 0.3 * day)
    if shift and shift.flagged is not None:
        flagged = np.where(since, shift.flagged, flagged)
    of_length = longer + 0.15 * day + wander(random, count, level)
    of_latency = slower + 0.25 * day + wander(random, count, level)
    lengths = random.normal(0, _LENGTH_DEVIATION, n) + of_length[window]
    values = {
        "completion_tokens": np.exp(lengths) * 150,
        "execution_duration_ms": 900 * np.exp(random.normal(0, 0.6, n) + of_latency[window]),
        "response_flagged": (random.random(n) < flagged[window]).astype(float),
        "prompt_flagged": (random.random(n) < 0.04 * (1 + 0.3 * day[window])).astype(float),
        "response_perplexity": np.exp(random.normal(2.5, 0.5, n) + 0.05 * day[window]),
        "response_fk_grade": random.normal(9, 3, n) + 0.3 * day[window],
        "prompt_chars": np.exp(random.normal(4.4, 0.9, n) + 0.1 * day[window]),
        "errors": (random.random(n) < 0.01 * (1 + 0.5 * day[window])).astype(float),
    }
    return Traffic(count, window, values)


def judged(made: Traffic, windows: NDArray[np.int64] | None = None) -> Judgement:
    """The verdict of `metrics.drift_judgement` on some consecutive windows, or on all. [question, window]"""
    numbers = np.arange(made.windows)
    asked = [
        differences(question, made.summary(question), numbers, numbers if windows is None else windows, FIVE_MINUTES)
        for question in QUESTIONS
    ]
    return judge(stacked([single for single, _, _ in asked]), stacked([together for _, together, _ in asked]))


def alerts(confirmed: NDArray[np.bool_]) -> int:
    """How often a question becomes confirmed that was not in the window before. confirmed: [question, window]"""
    before = np.concatenate([np.zeros((len(confirmed), 1), dtype=bool), confirmed[:, :-1]], axis=1)
    return int((confirmed & ~before).sum())
