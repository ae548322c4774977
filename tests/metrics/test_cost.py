from datetime import UTC, datetime

import pytest

from metrics.cost import Price, cost_usd, pick_price, published_cost

AT = datetime(2026, 5, 1, tzinfo=UTC)


def price(
    version: str = "", dollars: float = 1.0, month: int = 1, source: str = "own", name: str = "prod.chatbot"
) -> Price:
    return Price(name, version, dollars, dollars, datetime(2026, month, 1, tzinfo=UTC), source)


def test_a_cost_is_tokens_times_dollars_per_million() -> None:
    two_prices = Price("m", "", 3.0, 15.0, AT, "own")
    assert cost_usd(1_000_000, 0, two_prices) == 3.0
    assert cost_usd(1000, 200, two_prices) == pytest.approx(0.006)
    assert cost_usd(0, 0, two_prices) == 0


def test_the_latest_price_in_force_is_picked() -> None:
    prices = [price(dollars=1, month=1), price(dollars=2, month=3), price(dollars=9, month=6)]
    assert pick_price(prices, "prod.chatbot", "2", AT) == prices[1]
    assert pick_price(prices, "prod.chatbot", "2", datetime(2025, 12, 31, tzinfo=UTC)) is None
    assert pick_price(prices, "prod.chatbot", "2", prices[2].effective_from) == prices[2]


def test_a_price_of_the_very_version_comes_before_one_of_all_versions() -> None:
    prices = [price(month=4), price(version="2", month=1), price(version="3", month=4)]
    assert pick_price(prices, "prod.chatbot", "2", AT) == prices[1]
    assert pick_price(prices, "prod.chatbot", "9", AT) == prices[0]


def test_the_first_source_that_knows_the_model_wins() -> None:
    prices = [price(source="own file", month=1), price(version="2", source="table", month=4)]
    assert pick_price(prices, "prod.chatbot", "2", AT) == prices[0]
    assert pick_price([price(name="other"), *prices[1:]], "prod.chatbot", "2", AT) == prices[1]
    assert pick_price(prices, "test.chatbot", "2", AT) is None


@pytest.mark.parametrize("dollars", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_no_price_is_refused(dollars: float) -> None:
    with pytest.raises(ValueError, match=r"The input_usd_per_million of prod\.chatbot is .*0 or more"):
        price(dollars=dollars)


def test_a_price_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"The effective_from of m's price has no time zone"):
        Price("m", "", 1, 1, datetime(2026, 1, 1), "own")


def test_published_prices_name_their_source() -> None:
    makers = published_cost("gpt-4o", 1_000_000, 0, AT)
    assert makers is not None
    assert makers.usd > 0
    assert makers.source.startswith("genai-prices ")
    assert makers.source.endswith("(openai/gpt-4o)")
    databricks = published_cost("system.ai.databricks-claude-3-7-sonnet", 1000, 10, AT)
    assert databricks is not None
    assert databricks.source.startswith("mlflow ")
    assert published_cost("databricks-claude-3-7-sonnet", 1000, 10, AT) == databricks


def test_a_price_that_grows_with_the_prompt_is_followed() -> None:
    short, long = (published_cost("gemini-1.5-pro", tokens, 0, AT) for tokens in (1000, 1_000_000))
    assert short is not None
    assert long is not None
    assert long.usd > 1000 * short.usd


@pytest.mark.parametrize("model", ["prod.chatbot", "llama-3.3-70b-versatile", "", "🙂", "x" * 10_000])
def test_a_model_that_nobody_prices_for_sure_has_no_cost(model: str) -> None:
    assert published_cost(model, 10, 10, AT) is None
