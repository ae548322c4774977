"""The gateway's state: its endpoints, the workers behind them, and how a new configuration takes over.

A hot swap starts the workers that are missing, waits until each has warmed up, saves the new configuration, switches
the route, lets the old worker finish what it has, and stops it, unless it stays warm for a rollback. All of this runs
on one event loop; between two `await`s nothing else happens, so a request sees either the old route or the new one.
"""

import asyncio
import dataclasses
import logging
import time
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.endpoint_config import (
    ConfigChange,
    EndpointConfig,
    EndpointRecord,
    EndpointStore,
    PendingUpdate,
    ServedEntity,
    read_config,
    read_endpoint_name,
    rejected,
)
from serving.prometheus import RequestCounters
from serving.request_log import RequestLog
from serving.routing import TrafficSplit
from serving.worker_launcher import FORK_SERVER, WorkerLauncher
from serving.workers import Worker, Workers
from settings import Settings

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.02


class LiveEndpoint:
    """An endpoint in memory: its record, its workers and its route."""

    def __init__(self, record: EndpointRecord) -> None:
        self.record = record
        self.workers: dict[ServedEntity, Worker] = {}
        self.split = TrafficSplit({})
        self.counters: dict[str, RequestCounters] = {}
        self.diverted_from: set[str] = set()
        """Names of served entities whose requests are answered by others at present."""
        self.update: asyncio.Task[None] | None = None

    def worker_of(self, entity: ServedEntity) -> Worker | None:
        """The worker that has this version loaded, whatever its share of the traffic was when it was started."""
        return next((worker for known, worker in self.workers.items() if known.same_version(entity)), None)

    def answers(self, entity: ServedEntity) -> bool:
        """Whether this version is ready."""
        worker = self.worker_of(entity)
        return worker is not None and worker.state == "ready"

    @property
    def ready(self) -> bool:
        """Whether every version that gets traffic answers."""
        active = self.record.active
        return active is not None and all(self.answers(entity) for entity in active.entities if entity.traffic)

    @property
    def updating(self) -> str:
        """How the last update stands, in Databricks' words."""
        return self.record.pending.state if self.record.pending is not None else "NOT_UPDATING"


class Gateway:
    """All endpoints of a workspace.

    Args:
        settings: the workspace.
        fork_server: the command that starts the fork server.
    """

    def __init__(self, settings: Settings, fork_server: tuple[str, ...] = FORK_SERVER) -> None:
        self.settings = settings
        self._store = EndpointStore(settings.home / "gateway" / "endpoints.json")
        launcher = WorkerLauncher(settings.home / "logs" / "fork_server.log", fork_server)
        self._workers = Workers(settings, launcher)
        self.log = RequestLog(settings, self._store)
        self.endpoints = {name: LiveEndpoint(record) for name, record in self._store.records.items()}
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve again what the workspace is configured to serve. Returns before the versions are ready."""
        self.log.start()
        await self._workers.open()
        for endpoint in self.endpoints.values():
            record = endpoint.record
            _explain_interrupted(record)
            if record.active is not None:
                endpoint.split = TrafficSplit(record.active.traffic)
                for entity in sorted(record.active.entities, key=lambda entity: -entity.traffic):
                    self._start_worker(endpoint, entity, keep_trying=True)
                if record.warm is not None:
                    self._start_worker(endpoint, record.warm, keep_trying=True)
            elif record.first is not None:
                try:
                    self._begin_update(endpoint, record.first)
                except OSError:
                    logger.exception("Endpoint %s cannot be started: the workspace cannot be written.", record.name)

    async def stop(self) -> None:
        """Stop the workers and deliver what is spooled. No request may be running any more."""
        updates = [endpoint.update for endpoint in self.endpoints.values() if endpoint.update is not None]
        for task in (*updates, *self._background):
            task.cancel()
        await asyncio.gather(*updates, *self._background, return_exceptions=True)
        workers = [worker for endpoint in self.endpoints.values() for worker in endpoint.workers.values()]
        await asyncio.gather(*(self._workers.stop(worker, 0) for worker in workers))
        await self._workers.close()
        await self.log.stop()

    def endpoint(self, name: str) -> LiveEndpoint:
        """The endpoint of that name. Raises RequestRejected (404)."""
        found = self.endpoints.get(name)
        if found is None:
            raise rejected("RESOURCE_DOES_NOT_EXIST", f"There is no endpoint called {name}.")
        return found

    def pick(self, endpoint: LiveEndpoint, served_name: str | None) -> ServedEntity:
        """The served entity that answers the next request, or the one that was asked for.

        Raises: RequestRejected (404: no such served entity; 503: nothing serves yet).
        """
        active, name = endpoint.record.active, endpoint.record.name
        if active is None:
            raise rejected("TEMPORARILY_UNAVAILABLE", f"Endpoint {name} is not ready: its first version is not up yet.")
        due = served_name or endpoint.split.next()
        found = next((entity for entity in active.entities if entity.name == due), None)
        if found is None:
            raise rejected("RESOURCE_DOES_NOT_EXIST", f"Endpoint {name} has no served entity called {due}.")
        return found if served_name is not None else self._diverted(endpoint, active, found)

    def _diverted(self, endpoint: LiveEndpoint, active: EndpointConfig, due: ServedEntity) -> ServedEntity:
        """Who answers in place of `due`: another version that has traffic and is ready, while `due` is not.

        A version without traffic is never asked: it may be one that somebody has just taken the traffic from.
        """
        if endpoint.answers(due):
            endpoint.diverted_from.discard(due.name)
            return due
        able = [entity for entity in active.entities if entity.traffic and endpoint.answers(entity)]
        if not able:
            return due
        other = max(able, key=lambda entity: entity.traffic)
        endpoint.counters.setdefault(due.name, RequestCounters()).count_diverted()
        if due.name not in endpoint.diverted_from:
            endpoint.diverted_from.add(due.name)
            logger.warning("%s does not answer: %s answers in its place until it does.", due.name, other.name)
        return other

    def create(self, body: Any) -> LiveEndpoint:
        """Make an endpoint; its first configuration is on its way when this returns."""
        name = read_endpoint_name(body.get("name") if isinstance(body, dict) else None)
        if name in self.endpoints:
            raise rejected("RESOURCE_CONFLICT", f"There is an endpoint called {name} already.")
        now = _now_ms()
        config = read_config(body.get("config"), name, 1, now)
        record = EndpointRecord(
            name=name,
            endpoint_id=uuid.uuid4().hex,
            created_ms=now,
            updated_ms=now,
            inference_table=_inference_table_enabled(body.get("ai_gateway")),
            first=config,
        )
        endpoint = LiveEndpoint(record)
        self._begin_update(endpoint, config)
        self.endpoints[name] = endpoint
        return endpoint

    def update_config(self, name: str, body: Any) -> LiveEndpoint:
        """Switch to a new configuration: now, if all its versions are ready, else as soon as they are."""
        endpoint = self.endpoint(name)
        if endpoint.updating == "IN_PROGRESS":
            raise rejected("RESOURCE_CONFLICT", f"Endpoint {name} is being updated: wait until that has ended.")
        config = read_config(body, name, endpoint.record.latest_version + 1, _now_ms())
        if all(endpoint.answers(entity) for entity in config.entities):
            self._switch(endpoint, config)
        else:
            self._begin_update(endpoint, config)
        return endpoint

    def set_inference_table(self, name: str, body: Any) -> LiveEndpoint:
        """Switch the logging of an endpoint on or off."""
        endpoint = self.endpoint(name)
        enabled = _inference_table_enabled(body)
        endpoint.record = self._save(
            dataclasses.replace(endpoint.record, inference_table=enabled, updated_ms=_now_ms())
        )
        return endpoint

    def set_tags(self, name: str, add: dict[str, str], remove: list[str]) -> LiveEndpoint:
        """Change an endpoint's tags."""
        endpoint = self.endpoint(name)
        tags = {key: value for key, value in {**endpoint.record.tags, **add}.items() if key not in remove}
        endpoint.record = self._save(dataclasses.replace(endpoint.record, tags=tags))
        return endpoint

    def delete(self, name: str) -> None:
        """Take an endpoint away. Requests that it has already are still answered."""
        endpoint = self.endpoint(name)
        if endpoint.update is not None:
            endpoint.update.cancel()
        record = self._store.records.pop(name)
        if record.active is not None:
            change = self._change(record, record.active)
            self._store.unrecorded.append(
                dataclasses.replace(change, config_version=change.config_version + 1, deleted=True)
            )
        self._store.save()
        del self.endpoints[name]
        self.log.hurry()
        for entity in list(endpoint.workers):
            self._retire(endpoint, entity)

    def log_path(self, endpoint: LiveEndpoint, served_name: str) -> Path:
        """The log file of a served entity. Raises RequestRejected (404)."""
        for entity, worker in endpoint.workers.items():
            if entity.name == served_name:
                return worker.log_path
        message = f"Endpoint {endpoint.record.name} has no served entity called {served_name}."
        raise rejected("RESOURCE_DOES_NOT_EXIST", message)

    def _begin_update(self, endpoint: LiveEndpoint, config: EndpointConfig) -> None:
        """Start what the update needs. Raises OSError, with nothing begun, when its beginning cannot be saved."""
        pending = PendingUpdate(config, _now_ms())
        endpoint.record = self._save(dataclasses.replace(endpoint.record, pending=pending))
        endpoint.update = asyncio.create_task(self._bring_up(endpoint, config))

    async def _bring_up(self, endpoint: LiveEndpoint, config: EndpointConfig) -> None:
        """Start what is missing, then switch; on a failure leave everything as it was."""
        for entity in config.entities:
            if endpoint.worker_of(entity) is None:
                self._start_worker(endpoint, entity, keep_trying=False)
        deadline = time.monotonic() + self.settings.worker_start_seconds
        problems: dict[str, str] = {}
        for entity in config.entities:
            worker = endpoint.worker_of(entity)
            while worker is not None and worker.state not in ("ready", "failed"):
                if worker.settled.is_set() and time.monotonic() > deadline:
                    break  # one that served before and does not come back
                await asyncio.sleep(_POLL_SECONDS)
            if worker is not None and worker.state != "ready":
                problems[entity.name] = worker.message or f"{entity.model_uri} did not become ready."
        if not problems:
            try:
                self._switch(endpoint, config)
                return
            except OSError as error:
                problems[config.entities[0].name] = f"The new configuration cannot be saved: {error.strerror or error}."
        self._end_in_failure(endpoint, problems)
        for problem in problems.values():
            logger.error("The update of endpoint %s failed: %s", endpoint.record.name, problem)
        self._retire_unused(endpoint)

    def _end_in_failure(self, endpoint: LiveEndpoint, problems: dict[str, str]) -> None:
        """Keep why the pending update changed nothing."""
        if endpoint.record.pending is None:
            return
        failed = dataclasses.replace(endpoint.record.pending, state="UPDATE_FAILED", problems=problems)
        record = dataclasses.replace(endpoint.record, pending=failed)
        try:
            self._save(record)
        except OSError:
            logger.exception("That the update of endpoint %s failed is known only until the gateway ends.", record.name)
        endpoint.record = record

    def _switch(self, endpoint: LiveEndpoint, config: EndpointConfig) -> None:
        """Let `config` serve from now on. Raises OSError, with nothing changed, when it cannot be saved."""
        old = endpoint.record
        removed = [] if old.active is None else [e for e in old.active.entities if not _in(e, config)]
        warm = max(removed, key=lambda entity: entity.traffic, default=old.warm)
        if warm is not None and _in(warm, config):
            warm = None
        record = dataclasses.replace(old, active=config, first=None, warm=warm, pending=None, updated_ms=_now_ms())
        change = self._change(record, config)
        self._store.unrecorded.append(change)
        try:
            self._save(record)
        except OSError:
            self._store.unrecorded.remove(change)
            raise
        endpoint.record = record
        endpoint.split = TrafficSplit(config.traffic)
        self.log.hurry()
        self._retire_unused(endpoint)

    def _retire_unused(self, endpoint: LiveEndpoint) -> None:
        """Stop the workers of versions that neither serve nor stay warm."""
        active, warm = endpoint.record.active, endpoint.record.warm
        kept = [*(active.entities if active is not None else ()), *([warm] if warm is not None else [])]
        for entity in list(endpoint.workers):
            if not any(entity.same_version(other) for other in kept):
                self._retire(endpoint, entity)

    def _retire(self, endpoint: LiveEndpoint, entity: ServedEntity) -> None:
        worker = endpoint.workers.pop(entity)
        self._in_background(self._workers.stop(worker, self.settings.gateway_drain_seconds))

    def _start_worker(self, endpoint: LiveEndpoint, entity: ServedEntity, *, keep_trying: bool) -> None:
        name = f"{endpoint.record.name}-{entity.name}-{entity.entity_version}"
        endpoint.workers[entity] = self._workers.start(name, entity.model_uri, keep_trying=keep_trying)

    def _save(self, record: EndpointRecord) -> EndpointRecord:
        """Keep `record`. Raises OSError with the old one still kept."""
        old = self._store.records.get(record.name)
        self._store.records[record.name] = record
        try:
            self._store.save()
        except OSError:
            if old is None:
                del self._store.records[record.name]
            else:
                self._store.records[record.name] = old
            raise
        return record

    def _change(self, record: EndpointRecord, config: EndpointConfig) -> ConfigChange:
        entities = [
            {
                "served_entity_id": record.served_entity_id(entity),
                "name": entity.name,
                "entity_name": entity.entity_name,
                "entity_version": entity.entity_version,
            }
            for entity in config.entities
        ]
        return ConfigChange(record.endpoint_id, record.name, config.version, _now_ms(), tuple(entities))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _explain_interrupted(record: EndpointRecord) -> None:
    """Say of an update that the gateway did not live to end that it was interrupted."""
    pending = record.pending
    if record.active is None or pending is None or pending.state != "IN_PROGRESS":
        return
    begun = datetime.fromtimestamp(pending.since_ms / 1000, UTC)
    shares = ", ".join(f"{entity.name} {entity.traffic} %" for entity in record.active.entities if entity.traffic)
    why = (
        f"The gateway ended while this update ran, which began on {begun:%Y-%m-%d at %H:%M:%S} UTC. Nothing was "
        f"changed ({shares} of the traffic): ask for it again if it is still wanted."
    )
    problems = {entity.name: why for entity in pending.config.entities}
    record.pending = dataclasses.replace(pending, state="UPDATE_CANCELED", problems=problems)
    logger.warning("Endpoint %s: %s", record.name, why)


def _in(entity: ServedEntity, config: EndpointConfig) -> bool:
    return any(entity.same_version(other) for other in config.entities)


def _inference_table_enabled(ai_gateway: Any) -> bool:
    if not isinstance(ai_gateway, dict):
        return True
    config = ai_gateway.get("inference_table_config")
    if not isinstance(config, dict) or not isinstance(config.get("enabled"), bool):
        raise rejected("INVALID_PARAMETER_VALUE", "inference_table_config.enabled must be true or false.")
    return bool(config["enabled"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
