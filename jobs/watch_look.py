"""One look at production: what was changed outside of Lakehelm, what the guard finds, what a canary ramp does next.

A look reads, opens and closes alerts and writes down what it noticed. What would change production is done only by a
look that may (`act`), through `registry.changes`; any other only says that it is due.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from jobs import guard_look
from jobs.guard_look import Facts, GuardLook
from lakehouse.errors import LakehouseError
from lakehouse.recent_requests import RecentRequests
from lakehouse.status import read_status
from registry.alerts import alerts
from registry.alias_lookup import aliases_of
from registry.canary import advance, ramps, record
from registry.errors import RegistryError
from registry.outside import Seen, notice, read_seen, write_seen
from registry.ramp_steps import Production, Ramp, next_move
from registry.traffic_changes import traffic_history
from registry.versions import CHAMPION
from serving.client import EndpointClient
from serving.endpoints import Endpoint
from serving.errors import ServingError
from settings import Settings

T = TypeVar("T")
EXPECTED = (RegistryError, ServingError, LakehouseError, OSError)
"""What a look survives: it is told, and the next look tries again."""


@dataclass
class Look:
    """What a look found. `due`: what a look that may act would do now, a sentence each. `errors`: what it could not."""

    noticed: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    guard: list[dict[str, Any]] = field(default_factory=list)
    ramps: list[dict[str, Any]] = field(default_factory=list)


class Looker:
    """Looks at production again and again with one client and what it remembers between looks."""

    def __init__(self, settings: Settings, client: EndpointClient) -> None:
        self.settings = settings
        self.client = client
        self._recent: dict[str, RecentRequests] = {}

    def look(self, *, act: bool) -> Look:
        """Look once. Errors that pass by themselves are told in the result, and keep nothing else from being done."""
        found, now = Look(), datetime.now(UTC)
        active = self._try(found, lambda: [ramp for ramp in ramps(self.settings) if ramp.active]) or []
        endpoints = self._try(found, lambda: self._endpoints({ramp.endpoint_name for ramp in active}))
        models = (self.settings.prod_model, self.settings.test_model)
        aliases = self._try(found, lambda: aliases_of(self.settings, models))
        self._try(found, lambda: self._notice(found, now, endpoints, aliases))
        if endpoints is None or aliases is None:
            return found
        champion = aliases[self.settings.prod_model].get(CHAMPION)
        for name, endpoint in endpoints.items():
            mine = [ramp for ramp in active if ramp.endpoint_name == name]
            if name == self.settings.endpoint or mine:
                self._try(found, partial(self._endpoint, found, name, endpoint, champion, mine, act))
        return found

    def _endpoint(
        self, found: Look, name: str, endpoint: Endpoint | None, champion: str | None, mine: list[Ramp], act: bool
    ) -> None:
        history = traffic_history(self.settings, name)
        traffic = _traffic_of(self.settings, endpoint)
        if traffic is None:
            return
        facts = Facts(name, self.settings.prod_model, traffic, champion, history, datetime.now(UTC))
        recent = self._recent.setdefault(name, RecentRequests(self.settings))
        seen = guard_look.look(self.settings, recent, facts)
        found.guard.append(_told(facts, seen))
        if seen.decision.action != "none":
            self._do(
                found, act, seen.decision.sentence, lambda: guard_look.act(self.settings, self.client, facts, seen)
            )
            return  # What a ramp would do on top of that is for the next look, after this has ended.
        for ramp in mine:
            self._ramp(found, facts, ramp, act)

    def _ramp(self, found: Look, facts: Facts, ramp: Ramp, act: bool) -> None:
        about = [one for one in alerts(self.settings, facts.endpoint) if one.entity_version == ramp.entity_version]
        production = Production(
            facts.traffic, facts.history.under_way, facts.history.changes, about[0].sentence if about else ""
        )
        move = next_move(ramp, production, facts.now)
        if move.kind == "record":
            ramp = record(self.settings, ramp, move)
        elif move.kind == "advance":
            share = ramp.shares[move.step]
            sentence = f"Version {ramp.entity_version} gets {share} % ({ramp.mark} of {ramp.actor})."
            self._do(found, act, sentence, lambda: advance(self.settings, self.client, ramp, move.step))
        found.ramps.append({"ramp_id": ramp.ramp_id, "state": ramp.state, "step": ramp.step, "note": ramp.note})

    def _do(self, found: Look, act: bool, sentence: str, work: Callable[[], object]) -> None:
        if not act:
            found.due.append(sentence)
            return
        errors = len(found.errors)
        self._try(found, work)
        if len(found.errors) == errors:
            found.done.append(sentence)

    def _notice(
        self,
        found: Look,
        now: datetime,
        endpoints: dict[str, Endpoint | None] | None,
        aliases: dict[str, dict[str, str]] | None,
    ) -> None:
        """Compare with the last look; while the demo is being built, what it makes is only remembered."""
        last = read_seen(self.settings)
        settled = {name: one for name, one in (endpoints or {}).items() if one is None or _is_settled(one)}
        unknown = {self.settings.endpoint, *(endpoints or ()), *(last.endpoints if last else ())} - set(settled)
        if aliases is None:
            unknown |= {self.settings.prod_model, self.settings.test_model}
        seen = Seen(
            time=now,
            endpoints={name: _shares(one) for name, one in settled.items() if one is not None},
            aliases=aliases or {},
            unknown=frozenset(unknown - {""}),
            made={name: one.created_at for name, one in settled.items() if one is not None and one.created_at},
        )
        if (read_status(self.settings, "demo") or {}).get("state") == "building":
            write_seen(self.settings, seen)
            return
        found.noticed += [f"{one.target}: {one.before} → {one.after}" for one in notice(self.settings, seen)]

    def _endpoints(self, further: set[str]) -> dict[str, Endpoint | None]:
        """The endpoints that are looked at: the settings' own, those of ramps, those that serve our models, and those
        that were seen before (None: deleted).
        """
        ours = {self.settings.prod_model, self.settings.test_model}
        listed = [one.name for one in self.client.list() if any(served.entity_name in ours for served in one.served)]
        last = read_seen(self.settings)
        names = {self.settings.endpoint, *further, *listed, *(last.endpoints if last else ())}
        return {name: self.client.get(name) for name in sorted(names)}

    def _try(self, found: Look, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except EXPECTED as error:
            found.errors.append(str(error))
            return None


def _is_settled(endpoint: Endpoint) -> bool:
    return bool(endpoint.served) and endpoint.updating != "IN_PROGRESS"


def _shares(endpoint: Endpoint) -> tuple[tuple[str, str, str, int], ...]:
    return tuple(sorted((one.name, one.entity_name, one.entity_version, one.traffic) for one in endpoint.served))


def _traffic_of(settings: Settings, endpoint: Endpoint | None) -> dict[str, int] | None:
    """Version → share of the production model; None where it cannot be told, or others' models are served too."""
    if endpoint is None or not _is_settled(endpoint):
        return None
    if any(one.entity_name != settings.prod_model for one in endpoint.served):
        return None
    return {one.entity_version: one.traffic for one in endpoint.served if one.traffic}


def _told(facts: Facts, seen: GuardLook) -> dict[str, Any]:
    """What the guard sees at an endpoint, for its status."""
    return {
        "endpoint": facts.endpoint,
        "watching": seen.watching,
        "traffic": facts.traffic,
        "findings": [finding.evidence for finding in seen.findings],
        "decision": seen.decision.action,
        "sentence": seen.decision.sentence,
    }
