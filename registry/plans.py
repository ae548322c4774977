"""What a change of production is before and after: the state it starts from, the plan, and the report.

Pure data: nothing here asks an endpoint or a registry.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from registry.gate import GateVerdict

Action = Literal["promote", "rollback", "split", "abort", "undo", "finish"]


@dataclass(frozen=True)
class ServedShare:
    """A served entity of an endpoint and its share of the traffic in whole per cent."""

    name: str
    entity_name: str
    entity_version: str
    traffic: int


@dataclass(frozen=True)
class ProductionState:
    """What production is: what the endpoint serves, and where the production model's aliases point (version numbers).

    `config_version` is the endpoint's configuration that this was read from; two states are the same production if
    everything else is equal.
    """

    endpoint: str
    served: tuple[ServedShare, ...]
    champion: str | None
    previous: str | None
    config_version: int = field(default=0, compare=False)

    @property
    def traffic(self) -> dict[str, int]:
        """Version number of the production model → whole per cent."""
        return {share.entity_version: share.traffic for share in self.served}


@dataclass(frozen=True)
class Expectation:
    """What is known beforehand of a figure: its value with the version that is live and with the target.

    `evidence` says where both come from, with n. low, high: the 95 % interval of the difference, where there is one.
    """

    figure: str
    unit: str
    live: float | None
    target: float | None
    evidence: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ChangePlan:
    """What a change will do, made before anybody agrees to it, on the state that was read."""

    action: Action
    before: ProductionState
    after: ProductionState
    """Of a promotion, the version of the copy is not known yet and stands as `new`."""
    target_version: str
    """The version of the production model that gets the traffic (`new` for a promotion's copy)."""
    copy_of: str | None = None
    """The version of the test model that a promotion copies."""
    steps: tuple[str, ...] = ()
    """What will be done, one sentence each, in order."""
    warm: bool | None = None
    """Whether the target answers already; None where the endpoint does not tell."""
    expected: tuple[Expectation, ...] = ()
    warnings: tuple[str, ...] = ()
    gate: "GateVerdict | None" = None
    of_change: str = ""
    """The ledger's id of the change that this one undoes, finishes or approves."""


@dataclass(frozen=True)
class Verification:
    """One thing that was looked at after a change, and what was seen."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class ChangeReport:
    """How a change ended: what was verified, how long it took, and what production is now."""

    change_id: str
    action: Action
    outcome: str
    """`succeeded`, or `succeeded, unverified` where a verification did not pass."""
    seconds: float
    switch_seconds: float
    """From the first call to the endpoint until the new configuration was live."""
    state: ProductionState
    verified: tuple[Verification, ...]
    sentence: str
    evidence: dict[str, Any] = field(default_factory=dict)
