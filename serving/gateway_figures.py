"""The gateway's own figures: for `GET /metrics`, which Prometheus scrapes, and for an OpenTelemetry collector.

Counters count from the start of the gateway on. What `GET …/{name}/metrics` shows of one endpoint is over the last
minute, as on Databricks.
"""

import asyncio
import time
from collections.abc import Iterator

from serving.endpoint_config import ServedEntity
from serving.figures import Distribution, Family, Sample, counter, gauge
from serving.gateway import Gateway
from serving.prometheus import LATENCY_BUCKETS_MS, RequestCounters
from serving.telemetry import TIMEOUT_SECONDS, Sender
from serving.workers import Worker

_EDGES = tuple(edge / 1000 for edge in LATENCY_BUCKETS_MS)
_STARTED = time.time()


def gateway_figures(gateway: Gateway) -> list[Family]:
    """Every figure of the gateway as it is now. To be called on the gateway's event loop."""
    served = list(_served(gateway))
    counted = list(_counted(gateway))
    log = gateway.log.state
    return [
        gauge("lakehelm_gateway_start_time_seconds", "When the gateway began, Unix time.", [Sample(_STARTED)]),
        gauge(
            "lakehelm_gateway_endpoint_ready",
            "Whether every version that gets traffic answers.",
            [Sample(float(found.ready), {"endpoint_name": name}) for name, found in gateway.endpoints.items()],
        ),
        gauge(
            "lakehelm_gateway_served_entity_ready",
            "Whether a version is loaded and answers.",
            [Sample(float(worker.state == "ready"), labels) for labels, _, worker in served],
        ),
        gauge(
            "lakehelm_gateway_traffic_percent",
            "Share of the endpoint's traffic that a version is meant to get.",
            [Sample(entity.traffic, labels) for labels, entity, _ in served],
        ),
        gauge(
            "lakehelm_gateway_requests_in_flight",
            "Requests that a version is answering now.",
            [Sample(worker.in_flight, labels) for labels, _, worker in served],
        ),
        counter(
            "lakehelm_gateway_worker_restarts_total",
            "Processes of a version that ended by themselves and were started anew.",
            [Sample(worker.restarts, labels) for labels, _, worker in served],
        ),
        *_request_figures(counted),
        counter(
            "lakehelm_gateway_delivered_requests_total", "Requests in the inference table.", [Sample(log.delivered)]
        ),
        gauge(
            "lakehelm_gateway_spool_waiting_segments",
            "Files of requests that are not in the inference table yet.",
            [Sample(log.waiting_segments)],
        ),
        gauge(
            "lakehelm_gateway_delivery_failing",
            "Whether requests cannot be brought into the inference table.",
            [Sample(float(bool(log.problem)))],
        ),
    ]


def _request_figures(counted: list[tuple[dict[str, str], RequestCounters]]) -> list[Family]:
    return [
        counter(
            "lakehelm_gateway_requests_total",
            "Requests answered, by class of status.",
            [
                Sample(count, {**labels, "status_class": f"{status}xx"})
                for labels, counters in counted
                for status, count in sorted(counters.answered.items())
            ],
        ),
        counter(
            "lakehelm_gateway_diverted_requests_total",
            "Requests that were meant for a version and were answered by another.",
            [Sample(counters.diverted, labels) for labels, counters in counted],
        ),
        Family(
            "lakehelm_gateway_request_duration_seconds",
            "How long requests took.",
            "histogram",
            distributions=[
                Distribution(_EDGES, tuple(counters.spread), counters.seconds, labels) for labels, counters in counted
            ],
        ),
    ]


class GatewayTelemetry:
    """Sends the gateway's figures to the collector of the settings, as long as the gateway runs."""

    def __init__(self, gateway: Gateway, instance: str) -> None:
        self._gateway = gateway
        self._sender = Sender(gateway.settings.telemetry_url, "lakehelm-gateway", instance)

    def start(self) -> None:
        """Begin, if there is a collector. To be called on the gateway's event loop."""
        loop = asyncio.get_running_loop()

        def gathered() -> list[Family]:
            # The figures belong to the event loop: between two of its turns nothing changes under them.
            return asyncio.run_coroutine_threadsafe(self._gather(), loop).result(TIMEOUT_SECONDS)

        self._sender.start(gathered)

    def stop(self) -> None:
        """End, without waiting for a collector."""
        self._sender.stop()

    async def _gather(self) -> list[Family]:
        return gateway_figures(self._gateway)


def _served(gateway: Gateway) -> Iterator[tuple[dict[str, str], ServedEntity, Worker]]:
    for name, endpoint in gateway.endpoints.items():
        for entity, worker in endpoint.workers.items():
            yield _labels(name, entity.name), entity, worker


def _counted(gateway: Gateway) -> Iterator[tuple[dict[str, str], RequestCounters]]:
    """Counters stay when a version is taken away: Prometheus would take a lost one for a restart."""
    for name, endpoint in gateway.endpoints.items():
        for served_name, counters in sorted(endpoint.counters.items()):
            yield _labels(name, served_name), counters


def _labels(endpoint_name: str, served_name: str) -> dict[str, str]:
    return {"endpoint_name": endpoint_name, "served_model_name": served_name}
