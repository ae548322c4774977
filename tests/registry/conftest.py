from collections.abc import Iterator

import pytest

from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
def echo_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway with echo models for every test here. A test that stops it starts its own instead."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("echo"))
    yield gateway
    gateway.stop()


@pytest.fixture
def production(echo_gateway: GatewayProcess, request: pytest.FixtureRequest) -> EchoProduction:
    """A production of this test's own: version 2 live, version 1 warm, both with a record of nothing."""
    name = request.node.name[5:50].translate(str.maketrans("[]. ", "----")).strip("-_")
    return echo_production(echo_gateway.settings, name)
