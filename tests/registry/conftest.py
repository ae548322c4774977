from itertools import count

import pytest

from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

NUMBERS = count(1)


@pytest.fixture
def production(echo_gateway: GatewayProcess) -> EchoProduction:
    """A production of this test's own: version 2 live, version 1 warm, and nothing in the ledger."""
    return echo_production(echo_gateway.settings, f"bot-{next(NUMBERS)}")
