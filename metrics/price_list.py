"""Price lists as texts and rows: read, and which price held when."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from metrics.cost import Price, pick_price, published_cost

COLUMNS = ("model", "version", "input_usd_per_million", "output_usd_per_million", "effective_from")
"""The columns of a price file (CSV)."""

_MILLION = 1_000_000


class NoPrice(ValueError):
    """A line or row of a price list is no price. The message begins with a small letter and names the place."""


@dataclass(frozen=True)
class PriceInForce:
    """A price and the part of a stretch of time in which it holds. `price` is None where no price is known."""

    price: Price | None
    start: datetime
    end: datetime


def prices_of_csv(text: str, name: str) -> list[Price]:
    """The prices of a file called `name` with `COLUMNS`. A time without a zone is UTC.

    Raises: NoPrice.
    """
    lines = csv.DictReader(text.splitlines())
    missing = [column for column in COLUMNS if column not in (lines.fieldnames or [])]
    if missing:
        raise NoPrice(f"it lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    return [_price_of_line(name, number, line) for number, line in enumerate(lines, start=2)]


def prices_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[Price]:
    """The prices in rows of the table `prices`, the latest first. Raises: NoPrice."""
    return sorted((_price_of_row(row) for row in rows), key=lambda price: price.effective_from, reverse=True)


def prices_in_force(
    prices: Sequence[Price],
    entity_name: str,
    entity_version: str,
    start: datetime,
    end: datetime,
    *,
    published: bool = True,
) -> list[PriceInForce]:
    """The prices of a model version from `start` to `end`, one after the other, as the metrics job picks them.

    published: where the list has none, published prices stand in, as they were at the beginning of that part.
    """
    of_model = [p for p in prices if p.entity_name == entity_name and p.entity_version in ("", entity_version)]
    moments = sorted({start, *(p.effective_from for p in of_model if start < p.effective_from < end)})
    found: list[PriceInForce] = []
    for moment, following in zip(moments, [*moments[1:], end], strict=True):
        price = pick_price(of_model, entity_name, entity_version, moment)
        if price is None and published:
            price = published_price(entity_name, moment)
        if found and found[-1].price == price:
            found[-1] = PriceInForce(price, found[-1].start, following)
        else:
            found.append(PriceInForce(price, moment, following))
    return found


def published_price(model: str, at: datetime) -> Price | None:
    """The published price of a foundation model, or None. A price that grows with the prompt is that of short ones."""
    given = published_cost(model, 1, 0, at) if model else None
    taken = published_cost(model, 0, 1, at) if given else None
    if given is None or taken is None:
        return None
    begin = datetime.min.replace(tzinfo=UTC)
    return Price(model, "", given.usd * _MILLION, taken.usd * _MILLION, begin, given.source)


def _price_of_line(file: str, number: int, line: dict[str, str]) -> Price:
    try:
        since = datetime.fromisoformat(line["effective_from"].strip())
        return Price(
            entity_name=line["model"].strip(),
            entity_version=line["version"].strip(),
            input_usd_per_million=float(line["input_usd_per_million"]),
            output_usd_per_million=float(line["output_usd_per_million"]),
            effective_from=since if since.tzinfo else since.replace(tzinfo=UTC),
            source=f"price file {file}",
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise NoPrice(f"line {number} is not a price: {error}") from error


def _price_of_row(row: Mapping[str, Any]) -> Price:
    empty = [name for name, value in row.items() if value is None and name != "entity_version"]
    if empty:
        raise NoPrice(
            f"a row (model {row['entity_name']}) has nothing in {', '.join(empty)}; delete the row or fill it in"
        )
    try:
        return Price(**{**row, "entity_version": row["entity_version"] or ""})
    except ValueError as error:
        raise NoPrice(f"a row is not a price: {error}") from error
