"""What was judged to have drifted, as the tables were at the moment that the pages show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.drift_findings import Drift, Finding, finding_of
from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, select_records, shown
from lakehouse import runs

MOST_FINDINGS = 1_000
"""Findings that a page reads: the newest of its time."""
LENGTHS = {"5 minutes": timedelta(minutes=5), "1 hour": timedelta(hours=1), "1 day": timedelta(days=1)}
"""How long a window of a granularity is."""

_LONGEST_WINDOW = timedelta(days=1)


@dataclass(frozen=True)
class Judged:
    """How far drift was judged. `windows_end`: granularity → end (UTC) of its newest window in the profile table."""

    windows_end: dict[str, datetime]
    last_run: dict[str, Any] | None
    """The newest run of the drift job, with the columns of `job_runs`; None if it never ran."""

    @property
    def until(self) -> datetime | None:
        """The end of the newest window of all."""
        return max(self.windows_end.values(), default=None)


def findings(endpoint: str, period: Period) -> list[Finding]:
    """What was found in windows that touch a period, the newest window first; at most `MOST_FINDINGS`.

    A window that was judged again counts as it was judged last. Findings without an endpoint are of every endpoint.
    Raises: QueryFailed, LakehouseError.
    """
    rows = _findings(shown("drift_findings"), endpoint, period.start, period.end)
    return [finding_of(row) for row in rows]


def finding(finding_id: str) -> Finding | None:
    """One finding; None where there is no such. Raises: QueryFailed, LakehouseError."""
    rows = _one_finding(shown("drift_findings"), finding_id) if finding_id else []
    return finding_of(rows[0]) if rows else None


def drifts(found: Sequence[Finding], judged: Judged) -> list[Drift]:
    """Findings of the same thing together: what goes on first, then what was confirmed, then the newest.

    found: the newest first. A drift goes on if one of the last two windows of its granularity has it.
    """
    by_thing: dict[tuple[str, ...], list[Finding]] = {}
    for one in found:
        by_thing.setdefault(one.about, []).append(one)
    together = [Drift(tuple(group), _ongoing(group[0], judged)) for group in by_thing.values()]
    return sorted(
        together,
        key=lambda drift: (not (drift.ongoing and drift.confirmed), not drift.confirmed, not drift.ongoing),
    )


def judged_until() -> Judged:
    """How far drift was judged at the moment that the pages show. Raises: QueryFailed, LakehouseError."""
    found: dict[str, datetime] = _windows_end(shown("request_metrics_profile_metrics"))
    newest = runs.runs_in(_run_rows(shown("job_runs")))
    return Judged(found, newest[0] if newest else None)


def example_requests(of: Finding) -> list[dict[str, Any]]:
    """The example requests of a finding that the tables still have, each with its id, time, date and version.

    Raises: QueryFailed, LakehouseError.
    """
    found: list[dict[str, Any]] = _examples(shown("request_metrics"), of.examples, of.seen_since, of.window_end)
    return found


@kept(max_entries=16)
def _findings(snapshot: Snapshot, endpoint: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this
           WHERE window_end > $start AND window_start < $end AND coalesce(endpoint_name, '') IN ('', '*', $endpoint)
           QUALIFY row_number() OVER (
               PARTITION BY endpoint_name, column_name, slice_key, slice_value, granularity, drift_type, window_start
               ORDER BY judged_at DESC, finding_id) = 1
           ORDER BY window_end DESC, confirmed DESC, q_value LIMIT $most""",
        # A window that began before the period may reach into it.
        span=(start - _LONGEST_WINDOW, end),
        start=start,
        end=end,
        endpoint=endpoint,
        most=MOST_FINDINGS,
    )


@kept(max_entries=16)
def _one_finding(snapshot: Snapshot, finding_id: str) -> list[dict[str, Any]]:
    sql = "SELECT * FROM this WHERE finding_id = $finding_id ORDER BY judged_at DESC LIMIT 1"
    return select_records(snapshot, sql, finding_id=finding_id)


@kept(max_entries=8)
def _windows_end(snapshot: Snapshot) -> dict[str, datetime]:
    sql = 'SELECT granularity, max("window"."end") AS until FROM this GROUP BY ALL HAVING until IS NOT NULL'
    rows = select(snapshot, sql)
    return {row["granularity"]: row["until"].to_pydatetime() for row in rows.to_dict("records") if row["granularity"]}


@kept(max_entries=8)
def _run_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE run_id = (
             SELECT run_id FROM this WHERE job = 'drift' GROUP BY run_id ORDER BY min(started_at) DESC LIMIT 1)""",
    )


@kept(max_entries=16)
def _examples(snapshot: Snapshot, ids: tuple[str, ...], start: datetime, end: datetime) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT databricks_request_id, request_time, request_time::DATE AS request_date, entity_version FROM this
            WHERE request_time >= $start AND request_time < $end AND databricks_request_id = ANY($ids::VARCHAR[])
            ORDER BY list_position($ids::VARCHAR[], databricks_request_id)""",
        span=(start, end),
        start=start,
        end=end,
        ids=list(ids),
    )


def _ongoing(newest: Finding, judged: Judged) -> bool:
    until, length = judged.windows_end.get(newest.granularity), LENGTHS.get(newest.granularity)
    return until is not None and length is not None and newest.window_end > until - 2 * length
