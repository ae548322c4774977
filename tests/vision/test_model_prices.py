"""What an answer of a model cost: own prices first, published ones next, and never an invented one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.appends import append
from metrics.price_list import NoPrice
from settings import Settings
from vision.models.model_prices import cost_of

HEAD = "model,version,input_usd_per_million,output_usd_per_million,effective_from\n"


def settings_of(folder: Path, prices: str = "") -> Settings:
    if prices:
        (folder / "prices.csv").write_text(HEAD + prices)
    return Settings(home=folder, prices_file=str(folder / "prices.csv") if prices else "")


def test_a_published_price_is_taken_with_its_source(tmp_path: Path) -> None:
    cost = cost_of(settings_of(tmp_path), "anthropic:claude-sonnet-4-5", 1000, 0)
    assert cost is not None
    assert cost.usd == pytest.approx(0.003)
    assert "genai-prices" in cost.source


@pytest.mark.parametrize("model", ["anthropic:claude-sonnet-4-5", "server:claude-sonnet-4-5"])
def test_the_own_price_comes_first(tmp_path: Path, model: str) -> None:
    cost = cost_of(settings_of(tmp_path, "claude-sonnet-4-5,,10,20,2020-01-01\n"), model, 100_000, 100_000)
    assert cost is not None
    assert cost.usd == pytest.approx(3.0)
    assert cost.source == "price file prices.csv"


def test_the_workspaces_price_table_comes_before_published_prices(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    row = {"entity_name": "claude-sonnet-4-5", "entity_version": None, "source": "contract"}
    row |= {"input_usd_per_million": 7.0, "output_usd_per_million": 7.0}
    append(settings, "prices", [row | {"effective_from": datetime(2026, 1, 1, tzinfo=UTC)}])
    cost = cost_of(settings, "anthropic:claude-sonnet-4-5", 1000, 0)
    assert cost is not None
    assert (round(cost.usd, 6), cost.source) == (0.007, "contract")


def test_your_own_server_has_no_published_price(tmp_path: Path) -> None:
    assert cost_of(settings_of(tmp_path), "server:claude-sonnet-4-5", 1000, 1000) is None


def test_an_unknown_model_has_no_price(tmp_path: Path) -> None:
    assert cost_of(settings_of(tmp_path), "openai:no-such-model-of-anybody", 1000, 1000) is None


def test_a_price_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoPrice, match="line 2"):
        cost_of(settings_of(tmp_path, "x,,much,20,2020-01-01\n"), "server:x", 1, 1)
