"""What a caller sees of a serving endpoint, read from and written to the bodies of Databricks' serving API."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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

    @property
    def live(self) -> ServedState | None:
        """The served entity with the most traffic, or None before the first is ready."""
        return max(self.served, key=lambda entity: entity.traffic, default=None)


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


def config_body(served: Sequence[Served], traffic: dict[str, int]) -> dict[str, Any]:
    """The body of an endpoint's configuration. A served entity that `traffic` does not name gets 0 per cent."""
    return {
        "served_entities": [
            {
                "name": entity.name,
                "entity_name": entity.entity_name,
                "entity_version": str(entity.entity_version),
                "workload_size": "Small",
                "scale_to_zero_enabled": True,
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


def inference_table_body(enabled: bool) -> dict[str, Any]:
    """The body that switches an endpoint's inference table on or off."""
    return {"inference_table_config": {"enabled": enabled}}


def endpoint_of(entry: dict[str, Any]) -> Endpoint:
    """The endpoint that an API's answer describes. What the answer leaves out is empty, never an error."""
    state = entry.get("state") or {}
    config = entry.get("config") or {}
    pending = entry.get("pending_config")
    logging = ((entry.get("ai_gateway") or {}).get("inference_table_config")) or {}
    return Endpoint(
        name=str(entry.get("name") or ""),
        ready=state.get("ready") == "READY",
        config_version=int(config.get("config_version") or 0),
        served=_served_states(config),
        pending=_served_states(pending) if pending else None,
        updating=str(state.get("config_update") or "NOT_UPDATING"),
        inference_table=bool(logging.get("enabled")),
        creator=str(entry.get("creator") or ""),
    )


def _served_states(config: dict[str, Any]) -> list[ServedState]:
    routes = (config.get("traffic_config") or {}).get("routes") or []
    traffic = {route.get("served_model_name"): int(route.get("traffic_percentage") or 0) for route in routes}
    states = []
    for entity in config.get("served_entities") or []:
        state = entity.get("state") or {}
        states.append(
            ServedState(
                name=str(entity.get("name") or ""),
                entity_name=str(entity.get("entity_name") or ""),
                entity_version=str(entity.get("entity_version") or ""),
                state=str(state.get("deployment") or ""),
                message=str(state.get("deployment_state_message") or ""),
                traffic=traffic.get(entity.get("name"), 0),
            )
        )
    return states
