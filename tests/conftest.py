"""What tests of several rooms share."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from settings import Settings

if TYPE_CHECKING:
    from tests.serving.gateway_process import GatewayProcess


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole loop comes first: it takes longest, and the suite runs in two processes, file by file."""
    items.sort(key=lambda item: item.path.name != "test_loop.py")


@pytest.fixture(scope="session")
def prepared_models(request: pytest.FixtureRequest) -> Path:
    """A folder with `perplexity` and `toxicity` (the keyword classifier), prepared with the real code.

    It is kept in pytest's cache (or in LAKEHELM_TEST_MODELS), so that only the first run on a machine makes it.
    Tests read it only.
    """
    from metrics.engines.preparation import PACKAGED_MODEL, prepare_perplexity, prepare_toxicity

    given = os.environ.get("LAKEHELM_TEST_MODELS")
    folder = Path(given).absolute() if given else Path(request.config.cache.mkdir("prepared-models"))
    with (folder / "lock").open("w") as lock:
        # The suite runs in two processes, and one preparation is enough.
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare_perplexity(PACKAGED_MODEL, folder / "perplexity")
        prepare_toxicity("keyword", "", folder / "toxicity")
    return folder


@pytest.fixture(scope="session")
def chat_corpus() -> Path:
    """The folder of real chat logs beside the repository; tests that need it are skipped where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "corpus" / "chat"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session")
def trained_chatbots(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A workspace in which `test.chatbot` has versions 1 to 4, of the kinds in `jobs.train.RECIPES` in their order.

    Tests must not change these versions or their aliases: one that promotes takes a production model of its own.
    """
    from jobs.features import refresh_handbook
    from jobs.train import RECIPES, train

    settings = Settings(home=tmp_path_factory.mktemp("trained") / "home")
    refresh_handbook(settings)
    for kind in RECIPES:
        train(settings, kind)
    return settings


@pytest.fixture(scope="session")
def echo_gateway(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[GatewayProcess]":
    """One gateway with echo models for every test that changes production (`tests.registry.echo_production`).

    A test that stops it starts it again.
    """
    from tests.serving.gateway_process import GatewayProcess

    gateway = GatewayProcess(tmp_path_factory.mktemp("echo"))
    yield gateway
    gateway.stop()
