"""The requests that drift is judged by, as arrays: those of some windows and of the windows they are compared with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.store import batches_of_dates
from lakehouse.tables import REQUEST_METRICS
from metrics.drift_judgement import Question
from metrics.drift_questions import ANSWER_LENGTH, ANSWERS_FLAGGED, ERRORS, LATENCY, PROMPTS_FLAGGED
from metrics.drift_summaries import Summary, summarise
from metrics.sampling import is_sampled

if TYPE_CHECKING:
    from deltalake import DeltaTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SCORED = {
    "response_perplexity": "perplexity_scorer",
    "response_fk_grade": "readability_scorer",
    "response_toxicity": "toxicity_scorer",
    "prompt_toxicity": "toxicity_scorer",
}
_NUMBERS = ("execution_duration_ms", "completion_tokens", "response_chars", "prompt_chars", "score_weight", *_SCORED)
_LABELS = ("endpoint_name", "entity_version", "requester", *dict.fromkeys(_SCORED.values()))
_COLUMNS = ("request_time", "status_code", *_NUMBERS, *_LABELS)
_TOXICITIES = {ANSWERS_FLAGGED: "response_toxicity", PROMPTS_FLAGGED: "prompt_toxicity"}

_FIRST_ERROR = 400
SMALLEST_SLICE = 50
"""Requests that a slice must have in some window to be judged by itself."""
LARGEST_GROUPS = 20
_NEARLY_ALL = 0.9
"""A slice with this share of the requests says what all of them say."""


@dataclass(frozen=True)
class Labels:
    """A column of words: `codes` [rows] are places in `names`, -1 where there is none."""

    codes: Integers
    names: list[str]


@dataclass(frozen=True)
class JudgedRows:
    """Requests of one endpoint. window: the number of the window (start in seconds since 1970 / its length). [rows]

    time: microseconds since 1970, rising. threshold: the toxicity from which on a text counts as flagged.
    """

    seconds: int
    threshold: float
    time: Integers
    window: Integers
    status: Floats
    numbers: dict[str, Floats]
    labels: dict[str, Labels]

    def __len__(self) -> int:
        return len(self.window)

    def part(self, chosen: NDArray[np.bool_]) -> "JudgedRows":
        """Some of the rows."""
        return JudgedRows(
            self.seconds,
            self.threshold,
            self.time[chosen],
            self.window[chosen],
            self.status[chosen],
            {name: values[chosen] for name, values in self.numbers.items()},
            {name: Labels(column.codes[chosen], column.names) for name, column in self.labels.items()},
        )

    def values(self, column: str) -> tuple[Floats, Floats | None]:
        """What a question's column is for each request, NaN for none, and its weights (None: all 1)."""
        answered = ~(self.status >= _FIRST_ERROR)
        if column == ERRORS:
            return np.where(np.isfinite(self.status), (~answered).astype(np.float64), np.nan), None
        if column in _TOXICITIES:
            toxicity, weights = self._scored(_TOXICITIES[column])
            return np.where(np.isfinite(toxicity), (toxicity >= self.threshold).astype(np.float64), np.nan), weights
        if column in _SCORED:
            return self._scored(column)
        values = self.numbers[self.measured_by(column)]
        return np.where(answered, values, np.nan) if column in (ANSWER_LENGTH, LATENCY) else values, None

    def measured_by(self, column: str) -> str:
        """The column of numbers that a question's column is read from: answers by characters where tokens are rare."""
        if column != ANSWER_LENGTH:
            return column
        tokens, characters = (np.isfinite(self.numbers[name]).sum() for name in (ANSWER_LENGTH, "response_chars"))
        return ANSWER_LENGTH if 2 * tokens >= characters else "response_chars"

    def summary(self, question: Question, usual_shares: Floats) -> tuple[Integers, Summary]:
        """The windows with values (numbers, rising) and what they say."""
        values, weights = self.values(question.column)
        kept = np.isfinite(values)
        names, place = np.unique(self.window[kept], return_inverse=True)
        found = summarise(
            place.reshape(-1).astype(np.int64),
            as_judged(question, values[kept]),
            len(names),
            weights=None if weights is None else weights[kept],
            requesters=self.labels["requester"].codes[kept],
            usual_shares=usual_shares,
        )
        return names, found

    def usual_shares(self, before: int) -> Floats:
        """Which share of the requests before window `before` each requester has. [requesters]"""
        column = self.labels["requester"]
        earlier = column.codes[(self.window < before) & (column.codes >= 0)]
        return np.bincount(earlier, minlength=len(column.names)) / max(len(earlier), 1)

    def slices(self, judged: Integers) -> Iterator[tuple[str | None, str | None, "JudgedRows"]]:
        """(key, value, rows) of all requests, of versions and of the largest groups of requesters."""
        yield None, None, self
        inside = np.isin(self.window, judged)
        for key, column in (("entity_version", self.labels["entity_version"]), ("requester", self._groups())):
            largest = np.bincount(column.codes[inside & (column.codes >= 0)], minlength=len(column.names))
            shares = np.bincount(column.codes[column.codes >= 0], minlength=len(column.names)) / max(len(self), 1)
            for code in np.argsort(-largest, kind="stable")[:LARGEST_GROUPS]:
                if largest[code] >= SMALLEST_SLICE and shares[code] < _NEARLY_ALL:
                    yield key, column.names[code], self.part(column.codes == code)

    def _scored(self, column: str) -> tuple[Floats, Floats | None]:
        scorer = self.labels[_SCORED[column]]
        counts = np.bincount(scorer.codes[scorer.codes >= 0], minlength=len(scorer.names))
        if not counts.sum():
            return self.numbers[column], None
        # The scorer of the newest requests: what another one gave is no measure of the same.
        newest = scorer.codes[(scorer.codes >= 0) & np.isfinite(self.numbers[column])]
        code = int(newest[-1]) if len(newest) else int(counts.argmax())
        weights = self.numbers["score_weight"] if is_sampled(column, scorer.names[code]) else None
        return np.where(scorer.codes == code, self.numbers[column], np.nan), weights

    def _groups(self) -> Labels:
        """Requesters by the part of their address after the @, or by their name where they have none."""
        column = self.labels["requester"]
        groups = [name.rsplit("@", 1)[-1] for name in column.names]
        names = sorted(set(groups))
        places = {name: place for place, name in enumerate(names)}
        codes = np.array([*(places[group] for group in groups), -1], dtype=np.int64)
        return Labels(codes[column.codes], names)


def as_judged(question: Question, values: Floats) -> Floats:
    """Values as their question compares them: logarithms for a ratio. What is below 1 (no tokens, 0 ms) counts as 1."""
    return np.log(np.maximum(values, 1.0)) if question.kind == "ratio" else values


def read_rows_of(table: "DeltaTable", numbers: Iterable[int], seconds: int, threshold: float) -> dict[str, JudgedRows]:
    """The requests of some windows by endpoint, in the order of time. Those without a time are in no window.

    Raises: UnreadableTable.
    """
    schema = pa.schema([REQUEST_METRICS.schema.field(name) for name in _COLUMNS])
    batches = []
    for start, end in spans(numbers, seconds):
        where = (pc.field("request_time") >= start) & (pc.field("request_time") < end)
        batches += list(batches_of_dates(table, _COLUMNS, dates_of(start, end), where))
    rows = pa.Table.from_batches(batches, schema).sort_by("request_time")
    micros = rows["request_time"].cast(pa.int64()).to_numpy()
    everything = JudgedRows(
        seconds,
        threshold,
        micros,
        micros // (seconds * 1_000_000),
        _floats(rows["status_code"]),
        {name: _floats(rows[name]) for name in _NUMBERS},
        {name: _labels(rows[name]) for name in _LABELS},
    )
    endpoints = everything.labels["endpoint_name"]
    return {
        (endpoints.names[code] if code >= 0 else ""): everything.part(endpoints.codes == code)
        for code in np.unique(endpoints.codes)
    }


def window_start(number: int, seconds: int) -> datetime:
    """When a window begins."""
    return datetime.fromtimestamp(number * seconds, UTC)


def as_spans(numbers: Iterable[int], seconds: int) -> list[list[str]]:
    """Windows that follow each other as one time, from start to end, ready for JSON."""
    return [[start.isoformat(), end.isoformat()] for start, end in spans(numbers, seconds)]


def spans(numbers: Iterable[int], seconds: int) -> Iterator[tuple[datetime, datetime]]:
    """Windows that follow each other, as one time."""
    rising = np.unique(np.fromiter(numbers, dtype=np.int64))
    for run in np.split(rising, np.flatnonzero(np.diff(rising) > 1) + 1):
        if len(run):
            yield window_start(int(run[0]), seconds), window_start(int(run[-1]) + 1, seconds)


def dates_of(start: datetime, end: datetime) -> list[str]:
    """The `request_date`s that rows of a time may stand under: others may date them by a zone of their own."""
    first, last = (start - timedelta(days=1)).date(), (end + timedelta(days=1)).date()
    return [(first + timedelta(days=day)).isoformat() for day in range((last - first).days + 1)]


def _floats(column: pa.ChunkedArray) -> Floats:
    # Arrow gives whole numbers with gaps as floats with NaN only once they are floats.
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _labels(column: pa.ChunkedArray) -> Labels:
    encoded = column.combine_chunks().dictionary_encode()
    return Labels(pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64), encoded.dictionary.to_pylist())
