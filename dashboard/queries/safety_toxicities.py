"""The toxicities of single requests as arrays, and whole rows of the few that somebody looks at.

Values of one scorer only. A toxicity that this scorer gave later (`request_scores`) stands where it gave none before.
Of a month a million requests may be looked through, so only their numbers are read, once for all ranges of time and
thresholds; names and ids are read of the requests that a page shows.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, select
from dashboard.queries.shared_arrays import read_at_once, shared
from lakehouse.notable_requests import NOTABLE_REQUESTS
from metrics.sampling import is_sampled

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "databricks_request_id",
    "request_time",
    "request_date",
    "entity_name",
    "entity_version",
    "requester",
    "prompt_toxicity",
    "response_toxicity",
    "toxicity",
    "weight",
)
"""Of whole rows. `request_time` is a pandas timestamp in UTC; `toxicity` is the larger of the two; `weight` is how many
requests the row stands for where the model scored a random sample, else 1."""

READ_AT_ONCE = timedelta(days=33)
"""A month of any calendar, and the day that is not over."""
_FEW = 64
"""So few times stand in a query by themselves, so that only the parts of files are read that can have one of them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME: Span = (_EPOCH, _EPOCH)
_TOXICITIES = ("prompt_toxicity", "response_toxicity")

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Key = tuple[int, float, float]
"""By what a request is found again: its time in microseconds since 1970 (UTC) and both toxicities, -1 for none."""


@dataclass(frozen=True)
class Toxicities:
    """Requests with the toxicities (0 to 1, NaN for none) of their prompts and answers. [n] Not to be written to.

    times: microseconds since 1970, UTC. weight: how many requests each stands for where the model scored a random
    sample, else 1. sampled: whether it is in the random sample of `notable_requests`; of all requests all are.
    """

    times: Whole
    prompt: Floats
    answer: Floats
    weight: Floats
    sampled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.times)

    @property
    def larger(self) -> Floats:
        """The larger toxicity of both texts."""
        return np.asarray(np.fmax(self.prompt, self.answer))

    def at(self, places: Any) -> "Toxicities":
        """Some of them: a slice, places in any order, or a mask."""
        return Toxicities(*(getattr(self, name)[places] for name in ("times", "prompt", "answer", "weight", "sampled")))

    def keys(self) -> list[Key]:
        """By what each of them is found again."""
        prompt, answer = (np.nan_to_num(side, nan=-1.0).tolist() for side in (self.prompt, self.answer))
        return list(zip(self.times.tolist(), prompt, answer, strict=True))


@dataclass(frozen=True)
class Source:
    """Where single requests of an endpoint are read from, by one scorer: a table, and the scores given later."""

    requests: Snapshot
    later: Snapshot
    endpoint: str
    scorer: str


def toxicities(source: Source, span: Span) -> Toxicities:
    """The requests with a toxicity in a span of time, in the order of time. Raises: QueryFailed."""
    read = months_span(source, span)
    found: Toxicities = _toxicities(source.requests, source.later, source.endpoint, source.scorer, read)
    start, end = (np.searchsorted(found.times, microseconds(time)) for time in span)
    return found.at(slice(int(start), int(end)))


def whole_rows(source: Source, some: Toxicities) -> "pd.DataFrame":
    """The rows (columns `COLUMNS`) of some requests, in any order; where several have the same time and toxicities,
    of all of these. Raises: QueryFailed."""
    import pandas as pd

    found = _whole_rows(source, tuple(sorted(set(some.times.tolist()))))
    wanted = set(some.keys())
    inside = [key in wanted for key in keys_of(found)]
    return found[pd.array(inside, "bool")].reset_index(drop=True)


def rows_of(source: Source, request_ids: list[str], span: Span) -> "pd.DataFrame":
    """The rows of the requests with these ids, as far as they are in the table. Raises: QueryFailed."""
    return _rows(source, span if request_ids else _NO_TIME, "databricks_request_id = ANY($ids)", ids=request_ids)


def keys_of(rows: "pd.DataFrame") -> list[Key]:
    """By what each of some whole rows is found again."""
    times = rows["request_time"].to_numpy("datetime64[us]").astype(np.int64)
    nothing = np.zeros(len(rows))
    prompt, answer = (rows[name].to_numpy(float) for name in _TOXICITIES)
    return Toxicities(times, prompt, answer, nothing, nothing > 0).keys()


def microseconds(time: datetime) -> int:
    """A time in microseconds since 1970, UTC."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(microseconds: int) -> datetime:
    """The same the other way round."""
    return _EPOCH + microseconds * _MICROSECOND


def months_span(source: Source, span: Span) -> Span:
    """What is read for a span of time: of `notable_requests` a month, so that other spans find theirs in it."""
    requests = source.requests
    return read_at_once(requests, span, READ_AT_ONCE) if requests.name == NOTABLE_REQUESTS.name else span


@shared
def _toxicities(requests: Snapshot, later: Snapshot, endpoint: str, scorer: str, span: Span) -> Toxicities:
    source = Source(requests, later, endpoint, scorer)
    of_sample = requests.name == NOTABLE_REQUESTS.name
    columns = "epoch_us(request_time) AS time, prompt_toxicity AS prompt, response_toxicity AS answer, weight"
    rows = _selected(source, span, f"{columns}, {'sampled' if of_sample else 'true AS sampled'}", "toxicity >= 0")
    order = np.argsort(rows["time"].to_numpy(np.int64), kind="stable")
    weight = rows["weight"].to_numpy(np.float64)
    # Mostly nothing is sampled, and then one number stands for all.
    weight = np.broadcast_to(np.float64(1.0), len(weight)) if (weight == 1.0).all() else weight[order]
    return Toxicities(
        rows["time"].to_numpy(np.int64)[order],
        rows["prompt"].to_numpy(np.float64)[order],
        rows["answer"].to_numpy(np.float64)[order],
        weight,
        rows["sampled"].to_numpy(np.bool_)[order],
    )


@kept(max_entries=16)
def _whole_rows(source: Source, times: tuple[int, ...]) -> "pd.DataFrame":
    moments = [time_of(time) for time in times]
    if not moments:
        return _rows(source, _NO_TIME, "false")
    span = moments[0], moments[-1] + _MICROSECOND
    if len(moments) > _FEW:
        return _rows(source, span, "request_time IN (SELECT unnest($times))", times=moments)
    named = {f"time_{place}": moment for place, moment in enumerate(moments)}
    few = Source(source.requests.at_times(moments), source.later, source.endpoint, source.scorer)
    return _rows(few, span, f"request_time IN ({', '.join(f'${name}' for name in named)})", **named)


def _rows(source: Source, span: Span, condition: str, **parameters: Any) -> "pd.DataFrame":
    return _selected(source, span, ", ".join(COLUMNS), condition, **parameters)


def _selected(source: Source, span: Span, columns: str, condition: str, **parameters: Any) -> "pd.DataFrame":
    """Columns of the requests of a span of time, with the toxicities that one scorer gave and the larger of both."""
    requests, later = source.requests, source.later.on_dates(*span)
    given = {name: f"CASE WHEN toxicity_scorer = $scorer THEN {name} END" for name in _TOXICITIES}
    known = f"toxicity_scorer = $scorer AND coalesce({', '.join(_TOXICITIES)}) IS NOT NULL"
    weight = (
        f"CASE WHEN NOT coalesce({known}, false) THEN 0.0 WHEN $sampled THEN coalesce(score_weight, 1.0) ELSE 1.0 END"
    )
    joined = ""
    if later.files:
        # Of a sampled request that was scored with all others later, the first weight is taken back there.
        weight += " + coalesce(weight_response_toxicity, weight_prompt_toxicity, 0.0)"
        given = {name: f"coalesce({value}, later_{name})" for name, value in given.items()}
        newest = ", ".join(
            f"arg_max(value, scored_at) FILTER (metric = '{name}') AS later_{name}, "
            f"sum(weight) FILTER (metric = '{name}') AS weight_{name}"
            for name in _TOXICITIES
        )
        joined = f"""LEFT JOIN (SELECT databricks_request_id, {newest} FROM later
                     WHERE scorer = $scorer AND value IS NOT NULL GROUP BY ALL) USING (databricks_request_id)"""  # noqa: S608
    of_sample = requests.name == NOTABLE_REQUESTS.name
    # The partition column is not in the files; the date of the time stands in for it.
    date = "request_time::DATE" if of_sample else "coalesce(request_date, request_time::DATE)"
    inner = f"""SELECT databricks_request_id, request_time, {date} AS request_date,{" sampled," if of_sample else ""}
                       coalesce(entity_name, '') AS entity_name, coalesce(entity_version, '') AS entity_version,
                       coalesce(requester, '') AS requester, {weight} AS weight,
                       {", ".join(f"{value} AS {name}" for name, value in given.items())}
                FROM this {joined}
                WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end"""  # noqa: S608
    # Only our own texts are put together; what people chose comes in as parameters.
    return select(
        requests,
        f"""SELECT {columns} FROM (SELECT *, greatest(prompt_toxicity, response_toxicity) AS toxicity FROM ({inner}))
            WHERE {condition}""",  # noqa: S608
        span=span,
        beside={"later": later} if later.files else {},
        endpoint=source.endpoint,
        start=span[0],
        end=span[1],
        scorer=source.scorer,
        sampled=is_sampled("prompt_toxicity", source.scorer),
        **parameters,
    )
