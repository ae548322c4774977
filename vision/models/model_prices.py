"""What an answer of a multimodal model cost: by the workspace's own prices first, else by published ones."""

from datetime import UTC, datetime
from pathlib import Path

from lakehouse.errors import TableMissing
from lakehouse.store import open_uri, read_rows, storage_options, table_uri
from metrics.cost import Cost, Price, cost_usd, pick_price, published_cost
from metrics.price_list import prices_of_csv, prices_of_rows
from settings import Settings


def cost_of(settings: Settings, model: str, input_tokens: int, output_tokens: int) -> Cost | None:
    """The cost of an answer now, or None where nobody knows the model's price. `model` as in the settings.

    A price list names models without their provider. What your own server costs stands in your own list or nowhere.
    Raises: NoPrice, OSError, UnicodeDecodeError, LakehouseError, if the own prices cannot be read.
    """
    provider, _, name = model.partition(":")
    now = datetime.now(UTC)
    own = pick_price(_own_prices(settings), name, "", now)
    if own is not None:
        return Cost(cost_usd(input_tokens, output_tokens, own), own.source)
    return None if provider == "server" else published_cost(name, input_tokens, output_tokens, now)


def _own_prices(settings: Settings) -> list[Price]:
    """The prices of the user's own file, then those of the table `prices`."""
    prices: list[Price] = []
    if settings.prices_file:
        file = Path(settings.prices_file)
        prices += prices_of_csv(file.read_text(encoding="utf-8-sig"), file.name)
    try:
        uri = table_uri(settings, "prices")
        rows = read_rows(open_uri(uri, storage_options(settings, uri)))
    except TableMissing:
        return prices
    return prices + prices_of_rows(rows.to_pylist())
