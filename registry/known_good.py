"""The last known good version: the newest earlier one whose time in production had no alert.

When a version was in production stands in the ledger: every change of ours keeps the state after it.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehouse.claims import view
from lakehouse.ledger import Change
from registry.alerts import Alert, alerts
from registry.interrupted import origin_of
from registry.plans import ProductionState
from registry.production import from_evidence, production_state
from registry.versions import find
from serving.client import EndpointClient
from settings import Settings


@dataclass(frozen=True)
class KnownGood:
    """A version to go back to. `since` and `until` are its last time with all the traffic, where it is recorded.

    `until` is None where the ledger knows no end of that time: while it shares the traffic with a canary, for example.
    """

    version: str
    since: datetime | None
    until: datetime | None
    sentence: str


@dataclass(frozen=True)
class InProduction:
    """A span of time in which one version was the champion with all the traffic, or all that no canary had.

    `left_by` is the change that ended it.
    """

    version: str
    since: datetime
    until: datetime | None = None
    left_by: Change | None = None


def last_known_good(settings: Settings, client: EndpointClient, endpoint: str | None = None) -> KnownGood | None:
    """The version that a rollback goes to when nobody picks one; None if nothing tells of one.

    It is the newest version before the one that is live whose whole time in production had no alert, that was not
    itself rolled back or aborted away from, and that still exists. While the traffic is split, the champion itself
    may be it. Without any record of earlier versions, `@previous` is taken at its word, and the sentence says so.

    Raises: ServingError, RegistryError, LakehouseError.
    """
    state = production_state(settings, client, endpoint)
    return known_good_for(settings, state)


def known_good_for(settings: Settings, state: ProductionState) -> KnownGood | None:
    """`last_known_good` of a state that was read already."""
    ledger = view(settings, state.endpoint).changes
    spans = times_in_production(ledger)
    warned = alerts(settings, state.endpoint, open_only=False)
    whole = next((version for version, share in state.traffic.items() if share == 100), None)
    seen: set[str] = set() if whole is None else {whole}
    for span in reversed(spans):
        if span.version in seen:
            continue
        seen.add(span.version)
        own = [one for one in spans if one.version == span.version]
        left_for_cause = span.left_by is not None and _goes_back(span.left_by, ledger)
        if left_for_cause or any(_had_alert(settings, one, warned) for one in own):
            continue
        if find(settings, settings.prod_model, span.version) is not None:
            return _known_good(span, state)
    if spans and state.previous in seen:
        return None
    return _by_alias(settings, state, whole, warned)


def times_in_production(changes: list[Change]) -> list[InProduction]:
    """Who was champion when, oldest first, as the successful changes of an endpoint tell it."""
    spans: list[InProduction] = []
    for change in sorted(changes, key=lambda change: change.started_at):
        state = from_evidence(change.evidence.get("state_after"))
        if state is None or not (change.outcome or "").startswith("succeeded"):
            continue
        champion = state.champion
        if spans and spans[-1].until is None:
            if spans[-1].version == champion:
                continue
            spans[-1] = replace(spans[-1], until=change.started_at, left_by=change)
        if champion is not None:
            spans.append(InProduction(champion, change.started_at))
    return spans


def _goes_back(change: Change, ledger: list[Change]) -> bool:
    """Whether people (or the guard) left a version by this because of what it was, and not for a newer one."""
    change = origin_of(change, ledger)
    if change.action != "undo":
        return change.action in ("rollback", "abort")
    # To undo a step back is to correct it; to undo anything else is a step back.
    undone = next((one for one in ledger if one.change_id == change.evidence.get("of_change")), None)
    return undone is None or not _goes_back(undone, ledger)


def _had_alert(settings: Settings, span: InProduction, warned: list[Alert]) -> bool:
    until = span.until or datetime.now(UTC)
    return any(
        alert.entity_name == settings.prod_model
        and alert.entity_version == span.version
        and alert.opened_at <= until
        and (alert.closed_at is None or alert.closed_at >= span.since)
        for alert in warned
    )


def _known_good(span: InProduction, state: ProductionState) -> KnownGood:
    since = f"{span.since:%d %b %Y %H:%M}"
    if span.until is not None:
        until = f"{span.until:%d %b %Y %H:%M}"
        sentence = f"Version {span.version} was live from {since} to {until} UTC, without an alert in that time."
    elif state.champion == span.version:
        sentence = f"Version {span.version} is the champion since {since} UTC, without an alert."
    else:
        sentence = (
            f"Version {span.version} was live from {since} UTC, without an alert, until something outside of Lakehelm "
            "took its place."
        )
    return KnownGood(span.version, span.since, span.until, sentence)


def _by_alias(settings: Settings, state: ProductionState, whole: str | None, warned: list[Alert]) -> KnownGood | None:
    previous = state.previous
    if previous is None or previous == whole or find(settings, settings.prod_model, previous) is None:
        return None
    if any(alert.entity_name == settings.prod_model and alert.entity_version == previous for alert in warned):
        return None
    sentence = f"Version {previous} was live before (@previous); how long and how well is not recorded here."
    return KnownGood(previous, None, None, sentence)
