"""What an endpoint is configured to serve: checked when it comes in, kept in the workspace.

`<home>/gateway/endpoints.json` holds the configuration that serves and the version that stays warm beside it, so that
a gateway that starts again serves as the one before it did.
"""

import json
import os
import re
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from serving.errors import STATUS_OF_ERROR_CODE, CannotServe, RequestRejected

_ENDPOINT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_SERVED_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9])?")
_ENTITY_NAME = re.compile(r"[^/:\\\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_MOST_ENTITIES = 15
_NAMESPACE = uuid.UUID("6f0c2b1e-6a7e-4a55-9d0e-3a8f5f1c7b42")


def rejected(error_code: str, message: str) -> RequestRejected:
    """The error to raise for a request that is answered with this code."""
    return RequestRejected(message, status_code=STATUS_OF_ERROR_CODE[error_code], error_code=error_code)


@dataclass(frozen=True)
class ServedEntity:
    """A model version in an endpoint and its share of the traffic in whole per cent. Times are Unix milliseconds."""

    name: str
    entity_name: str
    entity_version: str
    traffic: int
    created_ms: int

    @property
    def model_uri(self) -> str:
        """MLflow's address of the version."""
        return f"models:/{self.entity_name}/{self.entity_version}"

    def same_version(self, other: "ServedEntity") -> bool:
        """Whether both are the same model version under the same name, so that one worker does for both."""
        return (self.name, self.entity_name, self.entity_version) == (
            other.name,
            other.entity_name,
            other.entity_version,
        )


@dataclass(frozen=True)
class EndpointConfig:
    """One numbered configuration of an endpoint."""

    version: int
    entities: tuple[ServedEntity, ...]

    @property
    def traffic(self) -> dict[str, int]:
        """Whole per cent for each served entity's name."""
        return {entity.name: entity.traffic for entity in self.entities}


@dataclass(frozen=True)
class PendingUpdate:
    """A configuration that is to take over: its update runs, or has ended without that. Kept, so that it is explained.

    A record that is read with `IN_PROGRESS` is of an update that the gateway did not live to end.
    """

    config: EndpointConfig
    since_ms: int
    """Unix milliseconds of its beginning."""
    state: Literal["IN_PROGRESS", "UPDATE_FAILED", "UPDATE_CANCELED"] = "IN_PROGRESS"
    problems: dict[str, str] = field(default_factory=dict)
    """Why it ended, for each served entity's name that was the reason."""


@dataclass
class EndpointRecord:
    """An endpoint as it is kept."""

    name: str
    endpoint_id: str
    created_ms: int
    updated_ms: int
    inference_table: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    active: EndpointConfig | None = None
    first: EndpointConfig | None = None
    """The configuration that it was made with, until that serves."""
    warm: ServedEntity | None = None
    """The version that was live before, kept ready for a rollback."""
    pending: PendingUpdate | None = None

    def served_entity_id(self, entity: ServedEntity) -> str:
        """The id under which the inference table knows this served entity. The same version keeps it for ever."""
        return uuid.uuid5(
            _NAMESPACE, "/".join((self.endpoint_id, entity.name, entity.entity_name, entity.entity_version))
        ).hex

    @property
    def latest_version(self) -> int:
        """The number of the newest configuration."""
        config = self.active or self.first
        return config.version if config else 0


@dataclass(frozen=True)
class ConfigChange:
    """A change of configuration that the table of served entities does not know yet."""

    endpoint_id: str
    endpoint_name: str
    config_version: int
    change_ms: int
    entities: tuple[dict[str, str], ...]
    """`served_entity_id`, `name`, `entity_name` and `entity_version` of each."""
    deleted: bool = False


def read_config(body: Any, endpoint_name: str, version: int, now_ms: int) -> EndpointConfig:
    """The configuration in the body of a request.

    Raises: RequestRejected (400) with one sentence that names the field.
    """
    if not isinstance(body, dict):
        raise rejected("INVALID_PARAMETER_VALUE", "The configuration must be a JSON object.")
    entries = body.get("served_entities") or body.get("served_models")
    if not isinstance(entries, list) or not entries:
        raise rejected("INVALID_PARAMETER_VALUE", "served_entities must be a list with at least one served entity.")
    if len(entries) > _MOST_ENTITIES:
        raise rejected("INVALID_PARAMETER_VALUE", f"An endpoint serves at most {_MOST_ENTITIES} entities.")
    found = [_read_entity(entry, endpoint_name) for entry in entries]
    names = [name for name, _, _ in found]
    if len(set(names)) < len(names):
        raise rejected("INVALID_PARAMETER_VALUE", "Two served entities have the same name.")
    traffic = _read_traffic(body.get("traffic_config"), names)
    return EndpointConfig(version, tuple(ServedEntity(*entry, traffic.get(entry[0], 0), now_ms) for entry in found))


def read_endpoint_name(name: Any) -> str:
    """A name for an endpoint. Raises RequestRejected (400)."""
    if not isinstance(name, str) or not _ENDPOINT_NAME.fullmatch(name):
        raise rejected(
            "INVALID_PARAMETER_VALUE",
            "An endpoint's name has 1 to 63 letters, digits, dashes and underscores, and begins and ends with a letter "
            "or digit.",
        )
    return name


def _read_entity(entry: Any, endpoint_name: str) -> tuple[str, str, str]:
    if not isinstance(entry, dict):
        raise rejected("INVALID_PARAMETER_VALUE", "Each of served_entities must be a JSON object.")
    entity_name = entry.get("entity_name") or entry.get("model_name")
    version = str(entry.get("entity_version") or entry.get("model_version") or "")
    if not isinstance(entity_name, str) or not _ENTITY_NAME.fullmatch(entity_name):
        raise rejected("INVALID_PARAMETER_VALUE", "entity_name must be the name of a registered model.")
    if not _VERSION.fullmatch(version):
        raise rejected("INVALID_PARAMETER_VALUE", f"entity_version of {entity_name} must be a number, as 3.")
    name = entry.get("name") or f"{endpoint_name}-{version}"
    if not isinstance(name, str) or not _SERVED_NAME.fullmatch(name):
        raise rejected(
            "INVALID_PARAMETER_VALUE", "A served entity's name has letters, digits, dots, dashes and underscores."
        )
    return name, entity_name, version


def _read_traffic(body: Any, names: list[str]) -> dict[str, int]:
    if not body and len(names) == 1:
        return {names[0]: 100}
    routes = body.get("routes") if isinstance(body, dict) else None
    if not isinstance(routes, list):
        raise rejected("INVALID_PARAMETER_VALUE", "traffic_config.routes must say how the traffic is split.")
    traffic: dict[str, int] = {}
    for route in routes:
        name = (route.get("served_model_name") or route.get("served_entity_name")) if isinstance(route, dict) else None
        if name not in names or name in traffic:
            raise rejected("INVALID_PARAMETER_VALUE", "Each route must name one served entity, and each only once.")
        percentage = route.get("traffic_percentage")
        if type(percentage) is not int or not 0 <= percentage <= 100:
            raise rejected("INVALID_PARAMETER_VALUE", f"traffic_percentage of {name} must be a whole number, 0 to 100.")
        traffic[name] = percentage
    if sum(traffic.values()) != 100:
        raise rejected(
            "INVALID_PARAMETER_VALUE", f"The traffic percentages sum to {sum(traffic.values())}, not to 100."
        )
    return traffic


class EndpointStore:
    """The endpoints of a workspace, in one JSON file that is replaced as a whole.

    Raises: CannotServe, if the file is there and cannot be understood.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: dict[str, EndpointRecord] = {}
        self.unrecorded: list[ConfigChange] = []
        if not path.exists():
            return
        try:
            self._read(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise CannotServe(
                f"The endpoints of this workspace cannot be read from {path}: {error.strerror}."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CannotServe(
                f"{path} is damaged ({type(error).__name__}), so it is not known what this workspace serves: put back "
                "a copy of it, or move it away and make the endpoints again. The gateway has changed nothing."
            ) from error

    def save(self) -> None:
        """Bring the present state to disk."""
        kept = {
            "endpoints": [asdict(record) for record in self.records.values()],
            "unrecorded": [asdict(change) for change in self.unrecorded],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def forget(self, recorded: list[ConfigChange]) -> None:
        """These changes stand in the table of served entities now."""
        if recorded:
            self.unrecorded = [change for change in self.unrecorded if change not in recorded]
            self.save()

    def _read(self, kept: dict[str, Any]) -> None:
        for entry in kept["endpoints"]:
            active, first, warm = entry.pop("active"), entry.pop("first"), entry.pop("warm")
            pending = entry.pop("pending", None)  # a workspace of before may not have it
            self.records[entry["name"]] = EndpointRecord(
                **entry,
                active=_config_from(active),
                first=_config_from(first),
                warm=ServedEntity(**warm) if warm else None,
                pending=_pending_from(pending),
            )
        for entry in kept["unrecorded"]:
            self.unrecorded.append(ConfigChange(**{**entry, "entities": tuple(entry["entities"])}))


def _pending_from(kept: dict[str, Any] | None) -> PendingUpdate | None:
    if kept is None:
        return None
    config = _config_from(kept.pop("config"))
    if config is None:
        raise ValueError("A pending update has no configuration.")
    return PendingUpdate(config, **kept)


def _config_from(kept: dict[str, Any] | None) -> EndpointConfig | None:
    if kept is None:
        return None
    return EndpointConfig(kept["version"], tuple(ServedEntity(**entity) for entity in kept["entities"]))
