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
from pathlib import Path
from typing import Any

from serving.endpoint_config import (
    ConfigChange,
    EndpointConfig,
    EndpointRecord,
    EndpointStore,
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
        self.pending: EndpointConfig | None = None
        self.pending_since_ms = 0
        self.updating = "NOT_UPDATING"
        self.failures: dict[ServedEntity, str] = {}
        self.update: asyncio.Task[None] | None = None

    def worker_of(self, entity: ServedEntity) -> Worker | None:
        """The worker that has this version loaded, whatever its share of the traffic was when it was started."""
        return next((worker for known, worker in self.workers.items() if known.same_version(entity)), None)

    @property
    def ready(self) -> bool:
        """Whether every version that gets traffic answers."""
        active = self.record.active
        if active is None:
            return False
        workers = [self.worker_of(entity) for entity in active.entities if entity.traffic]
        return all(worker is not None and worker.state == "ready" for worker in workers)


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
            if record.active is not None:
                endpoint.split = TrafficSplit(record.active.traffic)
                for entity in sorted(record.active.entities, key=lambda entity: -entity.traffic):
                    self._start_worker(endpoint, entity, keep_trying=True)
                if record.warm is not None:
                    self._start_worker(endpoint, record.warm, keep_trying=True)
            elif record.first is not None:
                self._begin_update(endpoint, record.first)

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
        for entity in active.entities:
            if entity.name == due:
                return entity
        raise rejected("RESOURCE_DOES_NOT_EXIST", f"Endpoint {name} has no served entity called {due}.")

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
        self._save(record)
        endpoint = self.endpoints[name] = LiveEndpoint(record)
        self._begin_update(endpoint, config)
        return endpoint

    def update_config(self, name: str, body: Any) -> LiveEndpoint:
        """Switch to a new configuration: now, if all its versions are ready, else as soon as they are."""
        endpoint = self.endpoint(name)
        if endpoint.updating == "IN_PROGRESS":
            raise rejected("RESOURCE_CONFLICT", f"Endpoint {name} is being updated: wait until that has ended.")
        config = read_config(body, name, endpoint.record.latest_version + 1, _now_ms())
        workers = [endpoint.worker_of(entity) for entity in config.entities]
        if all(worker is not None and worker.state == "ready" for worker in workers):
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
        endpoint.pending, endpoint.pending_since_ms = config, _now_ms()
        endpoint.failures = {}
        endpoint.updating = "IN_PROGRESS"
        endpoint.update = asyncio.create_task(self._bring_up(endpoint, config))

    async def _bring_up(self, endpoint: LiveEndpoint, config: EndpointConfig) -> None:
        """Start what is missing, then switch; on a failure leave everything as it was."""
        for entity in config.entities:
            if endpoint.worker_of(entity) is None:
                self._start_worker(endpoint, entity, keep_trying=False)
        deadline = time.monotonic() + self.settings.worker_start_seconds
        for entity in config.entities:
            worker = endpoint.worker_of(entity)
            while worker is not None and worker.state not in ("ready", "failed"):
                if worker.settled.is_set() and time.monotonic() > deadline:
                    break  # one that served before and does not come back
                await asyncio.sleep(_POLL_SECONDS)
            if worker is not None and worker.state != "ready":
                endpoint.failures[entity] = worker.message or f"{entity.model_uri} did not become ready."
        if not endpoint.failures:
            try:
                self._switch(endpoint, config)
                return
            except OSError as error:
                endpoint.failures[config.entities[0]] = f"The new configuration cannot be saved: {error}."
        endpoint.updating = "UPDATE_FAILED"
        for problem in endpoint.failures.values():
            logger.error("The update of endpoint %s failed: %s", endpoint.record.name, problem)
        self._retire_unused(endpoint)

    def _switch(self, endpoint: LiveEndpoint, config: EndpointConfig) -> None:
        """Let `config` serve from now on. Raises OSError, with nothing changed, when it cannot be saved."""
        old = endpoint.record
        removed = [] if old.active is None else [e for e in old.active.entities if not _in(e, config)]
        warm = max(removed, key=lambda entity: entity.traffic, default=old.warm)
        if warm is not None and _in(warm, config):
            warm = None
        record = dataclasses.replace(old, active=config, first=None, warm=warm, updated_ms=_now_ms())
        change = self._change(record, config)
        self._store.unrecorded.append(change)
        try:
            self._save(record)
        except OSError:
            self._store.unrecorded.remove(change)
            raise
        endpoint.record = record
        endpoint.split = TrafficSplit(config.traffic)
        endpoint.pending, endpoint.failures, endpoint.updating = None, {}, "NOT_UPDATING"
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
