"""The prompts of some windows as words: which are read, and how they are found in the inference table."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.judged_rows import JudgedRows, dates_of, spans
from lakehouse.store import batches_of_dates
from lakehouse.tables import REQUEST_METRICS
from lakehouse.text_search import LoggedBodies, logged_name
from metrics.bodies import parse_exchange
from metrics.text_drift import Prompts, words_of
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

Integers = NDArray[np.int64]

PROMPTS_OF_WINDOW = 300
PROMPTS_OF_REFERENCE = 1_250
_COLUMNS = ("databricks_request_id", "request_time", "endpoint_name", "requester")


@dataclass(frozen=True)
class WindowPrompts:
    """The prompts of an endpoint in some windows, in the order of time: their request ids, windows and words."""

    ids: list[str]
    windows: Integers
    prompts: Prompts

    def of(self, windows: Iterable[int]) -> NDArray[np.bool_]:
        """Which of the prompts are of these windows."""
        return np.isin(self.windows, np.fromiter(windows, dtype=np.int64))


def nearest_windows(rows: JudgedRows, day: Integers, wanted: int) -> Integers:
    """Of a day's windows those that are nearest to its middle, as many as hold `wanted` requests."""
    order = np.argsort(np.abs(np.arange(len(day)) - len(day) // 2), kind="stable")
    counts = np.array([int((rows.window == number).sum()) for number in day[order]])
    enough = int(np.searchsorted(np.cumsum(counts), wanted)) + 1
    return np.sort(day[order][:enough])


def read_prompts(
    settings: Settings, table: "DeltaTable", endpoint: str, most: dict[int, int], seconds: int
) -> WindowPrompts:
    """The prompts of windows. most: how many of each window, spread over it evenly; all its requests have to be read.

    Requests whose bodies cannot be read, or are gone, are left out: they have no words.
    Raises: UnreadableTable, HistoryGone, SchemaMismatch.
    """
    bodies = LoggedBodies(settings)
    people: dict[str, int] = {}
    ids: list[str] = []
    windows: list[int] = []
    words: list[frozenset[str]] = []
    owners: list[int] = []
    for start, end in spans(most, seconds):
        chosen = _chosen(_requests(table, endpoint, start, end), most, seconds)
        asked: dict[str, str | None] = {}
        for batch in bodies.of_time(start, end):
            names, requests = batch["databricks_request_id"].to_pylist(), batch["request"].to_pylist()
            asked.update((name, request) for name, request in zip(names, requests, strict=True) if name in chosen)
        for name, (request_id, window, requester) in chosen.items():
            prompt = parse_exchange(asked.get(name), None).prompt
            if prompt:
                ids.append(request_id)
                windows.append(window)
                words.append(words_of(prompt))
                owners.append(-1 if requester is None else people.setdefault(requester, len(people)))
    numbers = np.array(windows, dtype=np.int64)
    return WindowPrompts(ids, numbers, Prompts(words, np.array(owners, dtype=np.int64), np.zeros_like(numbers)))


def _requests(table: "DeltaTable", endpoint: str, start: datetime, end: datetime) -> pa.Table:
    where = (pc.field("request_time") >= start) & (pc.field("request_time") < end)
    of_endpoint = pc.field("endpoint_name") == endpoint if endpoint else pc.field("endpoint_name").is_null()
    schema = pa.schema([REQUEST_METRICS.schema.field(name) for name in _COLUMNS])
    batches = batches_of_dates(table, _COLUMNS, dates_of(start, end), where & of_endpoint)
    return pa.Table.from_batches(batches, schema).sort_by("request_time")


def _chosen(rows: pa.Table, most: dict[int, int], seconds: int) -> dict[str, tuple[str, int, str | None]]:
    """Name in the bodies → id, window, requester of the requests that are looked at."""
    windows = rows["request_time"].cast(pa.int64()).to_numpy() // (seconds * 1_000_000)
    ids, requesters = rows["databricks_request_id"].to_pylist(), rows["requester"].to_pylist()
    found = {}
    for number in np.unique(windows).tolist():
        places = np.flatnonzero(windows == number)
        evenly = np.linspace(0, len(places) - 1, min(most.get(number, 0), len(places)))
        for place in places[np.unique(evenly.astype(int))]:
            found[logged_name(ids[place])] = (ids[place], number, requesters[place])
    return found
