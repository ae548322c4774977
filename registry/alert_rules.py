"""The rules of the alerts: one TOML file that people read and change (`registry/alert_rules.toml`).

A file of the user's own (`settings.alert_rules_file`) is laid over it and may have further rules. Nothing has a default
in code: what a rule does not say stands in the file's `[defaults]`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from registry.errors import RegistryError
from registry.rules_files import read_rules, wrong_rule
from settings import Settings

OWN_FILE = Path(__file__).with_name("alert_rules.toml")
VARIABLE = "LAKEHELM_ALERT_RULES_FILE"

Severity = Literal["page", "ticket", "notice"]
FigureName = Literal[
    "errors",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "flagged_answers",
    "flagged_prompts",
    "perplexity",
    "grade",
    "answer_tokens",
    "cost",
    "requests",
]
_LONGEST_MINUTES = 7 * 24 * 60.0
Minutes = Annotated[float, Field(gt=0, le=_LONGEST_MINUTES)]
_NAME = r"[a-z][a-z0-9_]{0,39}"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GeneralRules(_Section):
    """What holds for all rules together."""

    look_seconds: float = Field(gt=0, le=3600)
    resolved_by_hand_minutes: float = Field(ge=0)
    suspect_hours: float = Field(ge=0)
    stale_minutes: float = Field(gt=0)


class WebhookRules(_Section):
    """How and of what a webhook is told."""

    shape: Literal["slack", "json"]
    severities: tuple[Severity, ...]


class MailRules(_Section):
    """Which mail server tells whom of what. Without a host nobody is told."""

    host: str
    port: int = Field(ge=1, le=65535)
    security: Literal["starttls", "tls", "none"]
    user: str
    sender: str
    to: tuple[str, ...]
    severities: tuple[Severity, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.host and not (self.sender and self.to):
            raise ValueError("with a host, mail needs a sender and somebody in `to`")
        if any(not address.isprintable() or address.count("@") != 1 for address in (*self.to, self.sender) if address):
            raise ValueError("each address has one @ and nothing that cannot be printed")
        if self.user and self.security == "none":
            raise ValueError('a password is not sent in the clear: `security` is "starttls" or "tls" with a user')
        return self


class DeliveryRules(_Section):
    """How people are told, and how long it is tried."""

    dashboard_url: str = Field(pattern=r"^(https?://\S+)?$")
    group_seconds: float = Field(ge=0, le=3600)
    timeout_seconds: float = Field(gt=0, le=300)
    first_pause_seconds: float = Field(gt=0)
    longest_pause_seconds: float = Field(gt=0)
    give_up_hours: float = Field(gt=0)
    webhook: WebhookRules
    mail: MailRules


class _Rule(_Section):
    """What every rule says."""

    on: bool
    title: str = Field(min_length=1, max_length=60)
    severity: Severity
    for_minutes: float = Field(ge=0)
    clear_minutes: float = Field(ge=0)
    endpoint: str
    runbook: str = Field(pattern=r"^[a-z0-9-]+$")
    least_count: int = Field(ge=1)


class ThresholdRule(_Rule):
    """A figure above or below a limit."""

    kind: Literal["threshold"]
    figure: FigureName
    above: float | None = None
    below: float | None = None
    clears_at: float
    over_minutes: Minutes
    by_version: bool
    certain: bool

    @property
    def limit(self) -> float:
        """The limit, whichever side of it is wrong."""
        return float(self.below if self.above is None else self.above)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("a threshold is `above` or `below` a limit: give one of the two")
        if self.above is not None and self.clears_at > self.above:
            raise ValueError("`clears_at` cannot be over the limit `above`")
        if self.below is not None and (self.clears_at < self.below or self.certain):
            raise ValueError("`below` needs a `clears_at` that is not under it, and `certain` = false")
        if self.below is not None and self.figure == "requests" and self.by_version:
            raise ValueError("requests `below` a limit are those of all versions: `by_version` = false")
        return self


class DriftRule(_Rule):
    """What the judgement of drift has confirmed."""

    kind: Literal["drift"]
    columns: tuple[str, ...] = Field(min_length=1)
    slices: bool


class BurnWindow(_Section):
    """A long and a short window, and how many times too fast the budget must be used up in both."""

    long_minutes: Minutes
    short_minutes: Minutes
    factor: float = Field(gt=0)
    severity: Severity

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.short_minutes >= self.long_minutes:
            raise ValueError("the short window is shorter than the long one")
        return self


class BurnRateRule(_Rule):
    """How fast the error budget of an objective is used up."""

    kind: Literal["burn_rate"]
    of: Literal["errors", "slow"]
    slower_than_ms: float | None = Field(default=None, gt=0)
    objective: float = Field(gt=0, lt=1)
    windows: tuple[BurnWindow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _slow_has_a_limit(self) -> Self:
        if (self.of == "slow") != (self.slower_than_ms is not None):
            raise ValueError('`slower_than_ms` goes with `of` = "slow", and only with it')
        return self


class NoDataRule(_Rule):
    """No request, at a time of day when there are some."""

    kind: Literal["no_data"]
    over_minutes: Minutes


class JobLateRule(_Rule):
    """A job that has not succeeded for too long."""

    kind: Literal["job_late"]
    job: str = Field(pattern=r"^[a-z][a-z-]*$")
    late_minutes: Minutes


class EndpointDownRule(_Rule):
    """An endpoint that does not answer."""

    kind: Literal["endpoint_down"]


class BudgetRule(_Rule):
    """What answers may cost in a UTC day or month."""

    kind: Literal["budget"]
    budget_usd: float = Field(gt=0)
    per: Literal["day", "month"]


Rule = Annotated[
    ThresholdRule | DriftRule | BurnRateRule | NoDataRule | JobLateRule | EndpointDownRule | BudgetRule,
    Field(discriminator="kind"),
]


_NOT_IN_FILE = frozenset({"threshold", "drift", "burn_rate", "no_data", "job_late", "endpoint_down", "budget", "[key]"})


class AlertRules(_Section):
    """Everything in the rules file."""

    general: GeneralRules
    delivery: DeliveryRules
    rules: dict[Annotated[str, Field(pattern=f"^{_NAME}$")], Rule]

    def switched_on(self) -> dict[str, Rule]:
        """The rules that people are told by."""
        return {name: rule for name, rule in self.rules.items() if rule.on}

    def rule(self, name: str) -> Rule:
        """The rule with this name, switched on or not. Raises: RegistryError, if there is none."""
        if name not in self.rules:
            raise RegistryError(f"There is no rule called {name!r}; the rules are {', '.join(self.rules)}.")
        return self.rules[name]


def load_alert_rules(settings: Settings) -> AlertRules:
    """The rules that hold: `registry/alert_rules.toml`, and over it the file of `settings.alert_rules_file`.

    Raises: RegistryError, naming file, key and value, if a file cannot be read or holds what is no rule.
    """
    written, file = read_rules(OWN_FILE, settings.alert_rules_file, VARIABLE)
    defaults, rules = written.pop("defaults", {}), written.get("rules")
    if not isinstance(defaults, dict) or not isinstance(rules, dict):
        raise RegistryError(f"The rules file {file} is wrong: [defaults] and [rules.NAME] are sections. Mend it.")
    filled: dict[str, Any] = {
        name: {**defaults, **rule} if isinstance(rule, dict) else rule for name, rule in rules.items()
    }
    try:
        return AlertRules.model_validate({**written, "rules": filled})
    except ValidationError as error:
        raise wrong_rule(error, file, OWN_FILE, _NOT_IN_FILE) from error
