"""What is behind the cost: one of several panels at a time, so that only what is looked at is read."""

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.panels import cost, cost_conversations, cost_monitoring, cost_prices
from dashboard.periods import Period
from dashboard.widgets import choice, panel


@dataclass(frozen=True)
class _Detail:
    title: str
    about: str
    draw: Callable[[str, Period], None]


_DETAILS = {
    "conversations": _Detail(
        "Conversations",
        "What whole conversations cost: their first question and everything after it.",
        cost_conversations.conversations,
    ),
    "prices": _Detail(
        "Prices in force",
        "What a million tokens cost in the range, in US dollars, and who says so.",
        cost_prices.in_force,
    ),
    "unpriced": _Detail("Without a price", "Requests whose cost is not known, and why.", cost.unpriced),
    "monitoring": _Detail(
        "The monitoring itself",
        "How long the jobs ran that score and keep the tables.",
        lambda _, period: cost_monitoring.monitoring(period),
    ),
}


def details(endpoint: str, period: Period) -> None:
    """The choice of a panel, and the panel; links keep it as `more`."""
    titles = {name: detail.title for name, detail in _DETAILS.items()}
    shown = _DETAILS[choice("More about cost", titles, "conversations", key="more")]
    with panel(shown.title, shown.about):
        shown.draw(endpoint, period)
