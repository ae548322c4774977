"""Figures sent to an OpenTelemetry collector, as JSON over HTTP.

Figures are sent whole each time, so what a collector missed while it was down is in what it gets next. Nothing here
waits for it longer than a few seconds, and it gets numbers and names only: no prompt, no answer, no person.
Source: OpenTelemetry Protocol 1.x, OTLP/HTTP with JSON; the data model of metrics (opentelemetry-proto).
"""

import http.client
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from serving.errors import TelemetryFailed
from serving.figures import Distribution, Family, Labels, Sample

logger = logging.getLogger(__name__)

EVERY_SECONDS = 15.0
"""How often figures are sent."""
TIMEOUT_SECONDS = 5.0
"""How long a collector may take to answer."""

_CUMULATIVE = 2
"""`AGGREGATION_TEMPORALITY_CUMULATIVE` of the protocol: a counter counts from its start on."""
_UNITS = {"_seconds": "s", "_bytes": "By", "_percent": "%"}
_MOST_SAID = 200


class Collector:
    """A collector at an address, as `http://127.0.0.1:4318`.

    Raises: TelemetryFailed, with a sentence, if that is no such address.
    """

    def __init__(self, url: str, service: str, instance: str) -> None:
        parts = urlsplit(url.strip())
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.username:
            raise TelemetryFailed(
                "LAKEHELM_TELEMETRY_URL is no address of a collector: write it as http://127.0.0.1:4318, without a "
                "name or a password."
            )
        self._parts, self._port = parts, port
        self._resource = {"service.name": service, "service.namespace": "lakehelm", "service.instance.id": instance}
        self._started = time.time_ns()

    def payload(self, families: Iterable[Family]) -> bytes:
        """The body of one export of these figures, as they are now."""
        return json.dumps(
            export_request(families, self._resource, started=self._started, now=time.time_ns()), allow_nan=False
        ).encode()

    def send(self, payload: bytes) -> None:
        """Send a body. Raises: TelemetryFailed, if the collector does not take it in time."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._parts.hostname), self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(
                "POST",
                f"{self._parts.path.rstrip('/')}/v1/metrics",
                payload,
                {"content-type": "application/json", "connection": "close"},
            )
            answer = connection.getresponse()
            said = answer.read(_MOST_SAID).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise TelemetryFailed(f"The collector at {self._where} takes no figures: {_reason(error)}.") from error
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise TelemetryFailed(
                f"The collector at {self._where} refused the figures with {answer.status}: {' '.join(said.split())}"
            )

    @property
    def _where(self) -> str:
        return f"{self._parts.scheme}://{self._parts.netloc}"


class Sender:
    """Sends figures to the collector at `url` every few seconds, in a thread of its own that nothing waits for.

    Without an address nothing is sent. One that cannot be, or a collector that takes nothing, is said in the log, once
    for as long as it is the same.
    """

    def __init__(self, url: str, service: str, instance: str, every_seconds: float = EVERY_SECONDS) -> None:
        self.problem = ""
        """Why the last figures did not arrive; empty if they did."""
        self._url, self._service, self._instance, self._every = url, service, instance, every_seconds
        self._stopping = threading.Event()

    def start(self, gather: Callable[[], Iterable[Family]]) -> None:
        """Begin. gather: gives the figures of now; may take seconds, and may raise TimeoutError.

        Nothing is sent for as long as it gives none.
        """
        if not self._url:
            return
        try:
            collector = Collector(self._url, self._service, self._instance)
        except TelemetryFailed as error:
            self._tell(str(error))
            return
        # A daemon: the process ends without waiting for a collector that hangs.
        threading.Thread(target=self._send_for_ever, args=(collector, gather), name="telemetry", daemon=True).start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()

    def _send_for_ever(self, collector: Collector, gather: Callable[[], Iterable[Family]]) -> None:
        while not self._stopping.is_set():
            try:
                figures = list(gather())
                if figures:
                    collector.send(collector.payload(figures))
                self._tell("")
            except TelemetryFailed as error:
                self._tell(str(error))
            except (TimeoutError, RuntimeError) as error:
                # The event loop that has the figures is busy, or over.
                self._tell(f"The figures could not be gathered: {error or type(error).__name__}.")
            self._stopping.wait(self._every)

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem and not self._stopping.is_set():
            logger.error("%s", problem)
        self.problem = problem


def export_request(families: Iterable[Family], resource: Labels, *, started: int, now: int) -> dict[str, Any]:
    """An `ExportMetricsServiceRequest`. started, now: nanoseconds since 1970; counters count from `started` on.

    JSON has no infinity and no NaN: such values are left out.
    """
    metrics = [metric for family in families if (metric := _metric(family, started, now)) is not None]
    scope = {"scope": {"name": "lakehelm"}, "metrics": metrics}
    return {"resourceMetrics": [{"resource": {"attributes": _attributes(resource)}, "scopeMetrics": [scope]}]}


def _metric(family: Family, started: int, now: int) -> dict[str, Any] | None:
    name = family.name.removesuffix("_total")
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "1")
    described = {"name": name, "description": family.about, "unit": unit}
    since = {"startTimeUnixNano": str(started)} if family.kind != "gauge" else {}
    if family.kind == "histogram":
        spread = [{**since, **_spread(one, now)} for one in family.distributions]
        data: dict[str, Any] = {"histogram": {"dataPoints": spread, "aggregationTemporality": _CUMULATIVE}}
        return {**described, **data} if spread else None
    points = [{**since, **_point(one, now)} for one in family.samples if math.isfinite(one.value)]
    if not points:
        return None
    if family.kind == "gauge":
        return {**described, "gauge": {"dataPoints": points}}
    counted = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE, "isMonotonic": True}
    return {**described, "sum": counted}


def _point(one: Sample, now: int) -> dict[str, Any]:
    return {"attributes": _attributes(one.labels), "timeUnixNano": str(now), "asDouble": float(one.value)}


def _spread(one: Distribution, now: int) -> dict[str, Any]:
    return {
        "attributes": _attributes(one.labels),
        "timeUnixNano": str(now),
        "count": str(sum(one.counts)),
        "sum": float(one.total),
        "bucketCounts": [str(count) for count in one.counts],
        "explicitBounds": list(one.edges),
    }


def _attributes(labels: Labels) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in labels.items()]


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
