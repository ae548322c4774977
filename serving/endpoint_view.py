"""An endpoint as Databricks' serving API describes it."""

from typing import Any

from serving.endpoint_config import EndpointConfig, ServedEntity
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
    if endpoint.pending is not None:
        body["pending_config"] = {**_config(endpoint, endpoint.pending), "start_time": endpoint.pending_since_ms}
    if record.warm is not None:
        body[EXTENSION] = {"warm_standby": _entity(endpoint, record.warm)}
    return body


def _config(endpoint: LiveEndpoint, config: EndpointConfig) -> dict[str, Any]:
    return {
        "config_version": config.version,
        "served_entities": [_entity(endpoint, entity) for entity in config.entities],
        "traffic_config": {
            "routes": [
                {"served_model_name": entity.name, "traffic_percentage": entity.traffic} for entity in config.entities
            ]
        },
    }


def _entity(endpoint: LiveEndpoint, entity: ServedEntity) -> dict[str, Any]:
    worker = endpoint.worker_of(entity)
    if worker is not None:
        state, message = _DEPLOYMENT[worker.state], worker.message
    else:
        message = endpoint.failures.get(entity, "")
        state = "DEPLOYMENT_FAILED" if message else "DEPLOYMENT_ABORTED"
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
