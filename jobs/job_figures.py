"""What the tables say about jobs, alerts, deliveries and drift, as figures for other people's monitoring.

Read from the newest snapshots. A table that has not changed is not read again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.alert_tables import ALERT_DELIVERIES, ALERT_EVENTS
from lakehouse.drift_tables import DRIFT_FINDINGS
from lakehouse.runs import pending_requests, runs_in
from lakehouse.store import open_to_read, read_rows, table_id
from registry.alerts import Alert, alerts_in
from serving.figures import Family, Sample, gauge
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")

DRIFT_TIME = timedelta(hours=1)
"""How far back confirmed drift is counted."""

_ROWS = ("read", "scored", "unscored", "duplicate", "waiting", "left_out")
_DELIVERED, _GIVEN_UP = "delivered", "given_up"


class JobFigures:
    """The figures of a workspace; keeps what it read for as long as a table stays as it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[str, tuple[str, int, Any]] = {}

    def families(self, now: datetime) -> list[Family]:
        """Every figure as it is at `now` (UTC). Raises: LakehouseError."""
        rows, succeeded = self._read("job_runs", _newest_runs)
        return [
            *_run_figures(runs_in(rows), succeeded),
            gauge(
                "lakehelm_job_requests_waiting",
                "Wishes of people that a job runs now, which no run has taken up yet.",
                [Sample(len(pending_requests(self._settings)))],
            ),
            _alert_figure(self._read(ALERT_EVENTS.name, _alerts), now),
            _delivery_figure(self._read(ALERT_DELIVERIES.name, _waiting_deliveries)),
            self._drift_figure(now),
            gauge(
                "lakehelm_figures_written_timestamp_seconds",
                "When these figures were gathered, Unix time.",
                [Sample(now.timestamp())],
            ),
        ]

    def _read(self, name: str, take: "Callable[[DeltaTable], T]") -> T:
        table = open_to_read(self._settings, name)
        identity, version = table_id(table), int(table.version())
        kept = self._kept.get(name)
        if kept is None or kept[:2] != (identity, version):
            kept = self._kept[name] = (identity, version, take(table))
        found: T = kept[2]
        return found

    def _drift_figure(self, now: datetime) -> Family:
        confirmed = pc.field("confirmed") & (pc.field("window_end") > now - DRIFT_TIME)
        columns = ("column_name", "endpoint_name", "window_start")
        rows = read_rows(open_to_read(self._settings, DRIFT_FINDINGS.name), columns, confirmed)
        # A window that was judged again counts once.
        seen = {(row["endpoint_name"] or "", row["column_name"] or "", row["window_start"]) for row in rows.to_pylist()}
        counted = Counter((endpoint, column) for endpoint, column, _ in seen)
        return gauge(
            "lakehelm_drift_confirmed_windows",
            "Windows of the last hour in which drift of a column was confirmed.",
            [
                Sample(count, {"endpoint_name": endpoint, "column_name": column})
                for (endpoint, column), count in sorted(counted.items())
            ],
        )


def _newest_runs(table: "DeltaTable") -> tuple[list[dict[str, Any]], dict[str, datetime]]:
    """The rows of each job's newest run, and when each job last succeeded."""
    rows = read_rows(table, ("run_id", "job", "started_at", "finished_at", "state"))
    newest: dict[str, tuple[datetime, str]] = {}
    succeeded: dict[str, datetime] = {}
    for row in rows.to_pylist():
        job, started = row["job"], row["started_at"]
        if job and started and (job not in newest or started > newest[job][0]):
            newest[job] = (started, row["run_id"])
        if job and row["state"] == "succeeded" and row["finished_at"]:
            succeeded[job] = max(row["finished_at"], succeeded.get(job, row["finished_at"]))
    ids = pa.array([run_id for _, run_id in newest.values()], pa.string())
    return read_rows(table, where=pc.field("run_id").isin(ids)).to_pylist(), succeeded


def _run_figures(runs: list[dict[str, Any]], succeeded: dict[str, datetime]) -> list[Family]:
    ordered = sorted(runs, key=lambda run: str(run["job"]))
    ended = [run for run in ordered if run["finished_at"]]
    return [
        gauge(
            "lakehelm_job_last_start_timestamp_seconds",
            "When the newest run of a job began, Unix time.",
            [Sample(run["started_at"].timestamp(), _job(run)) for run in ordered],
        ),
        gauge(
            "lakehelm_job_last_success_timestamp_seconds",
            "When a job last succeeded, Unix time.",
            [Sample(time.timestamp(), {"job": job}) for job, time in sorted(succeeded.items())],
        ),
        gauge(
            "lakehelm_job_running",
            "Whether the newest run of a job is under way.",
            [Sample(float(run["state"] == "running"), _job(run)) for run in ordered],
        ),
        gauge(
            "lakehelm_job_last_run_succeeded",
            "Whether the newest run of a job that has ended went well.",
            [Sample(float(run["state"] == "succeeded"), _job(run)) for run in ordered if run["state"] != "running"],
        ),
        gauge(
            "lakehelm_job_last_duration_seconds",
            "How long the newest run of a job took.",
            [Sample((run["finished_at"] - run["started_at"]).total_seconds(), _job(run)) for run in ended],
        ),
        gauge(
            "lakehelm_job_last_rows",
            "Requests that the newest run of a job dealt with, by what became of them.",
            [
                Sample(run[f"rows_{kind}"], {**_job(run), "rows": kind})
                for run in ended
                for kind in _ROWS
                if run.get(f"rows_{kind}") is not None
            ],
        ),
        gauge(
            "lakehelm_job_last_stage_seconds",
            "Where the time of the newest run of a job went.",
            [
                Sample(seconds, {**_job(run), "stage": stage})
                for run in ended
                for stage, seconds in sorted(run["stage_seconds"].items())
            ],
        ),
    ]


def _job(run: dict[str, Any]) -> dict[str, str]:
    return {"job": str(run["job"])}


def _alerts(table: "DeltaTable") -> list[Alert]:
    return [alert for alert in alerts_in(read_rows(table).to_pylist()) if alert.closed_at is None]


def _alert_figure(alerts: Iterable[Alert], now: datetime) -> Family:
    """Alerts that are not resolved; a silence that is over fires again."""
    states = Counter(
        ("open" if alert.state == "silenced" and not alert.quiet(now) else alert.state, alert.severity, alert.rule)
        for alert in alerts
    )
    return gauge(
        "lakehelm_alerts",
        "Alerts that are not resolved, by state, severity and rule.",
        [
            Sample(count, {"state": state, "severity": severity, "rule": rule})
            for (state, severity, rule), count in sorted(states.items())
        ],
    )


def _waiting_deliveries(table: "DeltaTable") -> Counter[str]:
    columns = ("delivery_id", "channel", "state", "attempt", "time", "next_try_at")
    last: dict[str, dict[str, Any]] = {}
    for row in sorted(read_rows(table, columns).to_pylist(), key=lambda row: (row["time"], row["attempt"] or 0)):
        last[row["delivery_id"]] = row
    waiting = (row for row in last.values() if row["next_try_at"] and row["state"] not in (_DELIVERED, _GIVEN_UP))
    return Counter(row["channel"] or "" for row in waiting)


def _delivery_figure(waiting: Counter[str]) -> Family:
    return gauge(
        "lakehelm_alert_deliveries_waiting",
        "Messages about alerts that did not arrive yet and are tried again.",
        [Sample(count, {"channel": channel}) for channel, count in sorted(waiting.items())],
    )
