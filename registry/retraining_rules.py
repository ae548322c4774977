"""The rules of retraining: one TOML file that people read and change (`registry/retraining_rules.toml`).

A file of the user's own (`settings.retraining_rules_file`) is laid over it. Nothing has a default in code. What the
rules say of a moment is pure: the past retrainings and the open alerts in, a reason to start one out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lakehouse.pipelines import Pipeline
from registry.rules_files import read_rules, wrong_rule
from settings import Settings

OWN_FILE = Path(__file__).with_name("retraining_rules.toml")
WEEK = timedelta(days=7)

TriggerWord = Literal["alert", "schedule", "request", "command"]
"""Why a retraining began: a trigger of the rules, or a person on a page or at a terminal."""
BY_RULES: frozenset[TriggerWord] = frozenset({"alert", "schedule"})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TriggerRules(_Section):
    """What starts a retraining without anybody asking."""

    by_alert: bool
    alert_rules: tuple[str, ...]
    every_days: float = Field(ge=0, le=3650)
    dry_run: bool


class LimitRules(_Section):
    """What keeps triggers from starting too many."""

    cooldown_hours: float = Field(ge=0, le=8760)
    most_per_week: int = Field(ge=0)


class TrainingRules(_Section):
    """What is trained."""

    kind: str
    if_nothing_is_new: Literal["stop", "train"]


class CanaryRules(_Section):
    """Whether, and in which steps, a version that passed the gate gets a part of the traffic."""

    on: bool
    shares: tuple[int, ...] = Field(min_length=1)
    hold_minutes: float = Field(gt=0, le=43_200)

    @model_validator(mode="after")
    def _shares_grow(self) -> Self:
        grow = all(later > earlier for earlier, later in pairwise(self.shares))
        if not grow or self.shares[0] < 1 or self.shares[-1] > 99:
            raise ValueError("the shares are whole per cents from 1 to 99, each larger than the one before")
        return self


class PromotionRules(_Section):
    """Whether a version goes to everybody without a person."""

    on: bool


class DatabricksRules(_Section):
    """The job that trains on Databricks."""

    job_id: int = Field(ge=0)
    pipeline_parameter: str = Field(pattern=r"^[A-Za-z0-9_.-]*$")


class RetrainingRules(_Section):
    """Everything in the rules file."""

    triggers: TriggerRules
    limits: LimitRules
    training: TrainingRules
    canary: CanaryRules
    promotion: PromotionRules
    databricks: DatabricksRules

    @property
    def shares(self) -> tuple[int, ...]:
        """The steps of a canary, in per cent: with promotion on, the last one is everybody."""
        return (*self.canary.shares, 100) if self.promotion.on else self.canary.shares


@dataclass(frozen=True)
class PastRetraining:
    """What the rules want to know of a retraining that was begun."""

    started_at: datetime
    trigger: str
    dry_run: bool
    alert_id: str = ""


@dataclass(frozen=True)
class OpenAlert:
    """What the rules want to know of an alert that is open."""

    alert_id: str
    rule: str
    opened_at: datetime
    sentence: str


@dataclass(frozen=True)
class Start:
    """A reason to start a retraining now. `reason` is a sentence for people."""

    trigger: TriggerWord
    reason: str
    alert_id: str = ""


def load_retraining_rules(settings: Settings) -> RetrainingRules:
    """The rules that hold: `registry/retraining_rules.toml`, and over it the file of the settings.

    Raises: RegistryError, naming file, key and value, if a file cannot be read or holds what is no rule.
    """
    rules, file = read_rules(OWN_FILE, settings.retraining_rules_file, "LAKEHELM_RETRAINING_RULES_FILE")
    try:
        return RetrainingRules.model_validate(rules)
    except ValidationError as error:
        raise wrong_rule(error, file, OWN_FILE) from error


def past_of(pipelines: Sequence[Pipeline]) -> list[PastRetraining]:
    """What the rules want to know of the retrainings that were begun."""
    return [
        PastRetraining(one.started_at, one.trigger, one.dry_run, one.found("alert_id"))
        for one in pipelines
        if one.started_at is not None
    ]


def counted(past: Sequence[PastRetraining]) -> list[PastRetraining]:
    """The retrainings that count against cooldown and budget: all but a person's dry runs."""
    return [one for one in past if not one.dry_run or one.trigger in BY_RULES]


def why_no_job(settings: Settings, rules: RetrainingRules) -> str:
    """Why nothing can be trained on Databricks, as a sentence; empty if it can, or training happens here."""
    if not settings.on_databricks or rules.databricks.job_id:
        return ""
    return (
        "There is no job to train with on Databricks: set job_id in the rules of retraining "
        f"(LAKEHELM_RETRAINING_RULES_FILE; {OWN_FILE.name} says how)."
    )


def why_not_now(rules: RetrainingRules, past: Sequence[PastRetraining], now: datetime) -> str:
    """Why no trigger may start a retraining at `now`, as a sentence; empty if one may."""
    those = counted(past)
    last = max((one.started_at for one in those), default=None)
    cooldown = timedelta(hours=rules.limits.cooldown_hours)
    if last is not None and now - last < cooldown:
        return (
            f"The last retraining began at {last:%Y-%m-%d %H:%M} UTC; triggers wait until "
            f"{last + cooldown:%Y-%m-%d %H:%M} UTC (cooldown_hours = {rules.limits.cooldown_hours:g})."
        )
    week = sum(now - one.started_at < WEEK for one in those)
    if week >= rules.limits.most_per_week:
        return (
            f"There were {week} retrainings in the last seven days, and triggers may start no more than "
            f"{rules.limits.most_per_week} (most_per_week)."
        )
    return ""


def why_now(
    rules: RetrainingRules, past: Sequence[PastRetraining], alerts: Sequence[OpenAlert], now: datetime
) -> Start | None:
    """The reason for which a trigger starts a retraining at `now`; None if there is none, or it has to wait.

    An alert starts one only once, and the oldest that has not comes first.
    """
    if why_not_now(rules, past, now):
        return None
    if rules.triggers.by_alert:
        used = {one.alert_id for one in past}
        fitting = [one for one in alerts if _fits(one.rule, rules.triggers.alert_rules) and one.alert_id not in used]
        if fitting:
            first = min(fitting, key=lambda one: one.opened_at)
            return Start("alert", f"Alert {first.rule}: {first.sentence}", first.alert_id)
    every = timedelta(days=rules.triggers.every_days)
    last = max((one.started_at for one in counted(past)), default=None)
    if every and (last is None or now - last >= every):
        said = f"the last one began at {last:%Y-%m-%d %H:%M} UTC" if last else "there was none yet"
        return Start("schedule", f"Every {rules.triggers.every_days:g} days, and {said}.")
    return None


def _fits(rule: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(rule, pattern) for pattern in patterns)
