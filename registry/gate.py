"""The gate before Production: what each check found, and whether a version may pass. Pure: evidence in, verdict out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Status = Literal["passed", "failed", "could_not_run"]


@dataclass(frozen=True)
class Check:
    """One check of the gate. `sentence` says in words what was found, or why it could not run.

    `blocking`: whether this check, as it stands, keeps the version from passing.
    """

    name: str
    title: str
    status: Status
    sentence: str
    blocking: bool
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GateVerdict:
    """All checks of one version, from one evaluation (`evaluation_id` is empty, and one check says so, without one)."""

    entity_name: str
    entity_version: str
    checks: tuple[Check, ...]
    evaluation_id: str = ""
    evaluated_at: datetime | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing keeps the version from passing."""
        return bool(self.checks) and not any(check.blocking for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not pass, a sentence each."""
        return tuple(check.sentence for check in self.checks if check.blocking)
