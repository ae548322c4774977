"""What a caller sees of a serving endpoint, read from and written to the bodies of Databricks' serving API."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EXTENSION = "lakehelm"
"""The key of an endpoint's answer under which the gateway says what Databricks has no word for."""


@dataclass(frozen=True)
class Served:
    """A served entity as it is asked for: `name` is what the endpoint calls it, usually `<endpoint>-<version>`."""

    name: str
    entity_name: str
    entity_version: str


@dataclass(frozen=True)
class ServedState:
    """A served entity as it is: `state` is Databricks' word (`DEPLOYMENT_READY`, …), `traffic` whole per cent."""

    name: str
    entity_name: str
    entity_version: str
    state: str
    message: str
    traffic: int

    @property
    def ready(self) -> bool:
        """Whether it answers requests."""
        return self.state == "DEPLOYMENT_READY"


@dataclass(frozen=True)
class Endpoint:
    """A serving endpoint. `updating` is NOT_UPDATING, IN_PROGRESS, UPDATE_FAILED or UPDATE_CANCELED."""

    name: str
    ready: bool
    config_version: int
    served: list[ServedState]
    pending: list[ServedState] | None
    """The served entities of an update that runs or failed; None when there is none."""
    updating: str
    inference_table: bool = False
    creator: str = ""
    """Whose permissions the endpoint has on Databricks, and keeps for ever."""
    warm: ServedState | None = None
    """The version that was taken out of the configuration last and still runs. Only the gateway tells."""
    update_message: str = ""
    """Why the last update failed or was interrupted, or how far the one that runs is; empty if there is nothing to say.
    """
    pending_since: datetime | None = None
    """When the update that `pending` describes began."""
    permission_level: str = ""
    """What the caller may do: CAN_MANAGE, CAN_QUERY or CAN_VIEW. Only Databricks tells."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    """When a person or a program last changed the endpoint."""
    compute: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)
    """Size and environment of each served entity by its name, as an update must send them again. Never shown: an
    environment may hold secrets.
    """

    @property
    def live(self) -> ServedState | None:
        """The served entity with the most traffic, or None before the first is ready."""
        return max(self.served, key=lambda entity: entity.traffic, default=None)

    def running(self, entity_name: str, entity_version: str) -> ServedState | None:
        """The served entity, or the warm standby, that answers as this version now: no start is needed to use it."""
        known = [*self.served, *([self.warm] if self.warm is not None else [])]
        wanted = (entity_name, str(entity_version))
        return next((one for one in known if one.ready and (one.entity_name, one.entity_version) == wanted), None)


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered. `seconds` is the caller's wall time."""

    text: str
    body: dict[str, Any]
    request_id: str
    served_model_name: str
    status_code: int
    seconds: float


def answer_text(body: dict[str, Any]) -> str:
    """The text of an answer in the shape of a ResponsesAgent, a chat completion, a ChatAgent or a pyfunc; else ""."""
    if isinstance(body.get("output"), list):
        items = [item for item in body["output"] if isinstance(item, dict)]
        parts = [part for item in items for part in item.get("content") or [] if isinstance(part, dict)]
        return "".join(str(part.get("text") or "") for part in parts)
    if isinstance(body.get("choices"), list) and body["choices"]:
        return str(((body["choices"][0] or {}).get("message") or {}).get("content") or "")
    if isinstance(body.get("messages"), list) and body["messages"]:
        return str((body["messages"][-1] or {}).get("content") or "")
    if isinstance(body.get("predictions"), list) and body["predictions"]:
        first = body["predictions"][0]
        return first if isinstance(first, str) else json.dumps(first, ensure_ascii=False)
    return ""


_COMPUTE = (
    "workload_size",
    "workload_type",
    "scale_to_zero_enabled",
    "min_provisioned_concurrency",
    "max_provisioned_concurrency",
    "min_provisioned_throughput",
    "max_provisioned_throughput",
    "provisioned_model_units",
    "burst_scaling_enabled",
    "environment_vars",
    "instance_profile_arn",
)
"""What else people set of a served entity on Databricks. A configuration that leaves one out takes it away."""

_USUAL_COMPUTE = {"workload_size": "Small", "scale_to_zero_enabled": True}


def config_body(served: Sequence[Served], traffic: dict[str, int], present: Endpoint | None = None) -> dict[str, Any]:
    """The body of an endpoint's configuration. A served entity that `traffic` does not name gets 0 per cent.

    What the endpoint serves at `present` keeps its size and environment; what is new gets those of the entity with the
    most traffic.
    """
    known = present.compute if present is not None else {}
    live = present.live if present is not None else None
    usual = known.get(live.name if live else "", _USUAL_COMPUTE)
    return {
        "served_entities": [
            {
                "name": entity.name,
                "entity_name": entity.entity_name,
                "entity_version": str(entity.entity_version),
                **known.get(entity.name, usual),
            }
            for entity in served
        ],
        "traffic_config": {
            "routes": [
                {"served_model_name": entity.name, "traffic_percentage": traffic.get(entity.name, 0)}
                for entity in served
            ]
        },
    }


def inference_table_body(enabled: bool, endpoint_name: str, entity_name: str) -> dict[str, Any]:
    """The part of a new endpoint's body that says whether its requests are logged.

    Databricks asks for the table's place: it is the catalog and schema of the model, in a name of three levels.
    """
    catalog, _, rest = entity_name.partition(".")
    schema, _, model = rest.partition(".")
    place = {"catalog_name": catalog, "schema_name": schema, "table_name_prefix": re.sub(r"\W", "_", endpoint_name)}
    return {"inference_table_config": {"enabled": enabled, **(place if model and enabled else {})}}


def endpoint_of(entry: dict[str, Any]) -> Endpoint:
    """The endpoint that an API's answer describes. What the answer leaves out is empty, never an error."""
    state = entry.get("state") or {}
    config = entry.get("config") or {}
    pending_config = entry.get("pending_config") or {}
    pending = _served_states(pending_config) if pending_config else None
    logging = ((entry.get("ai_gateway") or {}).get("inference_table_config")) or {}
    warm = (entry.get(EXTENSION) or {}).get("warm_standby")
    messages = dict.fromkeys(entity.message for entity in pending or [] if entity.message)
    return Endpoint(
        name=str(entry.get("name") or ""),
        ready=state.get("ready") == "READY",
        config_version=int(config.get("config_version") or 0),
        served=_served_states(config),
        pending=pending,
        updating=str(state.get("config_update") or "NOT_UPDATING"),
        inference_table=bool(logging.get("enabled")),
        creator=str(entry.get("creator") or ""),
        warm=_served_state(warm, 0) if warm else None,
        update_message=" ".join(messages),
        pending_since=_time(pending_config.get("start_time")),
        permission_level=str(entry.get("permission_level") or ""),
        created_at=_time(entry.get("creation_timestamp")),
        updated_at=_time(entry.get("last_updated_timestamp")),
        compute={str(one.get("name")): _compute(one) for one in config.get("served_entities") or []},
    )


def _compute(entity: dict[str, Any]) -> dict[str, Any]:
    found = {key: entity[key] for key in _COMPUTE if entity.get(key) is not None}
    if "min_provisioned_concurrency" in found or "max_provisioned_concurrency" in found:
        found.pop("workload_size", None)  # Databricks takes one or the other.
    return found


def _served_states(config: dict[str, Any]) -> list[ServedState]:
    routes = (config.get("traffic_config") or {}).get("routes") or []
    traffic = {
        route.get("served_model_name") or route.get("served_entity_name"): int(route.get("traffic_percentage") or 0)
        for route in routes
    }
    entities = config.get("served_entities") or config.get("served_models") or []
    return [_served_state(entity, traffic.get(entity.get("name"), 0)) for entity in entities]


def _served_state(entity: dict[str, Any], traffic: int) -> ServedState:
    state = entity.get("state") or {}
    return ServedState(
        name=str(entity.get("name") or ""),
        entity_name=str(entity.get("entity_name") or entity.get("model_name") or ""),
        entity_version=str(entity.get("entity_version") or entity.get("model_version") or ""),
        state=str(state.get("deployment") or ""),
        message=str(state.get("deployment_state_message") or ""),
        traffic=traffic,
    )


def _time(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if isinstance(milliseconds, int) and milliseconds else None
