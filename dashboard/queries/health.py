"""The facts behind the first line of the Overview, gathered from everywhere."""

from datetime import UTC, datetime

from dashboard.health import Health, assess
from dashboard.periods import period
from dashboard.queries import operations, production
from dashboard.queries.endpoint import endpoint_state
from dashboard.queries.production import LESS_URGENT
from dashboard.queries.traffic import failures


def current_health(endpoint: str) -> Health:
    """The verdict on this moment.

    Raises: QueryFailed, LakehouseError.
    """
    alerts = production.live_alerts(endpoint)
    return assess(
        endpoint=endpoint_state(endpoint),
        processes=operations.processes(),
        demo=operations.demo(),
        runs=operations.metrics_runs(),
        last_hour=failures(endpoint, period("1h")),
        delivery_problem=operations.delivery_problem(),
        interval_seconds=operations.metrics_interval_seconds(),
        now=datetime.now(UTC),
        open_alerts=len(alerts),
        urgent_alerts=sum(alert.severity not in LESS_URGENT for alert in alerts),
    )
