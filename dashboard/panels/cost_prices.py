"""The prices in force, and by which of them the requests were priced."""

from datetime import UTC, datetime

import streamlit as st

from dashboard.money import money
from dashboard.periods import Period
from dashboard.queries import cost, cost_prices
from dashboard.widgets import empty, local, table, time_zone, version_names
from dashboard.wording import NOTHING, number, plain
from metrics.price_list import PriceInForce

_HOW = (
    "Your own prices come from a CSV file: set **LAKEHELM\\_PRICES\\_FILE** to it, with the columns model, version "
    "(empty: all versions), input\\_usd\\_per\\_million, output\\_usd\\_per\\_million and effective\\_from. They come "
    "before the table prices and published prices. A request keeps the price that held when it was scored."
)


def in_force(endpoint: str, period: Period) -> None:
    """The price of each version, with the part of the range in which it holds, and what the requests were priced by."""
    versions = cost.spend(endpoint, period, time_zone()).versions
    if versions.empty:
        empty("No version answered in this time.")
        st.caption(_HOW)
        return
    names = version_names(endpoint, [str(key) for key in versions["version"]])
    rows = [
        (key, price)
        for key, priced in zip(versions["version"], versions["priced"], strict=True)
        for price in cost_prices.in_force(str(key), period, published=bool(priced))
    ]
    table(
        {
            "Version": [plain(names[key]) for key, _ in rows],
            "In force": [_interval(price, period) for _, price in rows],
            "In, per million": [_per_million(price, "input") for _, price in rows],
            "Out, per million": [_per_million(price, "output") for _, price in rows],
            "Source": [plain(price.price.source) if price.price else "no price known" for _, price in rows],
        },
        alt="Prices in force, US dollars for a million tokens",
    )
    _sources(endpoint, period, names)
    st.caption(_HOW)


def _sources(endpoint: str, period: Period, names: dict[str, str]) -> None:
    used = cost_prices.sources(endpoint, period)
    if used.empty:
        return
    said = [
        f"{plain(names.get(row['version'], row['version']))} by {plain(row['price_source'] or 'a source not noted')} "
        f"({number(row['n'])})"
        for row in used.to_dict("records")
    ]
    looked_at = int(used["n"].sum())
    which = f"The newest {number(looked_at)}" if looked_at >= cost_prices.MOST_PRICED * 0.9 else "The"
    st.caption(f"{which} requests with a cost were priced so: {'; '.join(said)}.")


def _interval(found: PriceInForce, period: Period) -> str:
    since = found.price.effective_from if found.price else None
    if found.start > period.start:
        begin = f"from {local(found.start):%d %b %Y %H:%M}"
    elif since is not None and since > datetime(1970, 1, 2, tzinfo=UTC):
        begin = f"since {local(since):%d %b %Y}"
    else:
        begin = "all the time" if found.end >= period.end else "from the start"
    return begin if found.end >= period.end else f"{begin} to {local(found.end):%d %b %Y %H:%M}"


def _per_million(found: PriceInForce, side: str) -> str:
    if found.price is None:
        return NOTHING
    return plain(money(getattr(found.price, f"{side}_usd_per_million")))
