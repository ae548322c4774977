"""The rows of `request_metrics` as the profile and drift tables see them: columns of numbers and of categories, in the
order of time, cut into windows and slices.
"""

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

if TYPE_CHECKING:
    from deltalake import DeltaTable

NUMBERS: dict[str, str] = {
    "execution_duration_ms": "",
    "prompt_tokens": "",
    "completion_tokens": "",
    "prompt_chars": "",
    "response_chars": "",
    "cost_usd": "",
    "response_perplexity": "perplexity_scorer",
    "prompt_perplexity": "perplexity_scorer",
    "response_fk_grade": "readability_scorer",
    "prompt_fk_grade": "readability_scorer",
    "response_reading_ease": "readability_scorer",
    "response_toxicity": "toxicity_scorer",
    "prompt_toxicity": "toxicity_scorer",
}
"""Columns of numbers → the column with their scorer's name ('' for none)."""
CATEGORIES = ("status_code", "endpoint_name", "entity_version", "requester")
"""Columns of categories. A requester counts as his group: the part of an address after the @, else the name."""
SCORER_COLUMNS = tuple(dict.fromkeys(scorer for scorer in NUMBERS.values() if scorer))
COLUMNS_READ = ("request_time", *NUMBERS, *CATEGORIES, *SCORER_COLUMNS)

ALL = "*"
SMALLEST_SLICE = 30
"""Requests that a slice or version must have in a window to be looked at on its own."""
LARGEST_GROUPS = 20
"""Groups of requesters that are looked at on their own in a window."""
_STATUS_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

Slice = tuple[str, str | None, str | None]
"""(entity_version, slice_key, slice_value) as they stand in the tables."""
EVERYTHING: Slice = (ALL, None, None)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Labelled:
    """A column of categories: `codes` int32 [rows] are places in `labels`, -1 where there is none."""

    codes: NDArray[np.int32]
    labels: list[str]

    def part(self, chosen: "slice | NDArray[np.int64]") -> "Labelled":
        """Some of the rows."""
        return Labelled(self.codes[chosen], self.labels)

    def counts(self) -> NDArray[np.int64]:
        """Rows of each label, int64 [labels]."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels))


@dataclass(frozen=True)
class Rows:
    """Requests in the order of time.

    times: int64 [n], microseconds since 1970. numbers: float64 [n, columns of `NUMBERS`], NaN where missing. nulls: of
    the same shape. categories and scorers: by column.
    """

    times: NDArray[np.int64]
    numbers: NDArray[np.float64]
    nulls: NDArray[np.bool_]
    categories: dict[str, Labelled]
    scorers: dict[str, Labelled]

    def __len__(self) -> int:
        return len(self.times)

    def part(self, chosen: "slice | NDArray[np.int64]") -> "Rows":
        """Some of the rows, in the same order."""
        return Rows(
            self.times[chosen],
            self.numbers[chosen],
            self.nulls[chosen],
            {name: column.part(chosen) for name, column in self.categories.items()},
            {name: column.part(chosen) for name, column in self.scorers.items()},
        )

    def between(self, start: datetime, end: datetime) -> "Rows":
        """The rows of a time, `end` not included."""
        first, last = np.searchsorted(self.times, [_microseconds(start), _microseconds(end)])
        return self.part(slice(int(first), int(last)))

    def main_scorers(self) -> dict[str, str]:
        """Scorer column → the scorer of most rows: a window is looked at with one yardstick."""
        found = {}
        for name, column in self.scorers.items():
            counts = column.counts()
            found[name] = column.labels[int(counts.argmax())] if counts.sum() else ""
        return found

    def scored_by(self, scorers: dict[str, str]) -> "Rows":
        """The same rows, with no value where another scorer than the given one gave it."""
        other = np.zeros(self.numbers.shape, dtype=np.bool_)
        for place, name in enumerate(NUMBERS.values()):
            if not name:
                continue
            wanted, column = scorers.get(name, ""), self.scorers[name]
            without_scorer, nobody = -1, -2
            code = column.labels.index(wanted) if wanted in column.labels else nobody if wanted else without_scorer
            other[:, place] = ~self.nulls[:, place] & (column.codes != code)
        if not other.any():
            return self
        numbers = np.where(other, np.nan, self.numbers)
        return Rows(self.times, numbers, self.nulls | other, self.categories, self.scorers)

    def slices(self, groups: bool) -> dict[Slice, "Rows"]:
        """The rows as a whole, by version, endpoint, class of status and, with `groups`, by the largest requesters.

        Slices of fewer than `SMALLEST_SLICE` rows are left out; versions and slices are not crossed. A slice that has
        all rows is the same object as the whole.
        """
        found = {EVERYTHING: self}
        for version, rows in self._by_label("entity_version"):
            found[(version, None, None)] = rows
        for key in ("endpoint_name", "status_class"):
            for value, rows in self._by_label(key):
                found[(ALL, key, value)] = rows
        largest = sorted(self._by_label("requester"), key=lambda group: (-len(group[1]), group[0])) if groups else []
        for value, rows in largest[:LARGEST_GROUPS]:
            found[(ALL, "requester", value)] = rows
        return found

    def _by_label(self, name: str) -> Iterator[tuple[str, "Rows"]]:
        column = self._status_class() if name == "status_class" else self.categories[name]
        for code in np.flatnonzero(column.counts() >= SMALLEST_SLICE):
            chosen = np.flatnonzero(column.codes == code)
            yield column.labels[code], self if len(chosen) == len(self) else self.part(chosen)

    def _status_class(self) -> Labelled:
        of_status = self.categories["status_code"]
        classes = [_STATUS_CLASSES.get(int(label) // 100, "other") for label in of_status.labels]
        labels = sorted(set(classes))
        # One place more, for rows without a status: its code -1 takes the last.
        codes = np.array([*(labels.index(name) for name in classes), -1], dtype=np.int32)
        return Labelled(codes[of_status.codes], labels)


class RequestRows:
    """Rows of one snapshot of `request_metrics`. What was read stays, so that windows beside each other share it."""

    def __init__(self, table: "DeltaTable") -> None:
        self._table = table
        self._spans: list[Span] = []
        self._read: list[Rows] = []

    def load(self, spans: Iterable[Span]) -> None:
        """Read all rows of these times that were not read yet, each file once where they touch."""
        wanted = [span for span in _united(spans) if self._holder(*span) is None]
        for span in wanted:
            self._read.append(self._rows(*span))
            self._spans.append(span)

    def between(self, start: datetime, end: datetime) -> Rows:
        """The rows of a time; it is read if no `load` has read it."""
        holder = self._holder(start, end)
        if holder is None:
            self.load([(start, end)])
            holder = self._read[-1]
        return holder.between(start, end)

    def forget(self) -> None:
        """Let go of all that was read."""
        self._spans, self._read = [], []

    def _holder(self, start: datetime, end: datetime) -> Rows | None:
        for (first, last), rows in zip(self._spans, self._read, strict=True):
            if first <= start and end <= last:
                return rows
        return None

    def _rows(self, start: datetime, end: datetime) -> Rows:
        where = (pc.field("request_time") >= start) & (pc.field("request_time") < end)
        schema = pa.schema([REQUEST_METRICS.schema.field(name) for name in COLUMNS_READ])
        found = batches_of_dates(self._table, COLUMNS_READ, _dates(start, end), where)
        return as_rows(pa.Table.from_batches(found, schema))


def as_rows(table: pa.Table) -> Rows:
    """Rows of `request_metrics` with the columns of `COLUMNS_READ`, in any order; rows without a time are left out."""
    table = table.filter(pc.is_valid(table["request_time"]))
    times = table["request_time"].cast(pa.int64()).to_numpy()
    order = np.argsort(times, kind="stable")
    numbers = np.empty((len(times), len(NUMBERS)))
    nulls = np.empty((len(times), len(NUMBERS)), dtype=np.bool_)
    for place, name in enumerate(NUMBERS):
        numbers[:, place] = table[name].cast(pa.float64()).to_numpy()[order]
        nulls[:, place] = table[name].is_null().to_numpy()[order]
    categories = {name: _labelled(_category(table, name), order) for name in CATEGORIES}
    scorers = {name: _labelled(table[name], order) for name in SCORER_COLUMNS}
    return Rows(times[order], numbers, nulls, categories, scorers)


def pooled(parts: list[Rows]) -> Rows:
    """Rows of several times as one; the labels of each part may differ."""
    order = np.argsort(np.concatenate([part.times for part in parts]), kind="stable")

    def together(columns: list[Labelled]) -> Labelled:
        labels = sorted({label for column in columns for label in column.labels})
        places = [np.array([*(labels.index(label) for label in column.labels), -1]) for column in columns]
        codes = [place[column.codes] for place, column in zip(places, columns, strict=True)]
        return Labelled(np.concatenate(codes).astype(np.int32)[order], labels)

    return Rows(
        np.concatenate([part.times for part in parts])[order],
        np.concatenate([part.numbers for part in parts])[order],
        np.concatenate([part.nulls for part in parts])[order],
        {name: together([part.categories[name] for part in parts]) for name in CATEGORIES},
        {name: together([part.scorers[name] for part in parts]) for name in SCORER_COLUMNS},
    )


def _category(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table[name]
    if name == "requester":
        return pc.replace_substring_regex(column, pattern=r"(?s)^.*@", replacement="")
    return column.cast(pa.string())


def _labelled(column: pa.ChunkedArray, order: NDArray[np.int64]) -> Labelled:
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int32)
    return Labelled(codes[order], encoded.dictionary.to_pylist())


def _united(spans: Iterable[Span]) -> list[Span]:
    """Times that touch or overlap as one, in order."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _dates(start: datetime, end: datetime) -> list[str]:
    """The `request_date`s that rows of a time may stand under: others may date them by a zone of their own."""
    day, dates = start.astimezone(UTC).date() - timedelta(days=1), []
    while day <= end.astimezone(UTC).date() + timedelta(days=1):
        dates.append(day.isoformat())
        day += timedelta(days=1)
    return dates


def _microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
