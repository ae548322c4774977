"""What the rules of alerts are judged by: rollups, findings of drift, runs of jobs, and what endpoints answer.

A look at now and a dry run of the past take the same facts; a dry run reads them once for all of its moments.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.alert_figures import REQUESTS, RollupReader, Rollups, minute_of
from jobs.drift_windows import DELIVERY, FOREIGN_DELIVERY, position_of
from lakehouse.drift_tables import DRIFT_FINDINGS
from lakehouse.errors import TableMissing
from lakehouse.store import is_foreign, open_uri, read_rows, storage_options, table_id, table_uri
from lakehouse.tables import REQUEST_METRICS
from registry.alert_rules import (
    AlertRules,
    BudgetRule,
    BurnRateRule,
    DriftRule,
    EndpointDownRule,
    JobLateRule,
    NoDataRule,
    Rule,
    ThresholdRule,
)
from serving.client import EndpointClient
from serving.errors import RequestRejected, ServingError
from settings import Settings

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

LATENCY = "execution_duration_ms"
COST = "cost_usd"
METRICS: dict[str, str] = {
    "errors": REQUESTS,
    "requests": REQUESTS,
    "latency_p50": LATENCY,
    "latency_p95": LATENCY,
    "latency_p99": LATENCY,
    "flagged_answers": "response_toxicity",
    "flagged_prompts": "prompt_toxicity",
    "perplexity": "response_perplexity",
    "grade": "response_fk_grade",
    "answer_tokens": "completion_tokens",
    "cost": COST,
}
"""Which metric of the rollups a figure of a threshold is made of."""

RUNS_LOOKED_AT = timedelta(days=7)
USUAL_DAYS = 7
"""Of so many days before, the same stretch of the day says how many requests are usual."""
MINUTES = {"5 minutes": 5, "1 hour": 60, "1 day": 1440}
_LONGEST_MONTH = timedelta(days=31)
_FINDING_COLUMNS = tuple(name for name in DRIFT_FINDINGS.schema.names if name not in ("sentence", "evidence"))
"""Findings without what may hold people's words: alerts leave the machine."""


@dataclass(frozen=True)
class Probe:
    """What an endpoint answered when it was asked for its state. `down`: None where that cannot be told."""

    down: bool | None
    sentence: str
    in_a_row: int = 0


@dataclass(frozen=True)
class Facts:
    """All that the rules are judged by at a moment. Empty where a table has nothing yet."""

    settings: Settings
    rules: AlertRules
    minute: Mapping[str, Rollups] = field(default_factory=dict)
    quarter: Mapping[str, Rollups] = field(default_factory=dict)
    findings: tuple[dict[str, Any], ...] = ()
    """Confirmed findings of drift, oldest window first."""
    judged_until: datetime | None = None
    """Up to when windows are judged for drift; None where that is not known. A past is judged without delay."""
    succeeded: Mapping[str, list[datetime]] = field(default_factory=dict)
    """When runs of a job ended well, oldest first."""
    caught_up: tuple[tuple[datetime, datetime], ...] = ()
    """(when it was known, up to when all requests were scored), oldest first. What may still be delivered is not in."""
    probes: Mapping[str, Probe] = field(default_factory=dict)

    def endpoint_of(self, rule: Rule) -> str:
        """The endpoint that a rule is about."""
        return rule.endpoint or self.settings.endpoint

    def end_of_data(self, endpoint: str, now: datetime) -> int | None:
        """The minute up to which an endpoint's requests are known; None where that is too long ago to tell of now."""
        rollups = self.minute.get(endpoint)
        end = rollups.newest(minute_of(now) + 1) if rollups is not None else None
        if end is None or minute_of(now) - end > self.rules.general.stale_minutes:
            return None
        return end

    def known_until(self, now: datetime) -> datetime | None:
        """Up to when every request is scored, as it was known at `now`; None where nothing was."""
        place = bisect_right(self.caught_up, now, key=lambda one: one[0])
        return self.caught_up[place - 1][1] if place else None

    def end_of_known(self, now: datetime) -> int | None:
        """The minute up to which every request is scored; None where that is too long ago to tell of now."""
        known = self.known_until(now)
        if known is None or now - known > timedelta(minutes=self.rules.general.stale_minutes):
            return None
        return minute_of(known)


class FactReader:
    """Gathers the facts of now, look after look; tables that have not changed are not read again."""

    def __init__(self, settings: Settings, client: EndpointClient | None = None) -> None:
        self.settings = settings
        self._client = client
        self._minute = RollupReader(settings, "metrics_minute")
        self._quarter = RollupReader(settings, "metrics_15min", histograms=False)
        self._failed: dict[str, int] = defaultdict(int)
        self._kept: dict[str, tuple[tuple[str, int, datetime], list[dict[str, Any]]]] = {}
        """Rows by table, and the table's id, its version and the time from which on they are."""
        self._judged: tuple[tuple[str, int], datetime | None] | None = None
        """Up to when windows were judged, and the id and the version of the findings in which that stands."""

    def read(self, rules: AlertRules, now: datetime, *, back_to: datetime | None = None) -> Facts:
        """The facts for the rules that are switched on (all of them for a past), as of `now`.

        back_to: the first moment of a past that is to be judged, too; endpoints are not asked then.
        Raises: LakehouseError.
        """
        wanted = list((rules.switched_on() if back_to is None else rules.rules).values())
        first = back_to or now
        minutes = max((_minutes_needed(rule) for rule in wanted), default=0.0) + rules.general.stale_minutes
        quarters = max((_quarters_needed(rule) for rule in wanted), default=timedelta(0))
        metrics = frozenset(metric for rule in wanted for metric in _metrics(rule))
        coarse = frozenset({REQUESTS, COST})
        succeeded, caught_up = self._runs(_day(first - RUNS_LOOKED_AT))
        drift = _any(wanted, DriftRule)
        return Facts(
            settings=self.settings,
            rules=rules,
            minute=self._minute.read(_day(first - timedelta(minutes=minutes)), metrics),
            quarter=self._quarter.read(_day(first - quarters), coarse) if quarters else {},
            findings=self._findings(_day(first - timedelta(days=1))) if drift else (),
            judged_until=self._judged_until() if drift and back_to is None else None,
            succeeded=succeeded,
            caught_up=caught_up,
            probes={} if back_to is not None else self._probes(wanted),
        )

    def _open(self, table: str) -> "DeltaTable | None":
        uri = table_uri(self.settings, table)
        try:
            return open_uri(uri, storage_options(self.settings, uri))
        except TableMissing:
            return None

    def _rows(
        self, table: str, columns: tuple[str, ...], since: datetime, where: "ds.Expression"
    ) -> list[dict[str, Any]]:
        """Rows of a log; those that are kept, as long as nothing was added to it."""
        opened = self._open(table)
        if opened is None:
            return []
        known = (table_id(opened), int(opened.version()), since)
        if table not in self._kept or self._kept[table][0] != known:
            self._kept[table] = known, read_rows(opened, columns, where).to_pylist()
        return self._kept[table][1]

    def _findings(self, since: datetime) -> tuple[dict[str, Any], ...]:
        recent = (pc.field("window_start") >= since) & pc.field("confirmed")
        rows = self._rows(DRIFT_FINDINGS.name, _FINDING_COLUMNS, since, recent)
        known = [row for row in rows if row["window_end"] is not None and row["column_name"]]
        return tuple(sorted(known, key=lambda row: (row["window_end"], row["finding_id"] or "")))

    def _judged_until(self) -> datetime | None:
        findings = self._open(DRIFT_FINDINGS.name)
        if findings is None:
            return None
        known = (table_id(findings), int(findings.version()))
        if self._judged is None or self._judged[0] != known:
            source = self._open(REQUEST_METRICS.name)
            position = position_of(findings, source) if source is not None else None
            self._judged = known, position.closed_until if position is not None else None
        return self._judged[1]

    def _runs(self, since: datetime) -> tuple[dict[str, list[datetime]], tuple[tuple[datetime, datetime], ...]]:
        columns = ("job", "state", "started_at", "finished_at", "rows_waiting")
        good = (pc.field("started_at") >= since) & (pc.field("state") == "succeeded")
        succeeded: dict[str, list[datetime]] = defaultdict(list)
        caught_up = []
        delivery = FOREIGN_DELIVERY if is_foreign(self.settings, "inference_table") else DELIVERY
        for row in self._rows("job_runs", columns, since, good):
            ended = row["finished_at"] or row["started_at"]
            succeeded[row["job"]].append(ended)
            if row["job"] == "score" and not row["rows_waiting"]:
                caught_up.append((ended.astimezone(UTC), row["started_at"].astimezone(UTC) - delivery))
        return {job: sorted(ends) for job, ends in succeeded.items()}, tuple(sorted(caught_up))

    def _probes(self, wanted: Iterable[Rule]) -> dict[str, Probe]:
        if self._client is None:
            return {}
        names = {rule.endpoint or self.settings.endpoint for rule in wanted if isinstance(rule, EndpointDownRule)}
        found = {}
        for name in sorted(names):
            down, sentence = probe(self._client, name)
            self._failed[name] = self._failed[name] + 1 if down else 0
            found[name] = Probe(down, sentence, self._failed[name])
        return found


def probe(client: EndpointClient, name: str) -> tuple[bool | None, str]:
    """Whether an endpoint is down, and why; None where it cannot be told, as where our token may not ask.

    An endpoint that is not there is told apart by whether it ever had requests: that is for the rule.
    """
    try:
        endpoint = client.get(name)
    except RequestRejected as error:
        return None, str(error)
    except (ServingError, OSError) as error:
        return True, str(error)
    if endpoint is None:
        return True, f"There is no endpoint {name}."
    if not endpoint.ready:
        return True, f"The endpoint {name} is not ready."
    waiting = [one.name for one in endpoint.served if one.traffic and not one.ready]
    if waiting:
        return True, f"{waiting[0]} has traffic and is not ready."
    return False, f"The endpoint {name} is ready."


def late_after(settings: Settings, rule: JobLateRule) -> timedelta:
    """After how long without a success a job is late: as the rule says, but three of its intervals at least."""
    own = timedelta(minutes=rule.late_minutes)
    return max(own, timedelta(seconds=3 * settings.metrics_interval_seconds)) if rule.job == "score" else own


def _day(time: datetime) -> datetime:
    """The beginning of the day: a bound that moves on only once a day, so that what was read stays enough."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _minutes_needed(rule: Rule) -> float:
    """How far back, in minutes, a rule looks at the rollup of minutes."""
    if isinstance(rule, ThresholdRule | NoDataRule):
        return rule.over_minutes
    if isinstance(rule, BurnRateRule):
        return max(window.long_minutes for window in rule.windows)
    return 0.0


def _quarters_needed(rule: Rule) -> timedelta:
    if isinstance(rule, NoDataRule):
        return timedelta(days=USUAL_DAYS, minutes=math.ceil(rule.over_minutes) + 60)
    return _LONGEST_MONTH if isinstance(rule, BudgetRule) else timedelta(0)


def _metrics(rule: Rule) -> set[str]:
    if isinstance(rule, ThresholdRule):
        return {REQUESTS, METRICS[rule.figure]}
    if isinstance(rule, BurnRateRule):
        return {REQUESTS, *([LATENCY] if rule.of == "slow" else [])}
    return {REQUESTS}


def _any(rules: Iterable[Rule], kind: type) -> bool:
    return any(isinstance(rule, kind) for rule in rules)
