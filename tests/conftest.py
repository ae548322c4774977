"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prepared_models(request: pytest.FixtureRequest) -> Path:
    """A folder with `perplexity` and `toxicity` (the keyword classifier), prepared with the real code.

    It is kept in pytest's cache (or in LAKEHELM_TEST_MODELS), so that only the first run on a machine makes it.
    Tests read it only.
    """
    from metrics.engines.preparation import PACKAGED_MODEL, prepare_perplexity, prepare_toxicity

    given = os.environ.get("LAKEHELM_TEST_MODELS")
    folder = Path(given).absolute() if given else Path(request.config.cache.mkdir("prepared-models"))
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
