import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    """One gateway for all tests that leave it running. Each test uses endpoints of its own."""
    process = GatewayProcess(tmp_path_factory.mktemp("gateway"))
    yield process
    process.stop()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a UNIX socket in it; pytest's own may not be."""
    with tempfile.TemporaryDirectory(prefix="lh-") as folder:
        yield Path(folder)
