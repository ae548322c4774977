"""What shows a finding: both distributions, some of the requests, and how likely such a shift is to be found."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jobs.drift_findings import request_ids
from jobs.judged_rows import JudgedRows, as_judged, as_spans, dates_of, window_start
from metrics.drift_judgement import WINDOWS, Question
from metrics.drift_questions import ERRORS
from metrics.drift_reference import Reference
from metrics.power import Traffic, power_of_mean, power_of_ratio, power_of_share

if TYPE_CHECKING:
    from deltalake import DeltaTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

EXAMPLES = 5
_BINS = 16
_TESTS = {
    "ratio": "t-test of the means of logarithms, between windows",
    "mean": "t-test of means, between windows",
    "share": "binomial test, between windows",
}


def evidence_of(
    table: "DeltaTable",
    rows: JudgedRows,
    question: Question,
    windows: Integers,
    reference: Reference,
    figures: dict[str, float],
    direction: float,
) -> dict[str, Any]:
    """The evidence of a finding, ready for JSON.

    rows: of the slice. windows: the consecutive windows in which it was found. figures: value, compared, effect.
    """
    values, _ = rows.values(question.column)
    compared = np.unique(int(windows[-1]) + reference.distances)
    now = np.isin(rows.window, windows) & np.isfinite(values)
    before = np.isin(rows.window, compared) & np.isfinite(values)
    compared = np.unique(rows.window[before])
    return {
        "histogram": _histogram(question, values[now], values[before]),
        "examples": _examples(table, rows, question, values, now, direction),
        "window_cmp": as_spans(compared, rows.seconds),
        "test": _TESTS[question.kind],
        "reference": reference.words,
        "measured": rows.measured_by(question.column),
        "power": _power(question, values[now], values[before], len(compared), figures),
    }


def _histogram(question: Question, now: Floats, before: Floats) -> dict[str, Any]:
    """Counts of both sides in bins that most of both fall into; what lies beyond counts in the outermost ones."""
    if question.kind == "share":
        labels = ["answered", "failed"] if question.column == ERRORS else ["not flagged", "flagged"]
        counted = {side: [int((part == 0).sum()), int((part == 1).sum())] for side, part in _sides(now, before)}
        return {"labels": labels, **counted}
    both = as_judged(question, np.concatenate([now, before]))
    low, high = np.quantile(both, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counted = {
        side: np.histogram(np.clip(as_judged(question, part), edges[0], edges[-1]), edges)[0].tolist()
        for side, part in _sides(now, before)
    }
    shown = np.exp(edges) if question.kind == "ratio" else edges
    return {"edges": [float(f"{edge:.6g}") for edge in shown], **counted}


def _sides(now: Floats, before: Floats) -> list[tuple[str, Floats]]:
    return [("now", now), ("compared", before)]


def _examples(
    table: "DeltaTable", rows: JudgedRows, question: Question, values: Floats, now: NDArray[np.bool_], direction: float
) -> list[str]:
    """Ids of requests that went the way the column went, of different requesters as far as there are."""
    places = np.flatnonzero(now)
    if question.kind == "share":
        places = places[values[places] == float(direction > 0)]
    else:
        # Not the most extreme, which are there on every day, but what has become more common.
        aim = np.quantile(values[places], 0.8 if direction > 0 else 0.2)
        places = places[np.argsort(np.abs(values[places] - aim), kind="stable")]
    people = rows.labels["requester"].codes[places]
    _, first = np.unique(people, return_index=True)
    order = [*sorted(first.tolist()), *range(len(places))]
    chosen = list(dict.fromkeys(int(rows.time[places[one]]) for one in order))[:EXAMPLES]
    if not chosen:
        return []
    start, end = (window_start(time // 1_000_000, 1) for time in (min(chosen), max(chosen)))
    names = request_ids(table, chosen, dates_of(start, end))
    return [names[time] for time in chosen if time in names]


def _power(question: Question, now: Floats, before: Floats, windows: int, figures: dict[str, float]) -> float | None:
    """The chance with which a shift of this size is told within three windows; None where that cannot be computed."""
    traffic = Traffic(n=max(len(now) // WINDOWS, 1), n_compared=max(len(before), 1), windows_compared=max(windows, 2))
    if question.kind == "share":
        share, shifted = figures["compared"], figures["value"]
        if not (0 < share < 1 and 0 < shifted < 1):
            return None
        return round(power_of_share(question, share, shifted, traffic).found, 3)
    if question.kind == "mean":
        return round(power_of_mean(question, figures["effect"], traffic).found, 3)
    deviation = float(np.std(as_judged(question, before)))
    return round(power_of_ratio(question, figures["effect"], deviation, traffic).found, 3) if deviation else None
