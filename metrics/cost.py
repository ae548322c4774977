"""What a request cost in US dollars: tokens times a price, from a price table or from published prices.

A model whose price nobody knows has no cost: it is counted as unpriced, never as free.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_MILLION = 1_000_000
_FIRST_PARTIES = frozenset({"openai", "anthropic", "google", "mistral", "cohere", "deepseek", "x-ai"})
"""Providers that price models of their own. A Llama's price depends on who serves it, so it is not guessed."""


@dataclass(frozen=True)
class Price:
    """One row of a price table. `entity_version` "" means every version; `source` is shown beside the cost."""

    entity_name: str
    entity_version: str
    input_usd_per_million: float
    output_usd_per_million: float
    effective_from: datetime
    source: str

    def __post_init__(self) -> None:
        for name in ("input_usd_per_million", "output_usd_per_million"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(
                    f"The {name} of {self.entity_name} is {getattr(self, name)}; it must be in dollars, 0 or more."
                )
        if self.effective_from.tzinfo is None:
            raise ValueError(f"The effective_from of {self.entity_name}'s price has no time zone; give it in UTC.")


@dataclass(frozen=True)
class Cost:
    """A cost in US dollars and where its price came from."""

    usd: float
    source: str


def cost_usd(prompt_tokens: int, completion_tokens: int, price: Price) -> float:
    """The cost of one request in US dollars."""
    return (prompt_tokens * price.input_usd_per_million + completion_tokens * price.output_usd_per_million) / _MILLION


def pick_price(prices: Sequence[Price], entity_name: str, entity_version: str, at: datetime) -> Price | None:
    """The price of a model version at a time, or None.

    The order of `prices` says which source comes first: the first source that knows the model wins. Within it a price
    of this very version comes before one of all versions, and the latest that is in force before an earlier one.
    """
    known = [
        price
        for price in prices
        if price.entity_name == entity_name
        and price.entity_version in ("", entity_version)
        and price.effective_from <= at
    ]
    if not known:
        return None
    same_source = [price for price in known if price.source == known[0].source]
    return max(same_source, key=lambda price: (price.entity_version != "", price.effective_from))


def published_cost(model: str, prompt_tokens: int, completion_tokens: int, at: datetime) -> Cost | None:
    """The cost of a foundation model by its maker's or Databricks' published prices, or None. Needs no network."""
    price = _databricks_prices().get(model.removeprefix("system.ai."))
    if price is not None:
        return Cost(cost_usd(prompt_tokens, completion_tokens, price), price.source)
    return _makers_cost(
        model, prompt_tokens, completion_tokens, at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    )


@cache
def _databricks_prices() -> dict[str, Price]:
    """Prices of Databricks' foundation models, from the catalog inside the MLflow package; empty where it has none."""
    package = find_spec("mlflow")
    folders = package.submodule_search_locations if package else None
    if not folders:
        return {}
    try:
        text = (Path(folders[0]) / "utils" / "model_catalog" / "databricks.json").read_text(encoding="utf-8")
        models = json.loads(text)["models"]
    except (FileNotFoundError, KeyError, json.JSONDecodeError):
        # Another version of MLflow keeps its catalog elsewhere: these models are then unpriced, which is shown.
        return {}
    source = f"{_package('mlflow')} catalog"
    return {name: price for name, model in models.items() if (price := _catalog_price(name, model, source))}


def _catalog_price(name: str, model: dict[str, dict[str, float]], source: str) -> Price | None:
    pricing = model.get("pricing") or {}
    per_million = [pricing.get(f"{side}_per_million_tokens") for side in ("input", "output")]
    if per_million[0] is None or per_million[1] is None:
        return None
    return Price(name, "", per_million[0], per_million[1], datetime.min.replace(tzinfo=UTC), source)


def _makers_cost(model: str, prompt_tokens: int, completion_tokens: int, at: datetime) -> Cost | None:
    price = _makers_price(model, at)
    if isinstance(price, Price):
        return Cost(cost_usd(prompt_tokens, completion_tokens, price), price.source)
    found = _calculated(model, prompt_tokens, completion_tokens, at) if price else None
    return Cost(float(found.total_price), _makers_source(found)) if found else None


@lru_cache(maxsize=1024)
def _makers_price(model: str, at: datetime) -> Price | bool:
    """The price of a maker's model; True if it depends on how long the prompt is, False if it is not known."""
    found = _calculated(model, 1, 1, at)
    if found is None or found.provider.id not in _FIRST_PARTIES:
        return False
    per_million = (found.model_price.input_mtok, found.model_price.output_mtok)
    if not all(isinstance(price, Decimal) for price in per_million):
        return True
    return Price(model, "", float(per_million[0]), float(per_million[1]), at, _makers_source(found))


def _makers_source(found: Any) -> str:
    return f"{_package('genai-prices')} ({found.provider.id}/{found.model.id})"


@cache
def _package(name: str) -> str:
    return f"{name} {version(name)}"


@lru_cache(maxsize=4096)
def _calculated(model: str, prompt_tokens: int, completion_tokens: int, at: datetime) -> Any:
    """What genai-prices says (its PriceCalculation), or None. Slow (2 ms), hence remembered."""
    # Imported here: its price data take most of a second to load, and a workspace with prices of its own needs none.
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    try:
        return calc_price(usage, model_ref=model, genai_request_timestamp=at)
    except LookupError:
        return None
