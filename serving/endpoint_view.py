"""An endpoint as Databricks' serving API describes it."""

from typing import Any

from serving.endpoint_config import EndpointConfig, PendingUpdate, ServedEntity
from serving.endpoints import EXTENSION
from serving.gateway import LiveEndpoint

_CREATOR = "local"
_DEPLOYMENT = {
    "starting": "DEPLOYMENT_CREATING",
    "ready": "DEPLOYMENT_READY",
    "restarting": "DEPLOYMENT_RECOVERING",
    "failed": "DEPLOYMENT_FAILED",
    "stopped": "DEPLOYMENT_ABORTED",
}
_WITHOUT_WORKER = {
    "NOT_UPDATING": "DEPLOYMENT_ABORTED",
    "IN_PROGRESS": "DEPLOYMENT_CREATING",
    "UPDATE_FAILED": "DEPLOYMENT_FAILED",
    "UPDATE_CANCELED": "DEPLOYMENT_ABORTED",
}


def describe(endpoint: LiveEndpoint) -> dict[str, Any]:
    """The body of `GET /api/2.0/serving-endpoints/{name}`."""
    record = endpoint.record
    body: dict[str, Any] = {
        "name": record.name,
        "id": record.endpoint_id,
        "creator": _CREATOR,
        "creation_timestamp": record.created_ms,
        "last_updated_timestamp": record.updated_ms,
        "state": {"ready": "READY" if endpoint.ready else "NOT_READY", "config_update": endpoint.updating},
        "tags": [{"key": key, "value": value} for key, value in record.tags.items()],
        "ai_gateway": {"inference_table_config": {"enabled": record.inference_table}},
    }
    if record.active is not None:
        body["config"] = _config(endpoint, record.active)
    if record.pending is not None:
        pending = record.pending
        body["pending_config"] = {**_config(endpoint, pending.config, pending), "start_time": pending.since_ms}
    if record.warm is not None:
        body[EXTENSION] = {"warm_standby": _entity(endpoint, record.warm)}
    return body


def _config(endpoint: LiveEndpoint, config: EndpointConfig, pending: PendingUpdate | None = None) -> dict[str, Any]:
    return {
        "config_version": config.version,
        "served_entities": [_entity(endpoint, entity, pending) for entity in config.entities],
        "traffic_config": {
            "routes": [
                {"served_model_name": entity.name, "traffic_percentage": entity.traffic} for entity in config.entities
            ]
        },
    }


def _entity(endpoint: LiveEndpoint, entity: ServedEntity, pending: PendingUpdate | None = None) -> dict[str, Any]:
    """A served entity of the configuration that serves, or of the update that is `pending`."""
    worker = endpoint.worker_of(entity)
    if worker is not None:
        state, message = _DEPLOYMENT[worker.state], worker.message
    else:
        state, message = _WITHOUT_WORKER[endpoint.updating if pending is not None else "NOT_UPDATING"], ""
        if state == "DEPLOYMENT_CREATING":
            message = f"A process for {entity.model_uri} is about to be started."
    if pending is not None:
        message = pending.problems.get(entity.name) or message
    return {
        "name": entity.name,
        "entity_name": entity.entity_name,
        "entity_version": entity.entity_version,
        "workload_size": "Small",
        "scale_to_zero_enabled": True,
        "creator": _CREATOR,
        "creation_timestamp": entity.created_ms,
        "state": {"deployment": state, "deployment_state_message": message},
    }
