"""The alerts of a stretch of time, as they were known at the moment that the pages show."""

import json
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from registry.alerts import Alert

MOST_ALERTS = 200


def alerts_between(start: datetime, end: datetime, endpoint: str = "") -> list[Alert]:
    """The alerts that were open at some time from `start` to `end` (UTC), the oldest first; the newest 200.

    Raises: QueryFailed, LakehouseError.
    """
    found: list[Alert] = _alerts(shown("alert_events"), start, end, endpoint)
    return found


def alert(alert_id: str) -> Alert | None:
    """One alert; None where there is no such. Raises: QueryFailed, LakehouseError."""
    found: Alert | None = _alert(shown("alert_events"), alert_id)
    return found


_SELECTED = """SELECT alert_id, min(rule) AS rule, min(endpoint_name) AS endpoint_name,
                      min(entity_name) AS entity_name, min(entity_version) AS entity_version,
                      arg_min(sentence, time) FILTER (state = 'open') AS sentence,
                      min(time) FILTER (state = 'open') AS opened_at, min(time) FILTER (state <> 'open') AS closed_at,
                      list(evidence ORDER BY time) AS evidence
               FROM this"""


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _alerts(snapshot: Snapshot, start: datetime, end: datetime, endpoint: str) -> list[Alert]:
    rows = select(
        snapshot,
        f"""{_SELECTED} WHERE $endpoint = '' OR endpoint_name = $endpoint
            GROUP BY alert_id HAVING opened_at < $end AND (closed_at IS NULL OR closed_at >= $start)
            ORDER BY opened_at DESC LIMIT $most""",
        start=start,
        end=end,
        endpoint=endpoint,
        most=MOST_ALERTS,
    )
    return [_of(row) for row in reversed(rows.to_dict("records"))]


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _alert(snapshot: Snapshot, alert_id: str) -> Alert | None:
    sql = f"{_SELECTED} WHERE alert_id = $alert_id GROUP BY alert_id HAVING opened_at IS NOT NULL"
    rows = select(snapshot, sql, alert_id=alert_id).to_dict("records")
    return _of(rows[0]) if rows else None


def _of(row: dict[Any, Any]) -> Alert:
    import pandas as pd

    evidence: dict[str, Any] = {}
    for text in row["evidence"]:
        told = json.loads(text) if text else {}
        evidence |= told if isinstance(told, dict) else {}
    return Alert(
        alert_id=row["alert_id"],
        **{
            name: "" if pd.isna(row[name]) else str(row[name])
            for name in ("rule", "endpoint_name", "entity_name", "entity_version", "sentence")
        },
        opened_at=row["opened_at"].to_pydatetime(),
        closed_at=None if pd.isna(row["closed_at"]) else row["closed_at"].to_pydatetime(),
        evidence=evidence,
    )
