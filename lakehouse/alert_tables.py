"""The schemas of alerts: what happened to them, and whom it was told."""

import pyarrow as pa

from lakehouse.table_spec import KEPT_A_MONTH, TIMESTAMP, TableSpec, columns

ALERT_EVENTS = TableSpec(
    name="alert_events",
    meaning="What happened to alerts: a row for each change of an alert's state, with the same id. An alert opens "
    "(`open`; pages call it firing) and closes (`closed`: resolved); before that it may be `pending`, and people may "
    "have it `acknowledged` or `silenced`.",
    schema=columns(
        alert_id=pa.string(),
        state=pa.string(),
        time=TIMESTAMP,
        rule=pa.string(),
        endpoint_name=pa.string(),
        entity_name=pa.string(),
        entity_version=pa.string(),
        sentence=pa.string(),
        evidence=pa.string(),
        severity=pa.string(),
        group_key=pa.string(),
        actor=pa.string(),
        silenced_until=TIMESTAMP,
    ),
    statistics_columns=("alert_id", "state", "time", "endpoint_name", "entity_version"),
    properties=KEPT_A_MONTH,
)

ALERT_DELIVERIES = TableSpec(
    name="alert_deliveries",
    meaning="Every attempt to tell somebody of a change of an alert: by which channel, whether it arrived, and when it "
    "is tried again. The last row of a delivery holds.",
    schema=columns(
        delivery_id=pa.string(),
        alert_id=pa.string(),
        alert_state=pa.string(),
        event_time=TIMESTAMP,
        channel=pa.string(),
        state=pa.string(),
        attempt=pa.int32(),
        time=TIMESTAMP,
        next_try_at=TIMESTAMP,
        error=pa.string(),
    ),
    statistics_columns=("delivery_id", "alert_id", "time", "state"),
    properties=KEPT_A_MONTH,
)
