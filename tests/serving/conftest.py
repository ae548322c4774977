import pytest

from tests.serving.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """One gateway for all tests that leave it running. Each test uses endpoints of its own."""
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    yield process
    process.stop()
