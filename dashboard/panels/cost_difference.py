"""What a request of one version costs more than one of another, how sure that is, and why."""

from collections.abc import Sequence

import streamlit as st

from dashboard import cost_charts as charts
from dashboard.money import money, money_change, money_decimals
from dashboard.periods import Period
from dashboard.queries import cost, cost_difference, traffic
from dashboard.queries.cost_difference import VersionDifference
from dashboard.widgets import chart, empty, table, time_zone, version_control, version_label
from dashboard.wording import number, p_value, plain, plural

_PER = 1000
"""Differences are told for so many requests: that of one is a fraction of a cent."""


def difference(endpoint: str, period: Period) -> None:
    """Two versions side by side: cost of 1,000 requests, the difference with its interval, and what makes it up."""
    sums = cost.spend(endpoint, period, time_zone()).versions
    priced = set(sums.loc[sums["priced"] > 0, "version"])
    versions = [version for version in traffic.versions(endpoint) if version.key in priced]
    if len(versions) < 2:
        known = plural(len(versions), "version")
        empty(f"A difference needs two versions with a price in this time: it has {known}. A longer range may help.")
        return
    with st.container(horizontal=True):
        a = version_control("Version", "a", versions, default=1)
        b = version_control("Compared with", "b", versions, default=0)
    if a.key == b.key:
        empty("Choose two different versions to compare them.")
        return
    found = cost_difference.version_difference(endpoint, a.key, b.key, period, time_zone())
    names = (version_label(a, [a, b]), version_label(b, [a, b]))
    result = found.comparison
    st.markdown(_sentence(found, names))
    _parts(found)
    _both(found, names)
    st.caption(
        f"US dollars for 1,000 requests, {plain(names[1])} − {plain(names[0])}. {result.test} on the costs of "
        f"{number(result.n_a)} and {number(result.n_b)} requests, {p_value(result.p_value)}. Whether "
        "the versions were asked the same is not known here: other questions make other lengths."
    )


def _sentence(found: VersionDifference, names: Sequence[str]) -> str:
    result = found.comparison
    amounts = [one * _PER for one in (result.mean_a, result.mean_b, result.difference)]
    decimals = money_decimals(amounts)
    change = plain(money_change(amounts[2], decimals))
    if result.low is None or result.high is None:
        return f"Difference **{change}** for 1,000 requests; too few for an interval."
    low, high = (plain(money_change(one * _PER, decimals)) for one in (result.low, result.high))
    interval = f"95 % interval {low} to {high}"
    if result.low <= 0 <= result.high:
        return f"**No clear difference** of 1,000 requests: {change} ({interval})."
    word = "costs more" if result.difference > 0 else "costs less"
    share = f", {number(abs(result.difference / result.mean_a) * 100)} %" if result.mean_a else ""
    amount = plain(money(abs(amounts[2]), decimals))
    return f"**{plain(names[1])} {word}** by {amount} for 1,000 requests{share} ({interval})."


def _parts(found: VersionDifference) -> None:
    if found.split is None:
        st.caption("The tokens are not known, so it cannot be told why.")
        return
    parts = {**found.split.tokens, "Price": found.split.price}
    if abs(found.split.rest) > 0.005 * max(abs(found.comparison.mean_a), abs(found.comparison.mean_b)):
        parts["Not explained"] = found.split.rest
    shown = {name: value * _PER for name, value in parts.items()}
    figure = charts.difference(shown, found.split.total * _PER, "US dollars for 1,000 requests")
    spoken = ", ".join(f"{name} {money_change(value)}" for name, value in shown.items())
    chart(figure, key="cost difference", alt=f"What makes up the difference: {spoken}", still=True)
    if len(found.split.tokens) == 1:
        st.caption(
            "Prices of tokens in and out are not known apart: *price* is the average of a token, "
            "which also moves with the mix of both."
        )


def _both(found: VersionDifference, names: Sequence[str]) -> None:
    sides = (found.a, found.b)
    amounts = [side.usd * _PER for side in sides]
    table(
        {
            "Version": [f"**{plain(name)}**" for name in names],
            "1,000 requests": [plain(money(amount, money_decimals(amounts))) for amount in amounts],
            "Tokens in": [number(side.tokens_in, 1) for side in sides],
            "Tokens out": [number(side.tokens_out, 1) for side in sides],
        },
        alt="Cost and tokens of both versions; tokens are averages of a request that did not fail",
    )
