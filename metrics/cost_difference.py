"""Why one version costs more for a request than another: more tokens in, more tokens out, or another price."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VersionCost:
    """What a request of a version costs on average, in US dollars, and what that is made of.

    tokens_in, tokens_out: on average for a request. price_in, price_out: US dollars for one token; None where not one
    known price held all the time.
    """

    usd: float
    tokens_in: float
    tokens_out: float
    price_in: float | None = None
    price_out: float | None = None


@dataclass(frozen=True)
class CostDifference:
    """The difference b − a of the average cost of a request in US dollars, and its parts, which add up to it.

    tokens: what other lengths make of it, by name. price: what other prices make of it. rest: what tokens and prices do
    not explain, such as requests whose cost is known while their tokens are counted elsewhere.
    """

    total: float
    tokens: dict[str, float]
    price: float
    rest: float


_TOLERANCE = 0.01
"""Known prices have to give the average cost within this share, else they are not those that were paid."""


def cost_difference(a: VersionCost, b: VersionCost) -> CostDifference | None:
    """Split the difference b − a, or None where a version has no tokens and no known price to split it by.

    Each part takes the other side's average of both versions, so that no order of the steps is preferred. Without known
    prices, in and out are one kind of token with one average price.
    Source: Bennet (1920), The Theory of Measurement of Changes in Cost of Living.
    """
    total = b.usd - a.usd
    paid_a, paid_b = _paid(a), _paid(b)
    if paid_a is not None and paid_b is not None:
        (in_a, out_a), (in_b, out_b) = paid_a, paid_b
        tokens = {
            "Tokens in": (b.tokens_in - a.tokens_in) * (in_a + in_b) / 2,
            "Tokens out": (b.tokens_out - a.tokens_out) * (out_a + out_b) / 2,
        }
        price = (in_b - in_a) * (a.tokens_in + b.tokens_in) / 2 + (out_b - out_a) * (a.tokens_out + b.tokens_out) / 2
        return CostDifference(total, tokens, price, total - sum(tokens.values()) - price)
    all_a, all_b = a.tokens_in + a.tokens_out, b.tokens_in + b.tokens_out
    if not (all_a > 0 and all_b > 0):
        return None
    each_a, each_b = a.usd / all_a, b.usd / all_b
    tokens = {"Tokens": (all_b - all_a) * (each_a + each_b) / 2}
    price = (each_b - each_a) * (all_a + all_b) / 2
    return CostDifference(total, tokens, price, total - sum(tokens.values()) - price)


def _paid(version: VersionCost) -> tuple[float, float] | None:
    """The prices of a token in and out, if they are known and give what was paid."""
    if version.price_in is None or version.price_out is None:
        return None
    expected = version.tokens_in * version.price_in + version.tokens_out * version.price_out
    return (version.price_in, version.price_out) if abs(expected - version.usd) <= _TOLERANCE * version.usd else None
