"""What the windows of a rollup say of cost, by version or by requester, as arrays in the order of time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.lake import Snapshot, Span, select
from dashboard.queries.rollup_windows import FAILED, milliseconds, rollup_windows
from dashboard.queries.sample import REQUESTS
from dashboard.queries.shared_arrays import read_at_once, shared

COST, TOKENS_IN, TOKENS_OUT = "cost_usd", "prompt_tokens", "completion_tokens"
SUMS = ("requests", "failed", "unpriced_failed", "priced", "usd", "usd2", "tokens_in", "tokens_out")
"""What is summed for a version or requester.

requests, failed (status 4xx and 5xx), priced: counts. unpriced_failed: failed ones without a cost. usd, usd2: sums of
the costs in US dollars and of their squares, NaN where none is known. tokens_in, tokens_out: of all requests.
"""
ANSWERED = ("answers_in", "answered_in", "answers_out", "answered_out")
"""Of the requests that did not fail: how many have tokens in (out) that are known, and the sum of these."""

METRICS = (REQUESTS, COST, TOKENS_IN, TOKENS_OUT)
_TWO_MONTHS = timedelta(days=62)
"""A month and the month before it."""
_MOST_BYTES = 256 * 2**20
"""Of the files of requesters' days that are read at once; of a larger table only what is asked for."""

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CostSums:
    """Sums of windows in the order of time, one for each key (a version or a requester) and metric that a window has,
    those of failed requests apart. [n]

    starts: milliseconds since 1970, UTC. key: places in `keys`. metric: places in a list of ours. n: requests. total,
    squares: sums of their values and of the squares of these, NaN where none is known. Not to be written to.
    """

    starts: Whole
    key: NDArray[np.int32]
    keys: tuple[str, ...]
    failed: NDArray[np.bool_]
    metric: NDArray[np.int8]
    n: Floats
    total: Floats
    squares: Floats

    def between(self, start: datetime, end: datetime) -> "CostSums":
        """Those of the windows that begin in a span of time."""
        first, last = np.searchsorted(self.starts, [milliseconds(start), milliseconds(end)]).tolist()
        names = ("starts", "key", "failed", "metric", "n", "total", "squares")
        return replace(self, **{name: getattr(self, name)[first:last] for name in names})

    def spent(self) -> "CostSums":
        """Those of the costs only."""
        rows = np.flatnonzero(self.metric == METRICS.index(COST))
        names = ("starts", "key", "failed", "metric", "n", "total", "squares")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def summed(self, group: NDArray[np.integer[Any]], count: int) -> dict[str, NDArray[Any]]:
        """`SUMS` and `ANSWERED` of each group [count]; group: of each of these sums, from 0 to `count` - 1. [n]"""

        def added(rows: Whole, values: Floats) -> Floats:
            return np.bincount(group[rows], np.nan_to_num(values[rows]), count).astype(np.float64)

        def whole(rows: Whole) -> Whole:
            return np.rint(added(rows, self.n)).astype(np.int64)

        of = {name: np.flatnonzero(self.metric == place) for place, name in enumerate(METRICS)}
        failed = {name: rows[self.failed[rows]] for name, rows in of.items()}
        known = of[COST][~np.isnan(self.total[of[COST]])]
        unknown = np.bincount(group[known], minlength=count) == 0
        found: dict[str, NDArray[Any]] = {
            "requests": whole(of[REQUESTS]),
            "failed": whole(failed[REQUESTS]),
            "unpriced_failed": whole(failed[REQUESTS]) - whole(failed[COST]),
            "priced": whole(of[COST]),
            "usd": np.where(unknown, np.nan, added(known, self.total)),
            "usd2": np.where(unknown, np.nan, added(known, self.squares)),
            "tokens_in": added(of[TOKENS_IN], self.total),
            "tokens_out": added(of[TOKENS_OUT], self.total),
        }
        for side, name in (("in", TOKENS_IN), ("out", TOKENS_OUT)):
            answers = of[name][~self.failed[of[name]]]
            found |= {f"answers_{side}": whole(answers), f"answered_{side}": added(answers, self.total)}
        return found

    def together(self) -> dict[str, float]:
        """`SUMS` of all of them."""
        sums = self.summed(np.zeros(len(self.starts), dtype=np.int64), 1)
        return {name: float(sums[name][0]) for name in SUMS}


def version_sums(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> CostSums:
    """The sums by version from `start` to `end` (UTC). snapshot: of a rollup. Raises: QueryFailed."""
    found = rollup_windows(snapshot, endpoint, (start, end), sums=METRICS)
    parts = [found[metric].between(start, end) for metric in METRICS]
    keys = tuple(sorted({group.version for part in parts for group in part.groups}))
    columns = [
        (
            part.starts,
            part.of_groups([keys.index(group.version) for group in part.groups]),
            part.of_groups([group.status in FAILED for group in part.groups]),
            np.full(len(part), place),
            part.n,
            part.sum_wx,
            part.sum_wx2,
        )
        for place, part in enumerate(parts)
    ]
    starts, key, failed, metric, n, total, squares = (np.concatenate(each) for each in zip(*columns, strict=True))
    order = np.argsort(starts, kind="stable")
    return CostSums(
        starts[order],
        key[order].astype(np.int32),
        keys,
        failed[order].astype(bool),
        metric[order].astype(np.int8),
        *(column[order] for column in (n, total, squares)),
    )


def requester_sums(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> CostSums:
    """The sums by requester (empty where it is not known) of the days of UTC from `start` to `end`, of two months at
    once where these are not too many. snapshot: of the rollup by requester.

    Raises: QueryFailed.
    """
    span = read_at_once(snapshot, (start, end), _TWO_MONTHS)
    if sum(file.size for file in snapshot.files_between(span)) > _MOST_BYTES:
        span = (start, end)
    return _requester_sums(snapshot, endpoint, span).between(start, end)


def edges_of(period: Period) -> Whole:
    """Where the bins of a period begin, and where the last ends, in milliseconds since 1970."""
    return milliseconds(period.start) + np.arange(period.bins + 1, dtype=np.int64) * period.bin_seconds * 1000


@shared
def _requester_sums(snapshot: Snapshot, endpoint: str, span: Span) -> CostSums:
    rows = select(
        snapshot,
        # Only our own texts are put together: what people chose comes in as parameters. The versions of a requester are
        # added up: a day has many rows.
        f"""SELECT epoch_ms(window_start) AS start, coalesce(requester, '') AS requester,
                   coalesce(status_class, '') IN {FAILED} AS failed,
                   (list_position($metrics, metric) - 1)::TINYINT AS metric, sum(n)::DOUBLE AS n,
                   sum(sum_wx)::DOUBLE AS total, sum(sum_wx2)::DOUBLE AS squares
            FROM this
            WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end AND metric IN {METRICS}
            GROUP BY ALL ORDER BY start""",  # noqa: S608
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
        metrics=list(METRICS),
    )
    requesters = rows["requester"].tolist()
    keys = tuple(sorted(set(requesters)))
    place = {name: number for number, name in enumerate(keys)}
    return CostSums(
        rows["start"].to_numpy(np.int64),
        np.fromiter((place[name] for name in requesters), np.int32, len(requesters)),
        keys,
        rows["failed"].to_numpy(bool),
        rows["metric"].to_numpy(np.int8),
        *(rows[name].to_numpy(float) for name in ("n", "total", "squares")),
    )
