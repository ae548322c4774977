"""The rules of the promotion gate and of the guard: one TOML file that people read and change (`registry/rules.toml`).

A file of the user's own (`settings.gate_rules_file`) is laid over it. Nothing has a default in code: what holds is
what stands in the files.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.rules_files import read_rules, wrong_rule
from settings import Settings

OWN_FILE = Path(__file__).with_name("rules.toml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AnswerRules(_Section):
    """How an answer is read: which phrases (lower case) make it a refusal."""

    refusal_phrases: tuple[str, ...]


class CheckRule(_Section):
    """What a check of the gate does when it fails or cannot run: `stop` the promotion, or only `warn`."""

    if_failed: Literal["stop", "warn"]
    if_it_could_not_run: Literal["stop", "warn"]


class EvaluationRule(CheckRule):
    """How old an evaluation may be."""

    most_age_days: float = Field(gt=0)


class FailuresRule(CheckRule):
    """The share of questions, 0 to 1, that may get no answer."""

    most_share: float = Field(ge=0, le=1)


class GoldenRule(CheckRule):
    """The share, 0 to 1, of golden questions that must be answered (or turned down) rightly."""

    least_questions: int = Field(ge=1)
    least_share: float = Field(ge=0, le=1)


class GroundingRule(CheckRule):
    """The mean share, 0 to 1, of an answer's runs of words that must stand in the sources."""

    least_answers: int = Field(ge=1)
    least_mean: float = Field(ge=0, le=1)


class ReplayRule(CheckRule):
    """How many logged prompts must have been asked again."""

    least_prompts: int = Field(ge=1)


class PerplexityRule(CheckRule):
    """How many times the live answers' perplexity is allowed."""

    least_prompts: int = Field(ge=2)
    most_times_the_live: float = Field(gt=0)


class ReadabilityRule(CheckRule):
    """How many school years harder to read than the live answers is allowed."""

    least_prompts: int = Field(ge=2)
    most_grades_above_the_live: float = Field(ge=0)


class ToxicityRule(CheckRule):
    """The share of answers, 0 to 1, that may be flagged as toxic."""

    least_answers: int = Field(ge=1)
    most_share: float = Field(ge=0, le=1)


class CostRule(CheckRule):
    """What an answer may cost on average, in US dollars and beside the live version."""

    least_prompts: int = Field(ge=1)
    most_usd_per_answer: float = Field(ge=0)
    most_times_the_live: float = Field(gt=0)


class LatencyRule(CheckRule):
    """Seconds that 95 % of the answers must stay under, and how many times the live version's above `calm_seconds`."""

    least_prompts: int = Field(ge=1)
    most_seconds: float = Field(gt=0)
    most_times_the_live: float = Field(gt=0)
    calm_seconds: float = Field(ge=0)


class GateRules(_Section):
    """One rule for each check of the gate."""

    evaluation: EvaluationRule
    loading: CheckRule
    signature: CheckRule
    requirements: CheckRule
    failures: FailuresRule
    golden_answers: GoldenRule
    golden_refusals: GoldenRule
    grounding: GroundingRule
    replay: ReplayRule
    perplexity: PerplexityRule
    readability: ReadabilityRule
    toxicity: ToxicityRule
    cost: CostRule
    latency: LatencyRule


class GuardRule(_Section):
    """When a figure is a breach: above `most`, and above `most_times_before` times that of the version before.

    Both figures need `least_samples` answers; without enough of the version before, `most` alone counts.
    """

    most: float = Field(ge=0)
    most_times_before: float | None = Field(default=None, gt=0)
    least_samples: int = Field(ge=1)


class GuardRules(_Section):
    """What the guard watches, for `watch_minutes` after a change: errors and toxicity as shares (0 to 1), latency as
    the 95th percentile in milliseconds, perplexity and cost (US dollars) as means.
    """

    watch_minutes: float = Field(gt=0)
    errors: GuardRule
    latency: GuardRule
    toxicity: GuardRule
    perplexity: GuardRule
    cost: GuardRule


class Rules(_Section):
    """Everything in the rules file."""

    answers: AnswerRules
    gate: GateRules
    guard: GuardRules


def load_rules(settings: Settings) -> Rules:
    """The rules that hold: `registry/rules.toml`, and over it the file of `settings.gate_rules_file`.

    Raises: RegistryError, naming file, key and value, if a file cannot be read or holds what is no rule.
    """
    rules, file = read_rules(OWN_FILE, settings.gate_rules_file, "LAKEHELM_GATE_RULES_FILE")
    try:
        return Rules.model_validate(rules)
    except ValidationError as error:
        raise wrong_rule(error, file, OWN_FILE) from error
