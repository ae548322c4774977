"""Request times that cannot be right: the row is kept where it says it belongs, and says so."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.table_spec import TIMESTAMP
from lakehouse.tables import REQUEST_METRICS

EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""No served language model answered before; a clock that stands at its start says 1970."""
TOLERANCE = timedelta(hours=1)
"""Clocks of two machines may differ; a time further ahead of ours is wrong."""


def with_implausible_times_noted(scored: pa.Table, now: datetime) -> pa.Table:
    """Rows of `request_metrics`, each with a wrong time saying so in `unscored` under `request_time`."""
    times = scored["request_time"]
    reasons = pc.case_when(
        pc.make_struct(
            pc.is_null(times), pc.less(times, _instant(EARLIEST)), pc.greater(times, _instant(now + TOLERANCE))
        ),
        "the request has no time",
        f"the request's time is before {EARLIEST.year}",
        "the request's time is in the future",
    )
    if reasons.null_count == len(reasons):
        return scored
    noted = [
        [*((name, why) for name, why in pairs or [] if name != "request_time"), ("request_time", reason)]
        if reason
        else pairs
        for pairs, reason in zip(scored["unscored"].to_pylist(), reasons.to_pylist(), strict=True)
    ]
    field = REQUEST_METRICS.schema.field("unscored")
    return scored.set_column(scored.column_names.index("unscored"), field, pa.array(noted, field.type))


def newest_plausible(times: pa.ChunkedArray, now: datetime) -> datetime | None:
    """The newest time that is not in the future, so that one wrong clock does not make old data look fresh."""
    plausible = times.filter(pc.less_equal(times, _instant(now + TOLERANCE)))
    newest = pc.max(plausible).as_py() if len(plausible) else None
    return newest if isinstance(newest, datetime) else None


def _instant(time: datetime) -> pa.Scalar:
    return pa.scalar(time, TIMESTAMP)
