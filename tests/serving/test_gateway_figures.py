"""What Prometheus and an OpenTelemetry collector get from a gateway that runs."""

import json
import re

from tests.serving.collector import collecting
from tests.serving.gateway_process import GatewayProcess


def values(text: str) -> dict[str, float]:
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


def test_prometheus_gets_the_figures_of_every_endpoint_with_the_token_only(gateway):
    gateway.serve("figured", 1, 2, live=1)
    for _ in range(8):
        assert gateway.ask("figured", "hello")[0] == 200
    assert gateway.ask("figured", "raise it")[0] == 500
    status, headers, body = gateway.request("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(body.decode())
    labels = [f'endpoint_name="figured",served_model_name="figured-{number}"' for number in (1, 2)]
    answered = {name: value for name, value in found.items() if name.startswith("lakehelm_gateway_requests_total")}
    of_this = [value for name, value in answered.items() if 'endpoint_name="figured"' in name]
    assert sorted(of_this) == [1, 8]
    for label, share, count in zip(labels, (100, 0), (9, 0), strict=True):
        assert found[f"lakehelm_gateway_served_entity_ready{{{label}}}"] == 1
        assert found[f"lakehelm_gateway_traffic_percent{{{label}}}"] == share
        assert found.get(f"lakehelm_gateway_request_duration_seconds_count{{{label}}}", 0) == count
    assert found['lakehelm_gateway_endpoint_ready{endpoint_name="figured"}'] == 1
    assert found["lakehelm_gateway_delivery_failing"] == 0
    declared = re.findall(r"^# TYPE (\S+)", body.decode(), re.MULTILINE)
    assert len(declared) == len(set(declared))
    status, _, body = gateway.request("GET", "/metrics", token="wrong")
    assert (status, json.loads(body)["error_code"]) == (401, "UNAUTHENTICATED")


def test_a_collector_gets_the_figures_of_a_gateway(tmp_path, monkeypatch):
    with collecting() as collector:
        monkeypatch.setenv("LAKEHELM_TELEMETRY_URL", collector.address)
        collector.hangs.set()
        gateway = GatewayProcess(tmp_path)
        try:
            collector.wait_for(1)
            # A collector that hangs delays neither a call nor the end of the gateway.
            assert gateway.request("GET", "/metrics")[0] == 200
        finally:
            gateway.stop()
        values = collector.values()
    assert values["lakehelm_gateway_delivered_requests"] == 0
    assert values["lakehelm_gateway_start_time_seconds"] > 0
