"""What was changed without Lakehelm: moved aliases, other endpoint configurations, endpoints made and deleted.

Each look compares what is seen now with what was seen last. A difference that one of Lakehelm's own changes explains
is no news; any other is written into the ledger once, as done `outside of Lakehelm`, with before and after. What was
seen last is kept in the workspace, so that a change made while nothing ran is noticed at the next start.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.appends import append
from lakehouse.claims import is_under_way
from lakehouse.ledger import Change, changes, intent_row, outcome_row
from registry.interrupted import PARTLY, with_number
from registry.plans import ProductionState
from registry.production import NEW, from_evidence
from registry.traffic_changes import CHANGES_TRAFFIC, OUTSIDE
from registry.versions import CHAMPION, PREVIOUS
from settings import Settings

OUTSIDE_ACTOR = "outside of Lakehelm"
_MOST_CHANGES = 1_000_000
_CLOCK_SECONDS = 1.0
_LONGEST_CHANGE = timedelta(days=1)
_MODEL_ALIASES = (CHAMPION, PREVIOUS)

_MOVES = (*CHANGES_TRAFFIC, "set_challenger")
"""The actions that may move an endpoint's traffic or an alias; a request that waits for days moves nothing."""

Share = tuple[str, str, str, int]
"""Served entity's name, registered model, version, whole per cent."""


@dataclass(frozen=True)
class Seen:
    """What a look saw. An endpoint or model that could not be seen is in `unknown`, and stays as it was known.

    endpoints: name → its served entities, sorted; aliases: registered model → alias → version. `made`: when an endpoint
    was made, where that is known. `times`: when a thing was last judged, where that is not `time`.
    """

    time: datetime
    endpoints: Mapping[str, tuple[Share, ...]] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    made: Mapping[str, datetime] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)

    def judged_at(self, target: str) -> datetime:
        """When this thing was last compared, or found as it was."""
        return self.times.get(target, self.time)


@dataclass(frozen=True)
class Difference:
    """A thing that is not as it was, in the ledger's words and as evidence."""

    target: str
    before: str
    after: str
    evidence: dict[str, Any]


def notice(settings: Settings, now: Seen) -> list[Difference]:
    """Compare with the last look, write what came from outside into the ledger, and remember this look.

    Returns: what was written. The first look of a workspace has nothing to compare with. Raises: LakehouseError.
    """
    last = read_seen(settings)
    if last is None:
        write_seen(settings, now)
        return []
    # The ledger is read after the world: what had moved it stands there.
    first = min([last.time, *last.times.values()])
    found = changes(settings, _MOST_CHANGES, since=first - _LONGEST_CHANGE)
    ledger = [change for change in found if change.action in _MOVES or change.action == OUTSIDE]
    differing = differences(as_the_ledger_says(settings, last, ledger), now)
    waiting = {one.target for one in differing if _is_moving(one.target, ledger, now.time)}
    settled = [one for one in differing if one.target not in waiting]
    news = [one for one in settled if not explained(one, ledger, last.judged_at(one.target))]
    known = {change.change_id for change in ledger}
    rows: list[dict[str, Any]] = []
    for one in news:
        since = last.judged_at(one.target)
        if (change_id := _change_id(one, since)) not in known:
            rows += _rows(one, change_id, since, now.time)
    if rows:
        append(settings, "ledger", rows)
    write_seen(settings, _remembered(last, now, waiting))
    return news


def as_the_ledger_says(settings: Settings, last: Seen, ledger: Sequence[Change]) -> Seen:
    """What was seen last, and upon it what Lakehelm's own changes have made of it since, as their outcomes tell."""
    endpoints, aliases = dict(last.endpoints), {model: dict(found) for model, found in last.aliases.items()}
    for change in sorted(ledger, key=_ended_at):
        after = from_evidence(change.evidence.get("state_after"))
        if change.action == OUTSIDE or after is None or not (change.outcome or "").startswith("succeeded"):
            continue
        if _ended_at(change) >= last.judged_at(change.target):
            endpoints[change.target] = tuple(
                sorted((one.name, one.entity_name, one.entity_version, one.traffic) for one in after.served)
            )
        aliases_moved = settings.prod_model in aliases and _serves(after, settings.prod_model)
        if aliases_moved and _ended_at(change) >= last.judged_at(settings.prod_model):
            for alias, version in ((CHAMPION, after.champion), (PREVIOUS, after.previous)):
                aliases[settings.prod_model].pop(alias, None)
                if version is not None:
                    aliases[settings.prod_model][alias] = version
    return replace(last, endpoints=endpoints, aliases=aliases)


def differences(last: Seen, now: Seen) -> list[Difference]:
    """What is not as it was. An endpoint that is gone was deleted; what could not be seen is no difference."""
    found = []
    for name in sorted({*last.endpoints, *now.endpoints} - now.unknown):
        before, after = last.endpoints.get(name), now.endpoints.get(name)
        # One that was there before is only looked at for the first time; the same may be so where nobody tells.
        first_seen = before is None and not (name in now.made and now.made[name] >= last.judged_at(name))
        if before != after and not first_seen:
            evidence = {
                "state_before": _state(name, before or (), last),
                "state_after": _state(name, after or (), now),
            }
            found.append(Difference(name, _served_words(before), _served_words(after), evidence))
    # One that is not looked at any more (another name in the settings) has not lost its aliases by that.
    for model in sorted({*now.aliases} - now.unknown):
        old, new = dict(last.aliases.get(model, {})), dict(now.aliases.get(model, {}))
        if old != new and model in last.aliases:
            evidence = {"aliases_before": old, "aliases_after": new}
            found.append(Difference(model, _alias_words(old), _alias_words(new), evidence))
    return found


def explained(difference: Difference, ledger: Sequence[Change], since: datetime) -> bool:
    """Whether one of Lakehelm's changes that were under way after `since` may have led to what is seen now.

    What succeeded is told by `as_the_ledger_says`. One that was broken off explains the states before and after it; one
    that does not say what production was (set_challenger, a simulated one) explains whatever happened to its target.
    """
    return any(_counts(change, since) and _explains(change, difference) for change in ledger)


def read_seen(settings: Settings) -> Seen | None:
    """What the last look saw; None before the first, or where what was kept cannot be read."""
    try:
        kept = json.loads((settings.home / "watch" / "seen.json").read_text(encoding="utf-8"))
        return Seen(
            time=datetime.fromisoformat(kept["time"]),
            endpoints={name: tuple((a, b, c, int(d)) for a, b, c, d in served) for name, served in kept["endpoints"]},
            aliases={model: dict(aliases) for model, aliases in kept["aliases"]},
            times={target: datetime.fromisoformat(time) for target, time in kept["times"]},
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_seen(settings: Settings, seen: Seen) -> None:
    """Keep what was seen for the next look, also that of another process."""
    folder = settings.home / "watch"
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        "time": seen.time.astimezone(UTC).isoformat(),
        "endpoints": sorted(seen.endpoints.items()),
        "aliases": sorted((model, dict(aliases)) for model, aliases in seen.aliases.items()),
        "times": sorted((target, time.astimezone(UTC).isoformat()) for target, time in seen.times.items()),
    }
    temporary = folder / "seen.json.new"
    temporary.write_text(json.dumps(kept), encoding="utf-8")
    temporary.replace(folder / "seen.json")


def _remembered(last: Seen, now: Seen, waiting: set[str]) -> Seen:
    """This look, but what was not judged as it was known before."""
    kept = waiting | now.unknown
    endpoints = {name: served for name, served in now.endpoints.items() if name not in kept}
    endpoints |= {name: served for name, served in last.endpoints.items() if name in kept}
    aliases = {model: found for model, found in now.aliases.items() if model not in kept}
    aliases |= {model: found for model, found in last.aliases.items() if model in kept}
    # What waits is compared from its own time on, so that the change that moves it still explains it.
    return Seen(now.time, endpoints, aliases, times={target: last.judged_at(target) for target in kept})


def _is_moving(target: str, ledger: Sequence[Change], looked_at: datetime) -> bool:
    """Whether a change that may move this endpoint, or the aliases of this model, runs or ended after the look."""
    return any(
        change.action != OUTSIDE
        and (change.target == target or _serves(from_evidence(change.evidence.get("state_after")), target))
        and (is_under_way(change) or (change.ended_at is not None and _ended_at(change) >= looked_at))
        for change in ledger
    )


def _counts(change: Change, since: datetime) -> bool:
    """Whether a change may have moved something after `since`."""
    outcome = change.outcome or ""
    if change.action == OUTSIDE:
        return False
    if outcome in ("", "interrupted", PARTLY):
        return True
    if outcome.startswith("interrupted"):
        return change.started_at >= since
    return _ended_at(change) >= since


def _ended_at(change: Change) -> datetime:
    """At the latest: the clock of another machine may be a little off."""
    return (change.ended_at or change.started_at) + timedelta(seconds=_CLOCK_SECONDS)


def _explains(change: Change, difference: Difference) -> bool:
    before = from_evidence(change.evidence.get("state_before"))
    after = from_evidence(change.evidence.get("state_after"))
    if before is None or after is None:
        return change.target == difference.target
    if (change.outcome or "").startswith("succeeded"):
        return False
    if "state_after" in difference.evidence:
        seen = from_evidence(difference.evidence["state_after"])
        if seen is None or change.target != difference.target:
            return False
        reached = with_number(after, before, seen) or after
        return any(
            sorted(state.served, key=_by_name) == sorted(seen.served, key=_by_name) for state in (before, reached)
        )
    if not _serves(after, difference.target):
        return False
    states = (before, after)
    old, new = difference.evidence["aliases_before"], difference.evidence["aliases_after"]
    moved = {alias for alias in {*old, *new} if old.get(alias) != new.get(alias)}
    if not moved <= set(_MODEL_ALIASES):
        return False
    possible = {CHAMPION: {s.champion for s in states}, PREVIOUS: {s.previous for s in states}}
    return all(
        new.get(alias) in possible[alias]
        # A copy whose number nobody could write down any more: any version that production did not know.
        or (NEW in possible[alias] and new.get(alias) not in (None, before.champion, before.previous, *before.traffic))
        for alias in moved
    )


def _serves(state: ProductionState | None, model: str) -> bool:
    """Whether a state's aliases are those of this registered model: a workspace may have had another one before."""
    return state is not None and any(share.entity_name == model for share in state.served)


def _by_name(share: Any) -> str:
    return str(share.name)


def _rows(one: Difference, change_id: str, since: datetime, now: datetime) -> list[dict[str, Any]]:
    evidence = {**one.evidence, "seen_last": since.isoformat(), "noticed": now.isoformat()}
    reason = f"Noticed; it was made without Lakehelm since {since.astimezone(UTC):%d %b %Y %H:%M:%S} UTC."
    intent = intent_row(
        action=OUTSIDE,
        target=one.target,
        actor=OUTSIDE_ACTOR,
        role="",
        before=one.before,
        after=one.after,
        reason=reason,
        evidence=evidence,
        time=now,
    )
    outcome = outcome_row(change_id, "succeeded", seconds=0.0, time=now)
    return [{**intent, "change_id": change_id}, outcome]


def _change_id(one: Difference, since: datetime) -> str:
    """The same for the same difference after the same look, so that a look that was cut off repeats no row."""
    told = json.dumps([one.target, one.before, one.after, since.isoformat()])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _state(endpoint: str, served: tuple[Share, ...], seen: Seen) -> dict[str, Any]:
    """As `registry.production.as_evidence` keeps a state."""
    model = served[0][1] if served else ""
    aliases = seen.aliases.get(model, {})
    return {
        "endpoint": endpoint,
        "served": [list(share) for share in served],
        "champion": aliases.get(CHAMPION),
        "previous": aliases.get(PREVIOUS),
    }


def _served_words(served: tuple[Share, ...] | None) -> str:
    if served is None:
        return "no endpoint"
    return ", ".join(f"{model} version {version} {share} %" for _, model, version, share in served) or "nothing served"


def _alias_words(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"@{alias} version {version}" for alias, version in sorted(aliases.items())) or "no alias"
