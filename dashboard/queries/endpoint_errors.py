"""Errors from both sources: the requests that were logged, and what the endpoint itself counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dashboard.periods import Period
from dashboard.queries.endpoint import served_metrics
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, select, shown
from dashboard.queries.traffic_over_time import requests_by_status
from dashboard.queries.traffic_windows import two_months
from lakehouse.notable_requests import NOTABLE_REQUESTS
from lakehouse.rollup_tables import METRICS_HOUR

if TYPE_CHECKING:
    import pandas as pd

    from serving.endpoint_metrics import ServedEntityMetrics

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class LastMinute:
    """What the endpoint counts. `state` is asking (no answer yet), known, down or failed (`message` says why)."""

    state: str
    entities: "tuple[ServedEntityMetrics, ...]" = ()
    seen_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True)
class VersionErrors:
    """Requests that a version answered, and how many of them failed."""

    version: str
    requests: int
    errors_4xx: int
    errors_5xx: int

    @property
    def failed(self) -> int:
        """Requests that failed, 4xx and 5xx."""
        return self.errors_4xx + self.errors_5xx


def by_version(endpoint: str, period: Period) -> list[VersionErrors]:
    """Requests and errors of each version, most requests first.

    Raises: QueryFailed, LakehouseError.
    """
    counted = requests_by_status(endpoint, period)
    found = [
        VersionErrors(version, sum(n.values()), n.get("4xx", 0), n.get("5xx", 0)) for version, n in counted.items()
    ]
    return sorted(found, key=lambda one: (-one.requests, one.version))


def status_codes(endpoint: str, period: Period) -> "pd.DataFrame":
    """Failed requests by status code and version: columns status_code, version, n, last (UTC), most first.

    Raises: QueryFailed, LakehouseError.
    """
    failed = shown(NOTABLE_REQUESTS.name)
    span = (period.start, period.end)
    if failed.version < 0:
        # A look at a time from before this table was kept.
        failed = shown("request_metrics")
    elif period.table == METRICS_HOUR.name:
        span = two_months(failed, period)
    rows = _codes(failed, endpoint, span)
    first, last = (int(time.timestamp() * 1000) for time in (period.start, period.end))
    rows = rows[(rows["hour"] > first - _HOUR_MS) & (rows["hour"] < last)]
    found = rows.groupby(["status_code", "version"], as_index=False).agg(n=("n", "sum"), last=("last", "max"))
    return found.sort_values(["n", "status_code", "version"], ascending=[False, True, True])


def last_minute(endpoint: str) -> LastMinute:
    """What the endpoint's own metrics say. Never waits."""
    from serving.errors import GatewayDown

    seen = served_metrics(endpoint)
    if seen.error is not None:
        state = "down" if isinstance(seen.error, GatewayDown) else "failed"
        return LastMinute(state, seen_at=seen.seen_at, message=str(seen.error))
    if seen.looking and seen.value is None:
        return LastMinute("asking")
    return LastMinute("known", tuple(seen.value or ()), seen.seen_at)


@kept(max_entries=16)
def _codes(snapshot: Snapshot, endpoint: str, span: Span) -> "pd.DataFrame":
    """Failed requests by hour (its start in milliseconds since 1970), so that one result does for many periods."""
    return select(
        snapshot,
        """SELECT epoch_ms(date_trunc('hour', request_time)) AS hour, status_code, version, count(*)::BIGINT AS n,
                  max(request_time) AS last
           FROM (SELECT status_code, request_time,
                        coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version
                 FROM this WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                   AND status_code >= 400 AND status_code < 600)
           GROUP BY ALL""",
        span=span,
        endpoint=endpoint,
        start=span[0],
        end=span[1],
    )
