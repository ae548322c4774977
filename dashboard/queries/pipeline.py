"""Retrainings, their rules, and how each step from the handbook to a live version last ran. All from our own tables."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.queries import promotion, registry_ready
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, select_records, shown
from lakehouse import runs
from lakehouse.ledger import Change, changes_in
from lakehouse.pipelines import Pipeline, pipelines_in
from registry.retraining_rules import RetrainingRules, load_retraining_rules, past_of, why_no_job, why_not_now
from registry.versions import ModelVersion
from settings import get_settings

JOB = "retrain"
LOG_LINES = 40
_LOG_BYTES = 16 * 1024


@dataclass(frozen=True)
class Features:
    """The feature table. `version` is its Delta version."""

    version: int
    pages: int
    passages: int
    refreshed_at: datetime | None


@dataclass(frozen=True)
class Evaluated:
    """The evaluation that ended last."""

    entity_name: str
    entity_version: str
    against: str
    started_at: datetime
    finished_at: datetime
    requested_by: str


@dataclass(frozen=True)
class Drifted:
    """What was judged to have drifted in the last 24 hours, in the columns' own names: a finding's sentence may quote
    words of people.
    """

    confirmed: int
    columns: tuple[str, ...]
    latest_id: str


@dataclass(frozen=True)
class RulesNow:
    """The rules that hold, or why they cannot be read; and why no trigger may start a retraining now."""

    rules: RetrainingRules
    why_not_now: str


@dataclass(frozen=True)
class BatchAnswers:
    """Rows in `batch_scores`."""

    rows: int = 0
    without_answer: int = 0
    newest: datetime | None = None
    versions: tuple[str, ...] = field(default_factory=tuple)


def retrainings() -> list[Pipeline]:
    """Every retraining, newest first, at the moment that the pages show. Raises: QueryFailed, LakehouseError."""
    return pipelines_in(get_settings(), _pipeline_rows(shown("pipeline_steps")))


def under_way() -> Pipeline | None:
    """The retraining that is not at its end now. Raises: QueryFailed, LakehouseError."""
    now = pipelines_in(get_settings(), _pipeline_rows(newest("pipeline_steps")))
    return next((one for one in now if one.active and not one.dry_run), None)


def wishes() -> list[dict[str, Any]]:
    """People's wishes for a retraining that no run has taken up yet. Raises: LakehouseError."""
    asked, taken = newest("job_requests"), newest("job_runs")
    if asked.version < 1:
        return []
    found = [wish for wish in _wishes(asked, taken) if wish["job"] == JOB]
    return [wish for wish in found if not (wish["arguments"] or {}).get("next")]


def rules_now() -> RulesNow:
    """The rules of retraining as they hold now. Raises: RegistryError, QueryFailed, LakehouseError."""
    rules = load_retraining_rules(get_settings())
    past = pipelines_in(get_settings(), _pipeline_rows(newest("pipeline_steps")))
    why_not = why_no_job(get_settings(), rules) or why_not_now(rules, past_of(past), datetime.now(UTC))
    return RulesNow(rules, why_not)


def last_run(job: str) -> dict[str, Any] | None:
    """The run of a job that began last, with the columns of `job_runs`. Raises: QueryFailed, LakehouseError."""
    found = runs.runs_in(_run_rows(shown("job_runs"), job))
    return found[0] if found else None


def features() -> Features | None:
    """The feature table; None while there is none. Raises: QueryFailed, LakehouseError."""
    found: Features | None = _features(shown("handbook_chunks"))
    return found


def newest_version() -> ModelVersion | None:
    """The newest version of the test model; None while the registry has not told, or has none. Never waits."""
    if registry_ready.registry_state().state != "ready":
        return None
    seen = promotion.environments().value
    if seen is None:
        return None
    known = [*seen.none, *([seen.staging] if seen.staging else [])]
    return max(known, key=lambda one: int(one.version), default=None)


def registry_has_told() -> bool:
    """Whether it is known which versions there are, none among them. Never waits."""
    state = registry_ready.registry_state().state
    return state == "empty" or (state == "ready" and promotion.environments().value is not None)


def last_evaluation() -> Evaluated | None:
    """The evaluation that ended last. Raises: QueryFailed, LakehouseError."""
    found: Evaluated | None = _evaluated(shown("evaluations"))
    return found


def last_promotion() -> Change | None:
    """The last promotion of the endpoint, or what took its place since. Raises: QueryFailed, LakehouseError."""
    found = changes_in(_production_rows(shown("ledger"), get_settings().endpoint))
    return found[0] if found else None


def batch_answers() -> BatchAnswers:
    """What `batch-score` has answered in all. Raises: QueryFailed, LakehouseError."""
    found: BatchAnswers = _batch_answers(shown("batch_scores"))
    return found


def drifted() -> Drifted:
    """What has drifted in the last 24 hours. Raises: QueryFailed, LakehouseError."""
    since = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=1)
    found: Drifted = _drifted(shown("drift_findings"), get_settings().endpoint, since)
    return found


def log_tail() -> list[str]:
    """The last lines that runs of `retrain` wrote: our own sentences, and where unforeseen errors came from."""
    file = get_settings().home / "logs" / f"{JOB}.log"
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _LOG_BYTES))
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-LOG_LINES:]


# What is kept are the rows, not what they mean: a step whose process dies is told without a new row.
@kept(max_entries=4)
def _pipeline_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    return select_records(snapshot, "SELECT * FROM this")


@kept(max_entries=4, ttl=10)
def _wishes(asked: Snapshot, taken: Snapshot) -> list[dict[str, Any]]:
    return runs.pending_requests(get_settings())


@kept(max_entries=16)
def _run_rows(snapshot: Snapshot, job: str) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE run_id IN (
             SELECT run_id FROM this WHERE job = $job GROUP BY run_id ORDER BY min(started_at) DESC LIMIT 1)""",
        job=job,
    )


@kept(max_entries=4)
def _features(snapshot: Snapshot) -> Features | None:
    (row,) = select_records(
        snapshot,
        "SELECT count(*) AS passages, count(DISTINCT page) AS pages, max(refreshed_at) AS refreshed_at FROM this",
    )
    if not row["passages"]:
        return None
    return Features(snapshot.version, row["pages"], row["passages"], row["refreshed_at"])


@kept(max_entries=4)
def _evaluated(snapshot: Snapshot) -> Evaluated | None:
    found = select_records(
        snapshot,
        """SELECT entity_name, entity_version, live_entity_name, live_entity_version, started_at, finished_at,
             requested_by FROM this ORDER BY finished_at DESC LIMIT 1""",
    )
    if not found:
        return None
    (row,) = found
    live = f"{row['live_entity_name']} version {row['live_entity_version']}" if row["live_entity_version"] else ""
    return Evaluated(
        row["entity_name"],
        row["entity_version"],
        live,
        row["started_at"],
        row["finished_at"],
        row["requested_by"] or "",
    )


@kept(max_entries=8)
def _production_rows(snapshot: Snapshot, endpoint: str) -> list[dict[str, Any]]:
    return select_records(
        snapshot,
        """SELECT * FROM this WHERE change_id IN (
             SELECT change_id FROM this
             WHERE phase = 'intent' AND target = $endpoint
               AND action IN ('promote', 'rollback', 'split', 'abort', 'undo', 'finish')
             ORDER BY time DESC, change_id LIMIT 1)""",
        endpoint=endpoint,
    )


@kept(max_entries=4)
def _batch_answers(snapshot: Snapshot) -> BatchAnswers:
    (row,) = select_records(
        snapshot,
        """SELECT count(*) AS rows, count(*) FILTER (answer IS NULL) AS without_answer,
             max(answered_at) AS newest, list(DISTINCT entity_version) AS versions FROM this""",
    )
    versions = tuple(sorted(str(one) for one in row["versions"] or [] if one is not None))
    return BatchAnswers(row["rows"], row["without_answer"], row["newest"], versions)


@kept(max_entries=8)
def _drifted(snapshot: Snapshot, endpoint: str, since: datetime) -> Drifted:
    found = select_records(
        snapshot,
        """SELECT column_name, finding_id FROM this
           WHERE confirmed AND window_end >= $since AND endpoint_name = $endpoint
           ORDER BY window_end DESC, q_value""",
        since=since,
        endpoint=endpoint,
    )
    columns = tuple(dict.fromkeys(str(one["column_name"]) for one in found))
    return Drifted(len(found), columns, str(found[0]["finding_id"]) if found else "")
