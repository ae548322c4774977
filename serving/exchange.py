"""One request and its answer, and how both come to disk."""

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from serving.delivery import encode_exchange
from serving.endpoint_config import ServedEntity, rejected
from serving.errors import RequestRejected
from serving.gateway import Gateway, LiveEndpoint
from serving.prometheus import RequestCounters
from serving.spool import SpoolError


@dataclass
class Exchange:
    """A request that belongs to a served entity, and its answer as far as it is known."""

    endpoint: LiveEndpoint
    entity: ServedEntity
    requester: str
    request: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    request_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.perf_counter)
    client_request_id: str | None = None
    status_code: int = 200
    response: bytes = b""
    events_begun: bool = False
    """Whether the head of a streamed answer has left, so that the status can no longer change."""

    def headers(self, content_type: bytes) -> list[tuple[bytes, bytes]]:
        """What every answer says about itself."""
        return [
            (b"content-type", content_type),
            (b"served-model-name", self.entity.name.encode()),
            (b"x-request-id", self.request_id.encode()),
        ]

    def fail(self, error: RequestRejected) -> None:
        """Make this error the answer."""
        self.status_code = error.status_code
        self.response = error_body(error)


def error_body(error: RequestRejected) -> bytes:
    """An error as the serving API words it."""
    return json.dumps({"error_code": error.error_code, "message": str(error)}).encode()


async def log_exchange(gateway: Gateway, exchange: Exchange) -> None:
    """Count the exchange and bring it to disk. Raises RequestRejected when that fails: then nobody may be told."""
    seconds = time.perf_counter() - exchange.started
    counters = exchange.endpoint.counters.setdefault(exchange.entity.name, RequestCounters())
    counters.count(exchange.status_code, seconds)
    record = exchange.endpoint.record
    if not record.inference_table:
        return
    try:
        await gateway.log.append(
            encode_exchange(
                request_id=exchange.request_id,
                client_request_id=exchange.client_request_id,
                request_time=exchange.request_time,
                status_code=exchange.status_code,
                seconds=seconds,
                request=exchange.request,
                response=exchange.response,
                served_entity_id=record.served_entity_id(exchange.entity),
                requester=exchange.requester,
            )
        )
    except SpoolError as error:
        raise rejected(
            "TEMPORARILY_UNAVAILABLE", "The answer could not be recorded, so it is withheld: look at the disk."
        ) from error
