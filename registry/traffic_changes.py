"""The changes of an endpoint's traffic as the ledger tells them, for guard, ramps and looks from outside."""

from dataclasses import dataclass
from datetime import UTC

from lakehouse.claims import is_under_way, view
from lakehouse.ledger import Change
from registry.guard import TrafficChange
from registry.production import from_evidence
from settings import Settings

OUTSIDE = "outside"
"""The action under which the ledger has a change that was made without Lakehelm."""

CHANGES_TRAFFIC = ("promote", "rollback", "split", "abort", "undo", "finish")


@dataclass(frozen=True)
class TrafficHistory:
    """The changes of an endpoint's traffic that have ended, newest first, and whether one is under way."""

    changes: tuple[TrafficChange, ...]
    under_way: bool


def traffic_history(settings: Settings, endpoint: str) -> TrafficHistory:
    """What the ledger's newest snapshot tells of an endpoint. Raises: LakehouseError."""
    found = [one for one in view(settings, endpoint).changes if one.action in (*CHANGES_TRAFFIC, OUTSIDE)]
    ended = [change for change in map(_traffic_change, found) if change is not None]
    ended.sort(key=lambda change: change.ended_at, reverse=True)
    return TrafficHistory(tuple(ended), any(is_under_way(one) for one in found))


def _traffic_change(change: Change) -> TrafficChange | None:
    """None for a change that is under way, and for one that says nothing about the traffic (a simulated past)."""
    before = from_evidence(change.evidence.get("state_before"))
    after = from_evidence(change.evidence.get("state_after"))
    if is_under_way(change) or before is None or after is None:
        return None
    return TrafficChange(
        change_id=change.change_id,
        action=change.action,
        actor=change.actor,
        started_at=change.started_at.astimezone(UTC),
        ended_at=(change.ended_at or change.started_at).astimezone(UTC),
        before={version: share for version, share in before.traffic.items() if share},
        after={version: share for version, share in after.traffic.items() if share},
        champion_before=before.champion,
        champion_after=after.champion,
        outcome=change.outcome or "",
        reason=change.reason,
        of_change=str(change.evidence.get("of_change") or ""),
        acts_on=str(change.evidence.get("acts_on") or ""),
    )
