"""What a request of one version costs beside one of another: from the sums of the rollups and the prices in force."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.periods import Period
from dashboard.queries import cost, cost_prices
from metrics.comparison import Comparison, Moments, compare, moments_from_sums
from metrics.cost_difference import CostDifference, VersionCost, cost_difference

if TYPE_CHECKING:
    import pandas as pd

_MILLION = 1_000_000


@dataclass(frozen=True)
class VersionDifference:
    """The costs of a request of two versions in US dollars: both averages, their difference, and what makes it up."""

    comparison: Comparison
    a: VersionCost
    b: VersionCost
    split: CostDifference | None


def version_difference(endpoint: str, a: str, b: str, period: Period, zone: str) -> VersionDifference:
    """The difference b − a of the versions with the keys `a` and `b` over a period.

    zone: as the page has it, so that its sums are not read twice.
    Raises: PricesWrong; QueryFailed, LakehouseError.
    """
    versions = cost.spend(endpoint, period, zone).versions.set_index("version")
    sides = [_side(versions, key, period) for key in (a, b)]
    moments = [_moments(versions, key) for key in (a, b)]
    known = all(side.usd == side.usd for side in sides)
    return VersionDifference(
        compare(moments[0], moments[1]), sides[0], sides[1], cost_difference(sides[0], sides[1]) if known else None
    )


def _moments(versions: "pd.DataFrame", key: str) -> Moments:
    if key not in versions.index or not versions["priced"][key]:
        return moments_from_sums(0, 0.0, 0.0, 0.0)
    row: Any = versions.loc[key]
    return moments_from_sums(int(row["priced"]), float(row["priced"]), float(row["usd"]), float(row["usd2"]))


def _side(versions: "pd.DataFrame", key: str, period: Period) -> VersionCost:
    moments = _moments(versions, key)
    if not moments.n:
        return VersionCost(moments.mean, float("nan"), float("nan"))
    row: Any = versions.loc[key]
    prices = cost_prices.in_force(key, period, published=True)
    price = prices[0].price if len(prices) == 1 else None
    return VersionCost(
        moments.mean,
        float(row["mean_in"]),
        float(row["mean_out"]),
        price.input_usd_per_million / _MILLION if price else None,
        price.output_usd_per_million / _MILLION if price else None,
    )
