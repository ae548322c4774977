"""The prices in force: the own price file, the table `prices`, published prices; and by which of them was priced."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dashboard.errors import DashboardError
from dashboard.periods import Period
from dashboard.queries.cost_sample import newest_windows
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from metrics.cost import Price
from metrics.price_list import NoPrice, PriceInForce, prices_in_force, prices_of_csv, prices_of_rows
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

MOST_PRICED = 20_000
"""Requests whose price sources are looked at: the newest of a period."""
MOST_UNPRICED = 5_000
"""Requests without a cost whose reasons are looked at: the newest of a period."""


class PricesWrong(DashboardError):
    """The price file or the table of prices cannot be used."""


@dataclass(frozen=True)
class UnpricedReason:
    """Why requests of a version have no cost, and whether they failed, so that there is no answer to price.

    `request_id` is the newest of them, `newest` its time (UTC).
    """

    version: str
    reason: str
    failed: bool
    requests: int
    request_id: str
    newest: datetime


def prices() -> tuple[Price, ...]:
    """The prices that the metrics job uses, in its order: the own file first, then the table `prices`.

    Raises: PricesWrong; QueryFailed, LakehouseError.
    """
    name = get_settings().prices_file
    try:
        own = prices_of_csv(Path(name).read_text(encoding="utf-8-sig"), Path(name).name) if name else []
    except (OSError, UnicodeDecodeError) as error:
        raise PricesWrong(f"The price file {name} cannot be read: {error}") from error
    except NoPrice as error:
        raise PricesWrong(f"The price file {name} cannot be used: {error}.") from error
    return (*own, *_prices_of_table(shown("prices")))


def in_force(version: str, period: Period, *, published: bool) -> list[PriceInForce]:
    """The prices of a version (its key, as links have it) over a period, one after the other.

    published: whether published prices stand in where the list has none. They take a while to load: say so only of
    a version that was priced.
    Raises: PricesWrong; QueryFailed, LakehouseError.
    """
    entity_name, _, entity_version = version.rpartition("/")
    return prices_in_force(prices(), entity_name, entity_version, period.start, period.end, published=published)


def sources(endpoint: str, period: Period) -> "pd.DataFrame":
    """By which sources the newest `MOST_PRICED` requests of a period were priced: columns version, price_source, n.

    Raises: QueryFailed, LakehouseError.
    """
    start = newest_windows(endpoint, period, MOST_PRICED)
    found: pd.DataFrame = _sources(shown("request_metrics"), endpoint, start, period.end)
    return found


def unpriced(endpoint: str, period: Period) -> list[UnpricedReason]:
    """Why the newest `MOST_UNPRICED` requests without a cost have none, the most frequent reason first.

    Raises: QueryFailed, LakehouseError.
    """
    start = newest_windows(endpoint, period, MOST_UNPRICED, unpriced=True)
    found: list[UnpricedReason] = _unpriced(shown("request_metrics"), endpoint, start, period.end)
    return found


@kept(max_entries=4)
def _prices_of_table(snapshot: Snapshot) -> list[Price]:
    rows = select(snapshot, "SELECT * FROM this")
    columns = [str(name) for name in rows.columns]
    try:
        return prices_of_rows(
            {name: None if value != value else value for name, value in zip(columns, row, strict=True)}
            for row in rows.itertuples(index=False)
        )
    except NoPrice as error:
        raise PricesWrong(f"The table prices cannot be used: {error}.") from error


@kept(max_entries=16)
def _sources(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> "pd.DataFrame":
    return select(
        snapshot,
        """SELECT version, price_source, count(*) AS n
           FROM (SELECT coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version, price_source
                 FROM this
                 WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                   AND cost_usd IS NOT NULL
                 ORDER BY request_time DESC LIMIT $most)
           GROUP BY ALL ORDER BY n DESC, version, price_source""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        most=MOST_PRICED,
    )


@kept(max_entries=16)
def _unpriced(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[UnpricedReason]:
    rows = select(
        snapshot,
        """SELECT version, reason, failed, count(*) AS n, arg_max(databricks_request_id, request_time) AS request_id,
                  max(request_time) AS newest
           FROM (SELECT databricks_request_id, request_time,
                        coalesce(entity_name, '') || '/' || coalesce(entity_version, '') AS version,
                        coalesce(status_code >= 400, false) AS failed,
                        CASE WHEN status_code >= 400 THEN 'the request failed, so there is no answer to price'
                             ELSE coalesce(unscored['cost_usd'], 'no reason was noted') END AS reason
                 FROM this
                 WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                   AND cost_usd IS NULL
                 ORDER BY request_time DESC LIMIT $most)
           GROUP BY version, reason, failed ORDER BY n DESC, version, reason""",
        span=(start, end),
        endpoint=endpoint,
        start=start,
        end=end,
        most=MOST_UNPRICED,
    )
    return [
        UnpricedReason(
            row["version"], row["reason"], bool(row["failed"]), int(row["n"]), row["request_id"], row["newest"]
        )
        for row in rows.to_dict("records")
    ]
