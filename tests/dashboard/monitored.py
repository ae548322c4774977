"""Rows of the tables of drift and alerts for tests of their pages, in the real tables' schemas.

They stand for what the drift job and the job of the alerts write: one column that drifted for good, one that was only
suspected, one that has been over for long, and an alert in each state.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from lakehouse.alert_tables import ALERT_DELIVERIES, ALERT_EVENTS
from lakehouse.drift_tables import DRIFT_FINDINGS, DRIFT_METRICS, PROFILE_METRICS
from lakehouse.status import write_status
from settings import Settings
from tests.dashboard.workspace import write_rows

FIVE = timedelta(minutes=5)
PROFILED = ("completion_tokens", "execution_duration_ms", "response_toxicity")


def five_minutes_before(now: datetime, windows: int) -> datetime:
    """The start of a window of five minutes: the one that ended last is 1 before."""
    whole = datetime.fromtimestamp(now.timestamp() // 300 * 300, UTC)
    return whole - windows * FIVE


def finding(start: datetime, column: str, *, confirmed: bool, **more: Any) -> dict[str, Any]:
    """A row of `drift_findings` about a window of five minutes."""
    evidence = {
        "histogram": {"edges": [10, 40, 80, 160, 320], "now": [4, 30, 160, 106], "compared": [60, 700, 900, 100]},
        "examples": [],
        "window_cmp": [
            [(start - timedelta(days=days)).isoformat(), (start - timedelta(days=days) + FIVE).isoformat()]
            for days in (7, 14)
        ],
        "test": "Welch's t-test of logarithms",
        "power": 0.97,
        "reference": "the same hour of the last seven days",
    }
    row = {
        "finding_id": f"finding-{column}-{start:%m%d%H%M}-{more.get('slice_value', 'all')}",
        "judged_at": start + FIVE + timedelta(seconds=40),
        "window_start": start,
        "window_end": start + FIVE,
        "granularity": "5 minutes",
        "endpoint_name": "chatbot",
        "column_name": column,
        "drift_type": "BASELINE",
        "n": 300,
        "n_compared": 1760,
        "value": 131.0,
        "value_compared": 101.0,
        "effect": 0.33,
        "effect_name": "Cohen's d of logarithms",
        "p_value": 4e-7,
        "q_value": 2e-5,
        "windows_in_a_row": 3 if confirmed else 1,
        "confirmed": confirmed,
        "sentence": f"{column.replace('_', ' ').capitalize()} moved from 101 to 131, by 30 % (300 requests).",
    }
    return {**row, **more, "evidence": json.dumps({**evidence, **more.get("evidence", {})})}


def write_findings(settings: Settings, now: datetime, examples: list[str]) -> list[dict[str, Any]]:
    """A column that drifts now, flags that were suspected, topics that drifted two days ago. Returns the rows."""
    rows = [
        finding(
            five_minutes_before(now, back),
            "completion_tokens",
            confirmed=back <= 3,
            windows_in_a_row=5 - back,
            evidence={"examples": examples if back == 1 else []},
        )
        for back in (4, 3, 2, 1)
    ]
    shares = {"labels": ["not flagged", "flagged"], "now": [270, 30], "compared": [1672, 88]}
    rows.append(
        finding(
            five_minutes_before(now, 9),
            "prompt_flagged",
            confirmed=False,
            slice_key="requester",
            slice_value="example.com",
            value=0.10,
            value_compared=0.05,
            sentence="Flagged prompts rose from 5.0 % to 10.0 % (300 requests of example.com).",
            evidence={"histogram": shares, "unit": "share", "test": "two shares", "examples": []},
        )
    )
    rows += [
        finding(
            five_minutes_before(now, 12 * 48 + back),
            "prompt_topics",
            confirmed=True,
            value=0.71,
            value_compared=0.5,
            effect_name="area under the curve",
            sentence="One in five prompts has a new topic: invoice, refund.",
            evidence={
                "histogram": {"labels": ["like before", "unlike"], "now": [230, 70], "compared": [1672, 88]},
                "terms": ["invoice", "refund"],
            },
        )
        for back in (1, 2)
    ]
    write_rows(settings, DRIFT_FINDINGS.name, rows)
    return rows


def profiles(rows: pd.DataFrame, columns: tuple[str, ...] = PROFILED) -> list[dict[str, Any]]:
    """What the rows are like hour by hour, all of them and by version: rows of the profile table."""
    found = []
    for hour, part in rows.groupby(rows["request_time"].dt.floor("h")):
        for version in ("*", "1", "2"):
            chosen = part if version == "*" else part[part["entity_version"] == version]
            for column in columns if len(chosen) else ():
                values = chosen[column].dropna()
                found.append(
                    {
                        "window": {"start": hour, "end": hour + timedelta(hours=1)},
                        "granularity": "1 hour",
                        "entity_version": version,
                        "column_name": column,
                        "count": len(chosen),
                        "data_type": "double",
                        "num_nulls": len(chosen) - len(values),
                        "avg": float(values.mean()) if len(values) else None,
                        "median": float(values.median()) if len(values) else None,
                        "stddev": float(values.std()) if len(values) > 1 else None,
                        "percent_null": 100.0 * (1 - len(values) / len(chosen)),
                    }
                )
    return found


def drifts(profiled: list[dict[str, Any]], seed: int = 5) -> list[dict[str, Any]]:
    """A comparison with the window before for each profile but the first of its kind."""
    random = np.random.default_rng(seed)
    before: dict[tuple[str, str], dict[str, Any]] = {}
    found = []
    for row in profiled:
        last = before.get((row["column_name"], row["entity_version"]))
        if last is not None and None not in (last["avg"], row["avg"]):
            found.append(
                {
                    "window": row["window"],
                    "granularity": row["granularity"],
                    "entity_version": row["entity_version"],
                    "column_name": row["column_name"],
                    "window_cmp": last["window"],
                    "drift_type": "CONSECUTIVE",
                    "count_delta": row["count"] - last["count"],
                    "avg_delta": row["avg"] - last["avg"],
                    "ks_test": {"statistic": float(random.uniform(0.05, 0.4)), "pvalue": float(random.uniform())},
                    "wasserstein_distance": abs(row["avg"] - last["avg"]),
                }
            )
        before[row["column_name"], row["entity_version"]] = row
    return found


def judged_windows(now: datetime) -> list[dict[str, Any]]:
    """The profile rows of the last two windows of five minutes: so far is judged."""
    starts = [five_minutes_before(now, back) for back in (2, 1)]
    return [
        {
            "window": {"start": start, "end": start + FIVE},
            "granularity": "5 minutes",
            "entity_version": "*",
            "column_name": ":table",
            "count": 300,
        }
        for start in starts
    ]


def write_profiles(settings: Settings, rows: pd.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Profile and drift rows of requests, hour by hour. Returns both."""
    profiled = profiles(rows)
    drifted = drifts(profiled)
    write_rows(settings, PROFILE_METRICS.name, profiled)
    write_rows(settings, DRIFT_METRICS.name, drifted)
    return profiled, drifted


def alert_row(alert_id: str, state: str, time: datetime, **more: Any) -> dict[str, Any]:
    """A row of `alert_events`."""
    row = {
        "alert_id": alert_id,
        "state": state,
        "time": time,
        "rule": "errors",
        "endpoint_name": "chatbot",
        "entity_name": "",
        "entity_version": "",
        "sentence": "8.0 % of 300 requests failed in 5 minutes; the limit is 5.0 %.",
        "severity": "page",
        "group_key": alert_id,
    }
    return {**row, **more, "evidence": json.dumps(more.get("evidence", {}))}


def write_alerts(settings: Settings, now: datetime, finding_id: str = "", change_id: str = "") -> None:
    """An alert in each state, two of one group among those that fire, and what was delivered of one."""
    began = now - timedelta(minutes=42)
    told = _evidence(began, now, change_id)
    drift = {"rule": "drift", "severity": "ticket", "sentence": "Answers are 30 % longer than at this hour before."}
    drifted = {"finding_id": finding_id, "subject": "completion_tokens", "links": {}}
    flags = {"rule": "flagged_prompts", "severity": "ticket", "sentence": "9.0 % of 420 prompts were flagged."}
    late = {"rule": "job_late", "endpoint_name": "", "severity": "notice", "sentence": "The metrics job is late."}
    silence = {"actor": "ben", "silenced_until": now + timedelta(hours=2)}
    old = now - timedelta(days=2)
    rows = [
        alert_row("alert-errors", "pending", began, evidence=told, group_key="chatbot"),
        alert_row("alert-errors", "open", began + FIVE, group_key="chatbot"),
        alert_row("alert-drift", "open", now - timedelta(minutes=9), **drift, group_key="chatbot", evidence=drifted),
        alert_row("alert-flags", "open", now - timedelta(hours=5), **flags),
        alert_row("alert-flags", "acknowledged", now - timedelta(hours=4), **flags, actor="olga"),
        alert_row("alert-late", "open", now - timedelta(hours=3), **late),
        alert_row("alert-late", "silenced", now - timedelta(hours=2), **late, **silence),
        alert_row("alert-spend", "pending", now - timedelta(minutes=1), rule="spend", sentence="9.10 of 10 dollars."),
        alert_row("alert-old", "open", old),
        alert_row("alert-old", "closed", old + 3 * FIVE, evidence={"closed": "Below 4.0 %."}),
    ]
    write_rows(settings, ALERT_EVENTS.name, rows)
    _write_deliveries(settings, began, now)


def write_looking(settings: Settings, **more: Any) -> None:
    """What the job of the alerts says about itself after a look."""
    looks = (
        ("errors", "", "breached", "8.0 % of 300 requests failed in 5 minutes; the limit is 5.0 %."),
        ("latency", "", "within", "95 % of 300 answers took less than 41 ms; the limit is 2,000 ms."),
        ("spend", "this month", "between", "9.10 of 10 dollars."),
    )
    rules = [dict(zip(("rule", "subject", "status", "sentence"), one, strict=True)) for one in looks]
    delivery = {"webhook": {"waiting": 0, "error": ""}}
    status = {"state": "looking", "every_seconds": 30.0, "rules": rules, "error": "", "delivery": delivery}
    write_status(settings, "alerts", {**status, **more})


def _evidence(began: datetime, now: datetime, change_id: str) -> dict[str, Any]:
    span = {"range": "Custom", "from": f"{began - FIVE:%Y-%m-%dT%H:%M:%SZ}", "to": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    links = {
        "chart": {"page": "traffic", "query": span},
        "rows": {"page": "requests", "query": {**span, "status": ["5xx"]}},
        "rollback": {"page": "endpoints", "query": {"endpoint": "chatbot"}},
        "outside": {"page": "../etc/passwd", "query": {}},
    }
    return {
        "value": 0.08,
        "limit": 0.05,
        "n": 300,
        "links": links,
        "runbook": "the-data-is-old",
        "change_id": change_id,
        "asked_by": "anna@example.com",
        "figures": {"errors": [3, 9, 24], "of": 300},
    }


def _write_deliveries(settings: Settings, began: datetime, now: datetime) -> None:
    told = {"alert_id": "alert-errors", "alert_state": "open", "event_time": began + FIVE}
    failed = {"state": "failed", "attempt": 1, "time": began + FIVE, "error": "The receiver did not answer."}
    webhook, mail = {"delivery_id": "1", "channel": "webhook"}, {"delivery_id": "2", "channel": "mail"}
    rows = [
        {**told, **failed, **webhook, "next_try_at": began + 2 * FIVE},
        {**told, **webhook, "state": "delivered", "attempt": 2, "time": began + 2 * FIVE},
        {**told, **failed, **mail, "next_try_at": now + FIVE},
    ]
    write_rows(settings, ALERT_DELIVERIES.name, rows)


def fill(settings: Settings, rows: pd.DataFrame, now: datetime) -> None:
    """All of it over requests that are there already."""
    recent = rows[rows["request_time"] >= pd.Timestamp(five_minutes_before(now, 1))]
    newest = recent if len(recent) else rows
    found = write_findings(settings, now, [str(one) for one in newest["databricks_request_id"].tail(4)])
    over = rows["request_time"] < pd.Timestamp(now).floor("h")
    write_profiles(settings, rows[over & (rows["request_time"] >= pd.Timestamp(now - timedelta(days=7)))])
    write_rows(settings, PROFILE_METRICS.name, judged_windows(now))
    write_looking(settings)
    write_alerts(settings, now, finding_id=str(found[3]["finding_id"]), change_id="")
