"""Promotion: a version's evaluation, what the gate says, its answers beside the live ones, and the promotion."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import answers, promote
from dashboard.panels import promotion as panels
from dashboard.queries import promotion
from dashboard.queries.promotion import NOWHERE

widgets.header("Promotion", "Evaluate a version, see what the gate says, and promote it: at once or as a canary.")


def not_yet() -> None:
    """What to wait for, until there is a version to choose."""
    why = panels.starting(promotion.environments())
    if not why:
        st.rerun()
    widgets.empty(why)


def waiting() -> None:
    """Promotions that another person asked for."""
    with widgets.guarded("Requests"):
        promote.waiting(promotion.requests())


def standing() -> None:
    """Where versions stand."""
    with widgets.guarded("Environments"):
        panels.environments(promotion.environments().value or found, chosen)


def judged() -> None:
    """The evaluation and the gate."""
    with widgets.panel(
        "Gate", f"What v{chosen.version} was found to be, held against the rules in registry/rules.toml."
    ):
        number = chosen.version
        panels.evaluation(number, promotion.evaluation(number), promotion.evaluation_run(number))
        panels.gate(promotion.gate(number), number, (promotion.environments().value or found).production)


def promotion_plan() -> None:
    """What a promotion would do, and the click."""
    with widgets.panel("Promote", f"What it would do to the endpoint {name}, before anybody agrees to it."):
        promote.promote(name, chosen.version, promotion.gate(chosen.version).value)


def words() -> None:
    """The answers side by side."""
    with widgets.panel("Answers side by side", "The same questions, asked of the live version and of this one."):
        answers.side_by_side(promotion.evaluation(chosen.version))


widgets.refreshing(waiting, seconds=3)
seen = promotion.environments()
found = seen.value or NOWHERE
if panels.starting(seen):
    widgets.refreshing(not_yet, seconds=1)
else:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = panels.version_choice(found)
        name = widgets.endpoint_control()
    widgets.refreshing(standing, seconds=3)
    left, right = st.columns(2)
    with left:
        widgets.refreshing(judged, seconds=2)
    with right:
        widgets.refreshing(promotion_plan, seconds=2)
    widgets.refreshing(words, seconds=5)
