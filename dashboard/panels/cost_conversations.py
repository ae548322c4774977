"""What whole conversations cost."""

import numpy as np
import streamlit as st

from dashboard import cost_charts as charts
from dashboard.chart_times import time_of
from dashboard.downloads import download
from dashboard.links import request_link
from dashboard.money import money, money_decimals
from dashboard.periods import Period
from dashboard.queries import cost, cost_conversations
from dashboard.queries.cost_conversations import ConversationCosts
from dashboard.widgets import chosen_point, clickable_chart, empty, local, table, time_zone
from dashboard.wording import number, plain, plural

_LISTED = 8
_DEFINITION = (
    "A conversation is all requests with the same conversation id in their bodies; without an id, those of one "
    "requester whose messages go on where an earlier request's ended. The same single question asked again is another "
    "conversation."
)


def conversations(endpoint: str, period: Period) -> None:
    """The distribution of what conversations cost, and the most expensive of them."""
    if not cost_conversations.read_at_once():
        st.caption("The inference table is another system's: reading its bodies takes a while.")
        if not st.toggle("Read the conversations", key="conversations"):
            return
    requests = cost.spend(endpoint, period, time_zone()).now["requests"]
    found = cost_conversations.conversation_costs(endpoint, period, requests)
    if not len(found.usd):
        empty(_nothing(found))
        return
    median, p95, average = (float(one) for one in (*np.quantile(found.usd, (0.5, 0.95)), found.usd.mean()))
    decimals = money_decimals([p95])
    several = int((found.requests > 1).sum())
    st.markdown(
        f"A conversation cost **{plain(money(median, decimals))}** in the median, {plain(money(average, decimals))} on "
        f"average, and 95 % of them {plain(money(p95, decimals))} or less."
    )
    figure, edges = charts.distribution(found.usd, "US dollars per conversation")
    points = clickable_chart(figure, key="conversations cost", alt="How many conversations cost how much")
    st.caption(
        f"{plural(len(found.usd), 'conversation')} of {number(found.requests.sum())} requests, {number(several)} of "
        f"them with more than one. The last bar has all above. Click a bar for its conversations. {_left_out(found)}"
    )
    bar = chosen_point(points, "conversations")
    _listed(found, (0.0, float("inf")) if bar is None else edges[int(bar[1])])
    download(lambda: cost_conversations.conversation_frame(found), "cost of conversations")
    st.caption(_DEFINITION)


def _listed(found: ConversationCosts, chosen: tuple[float, float]) -> None:
    """The most expensive conversations from a bar, each with a link to its newest request."""
    order = np.argsort(-found.usd, kind="stable")
    inside = [place for place in order if chosen[0] <= found.usd[place] < chosen[1]]
    shown = inside[:_LISTED]
    if not shown:
        empty("No conversation is behind this.")
        return
    decimals = money_decimals([float(found.usd[place]) for place in shown])
    table(
        {
            f"The most expensive of {number(len(inside))}": [
                request_link(found.last[place], f"ends {local(ended):%d %b %H:%M}", ended)
                for place, ended in zip(shown, (time_of(found.ended[place]) for place in shown), strict=True)
            ],
            "Cost": [plain(money(float(found.usd[place]), decimals)) for place in shown],
            "Requests": [number(int(found.requests[place])) for place in shown],
        },
        alt="The most expensive conversations, with a link to the newest request of each",
    )


def _left_out(found: ConversationCosts) -> str:
    parts = {
        "that began before": found.begun_before,
        "with an answer that has no price": found.unpriced,
        "without any answer": found.failed,
    }
    said = [f"{number(count)} {what}" for what, count in parts.items() if count]
    out = f"Left out: {', '.join(said)}. " if said else ""
    unreadable = f"{plural(found.unreadable, 'request')} had no messages that can be read. " if found.unreadable else ""
    since = f"{local(found.start):%d %b %H:%M}"
    sample = f"Sample: all {number(found.read)} requests since {since}, the newest of the range."
    return f"{out}{unreadable}{'' if found.complete else sample}"


def _nothing(found: ConversationCosts) -> str:
    if not found.read:
        return "No request in this time."
    if found.unreadable == found.read:
        return (
            f"The bodies of the {number(found.read)} requests looked at are not there or hold no messages, so that "
            "conversations cannot be told."
        )
    return f"None of the conversations looked at has a known cost. {_left_out(found)}"
