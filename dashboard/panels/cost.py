"""The figures at the top of the Cost page, and what has no price."""

from datetime import timedelta
from math import isfinite, nan

import streamlit as st

from dashboard.links import page_address, request_link, requests_query
from dashboard.money import money
from dashboard.periods import Period
from dashboard.queries import cost, cost_conversations, cost_prices, traffic
from dashboard.queries.cost_prices import UnpricedReason
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.rollup_windows import FAILED
from dashboard.time_range import TimeRange
from dashboard.widgets import empty, local, table, time_zone, version_names
from dashboard.wording import NOTHING, number, percent, plain, plural


def tiles(endpoint: str, chosen: TimeRange) -> None:
    """What was spent, beside the period before; for a day, 1,000 requests and a conversation; and what has no price."""
    period = chosen.period
    found = cost.spend(endpoint, period, time_zone())
    now, before = found.now, found.before
    if not now["requests"]:
        empty("No request was scored in this time. A longer range may help.")
        return
    label = plain(chosen.label[:1].upper() + chosen.label[1:])
    st.caption(f"{label}, compared with the same length of time before. Amounts are US dollars.")
    days = _days_of(endpoint, period)
    unpriced = now["requests"] - now["priced"]
    with st.grid(5, min_column_width=150):
        _tile("Spend", money(now["usd"]), _relative(now["usd"], before["usd"]), "of the requests with a price")
        _tile("Per day", money(now["usd"] / days), "", f"over {number(days, 0 if days >= 10 else 1)} days")
        each, earlier = (_ratio(side["usd"], side["priced"], 1000) for side in (now, before))
        _tile("Per 1,000 requests", money(each), _relative(each, earlier), f"of {number(now['priced'])} with a price")
        _per_conversation(endpoint, period, now["requests"])
        said = f"{percent(unpriced / now['requests'], 1)} of {plural(int(now['requests']), 'request')}"
        about = "Their cost is not known: they are counted, and never as free. **Conversations and prices** says why."
        _tile("Without a price", number(unpriced), "", said, about)
    if not now["priced"]:
        st.warning("No request of this time has a price: what it cost is not known.", icon=":material/price_change:")


def unpriced(endpoint: str, period: Period) -> None:
    """Why requests have no cost, with the newest of each kind."""
    sums = cost.spend(endpoint, period, time_zone()).now
    missing = int(sums["requests"] - sums["priced"])
    if not missing:
        empty("Every request of this time has a price." if sums["requests"] else "No request in this time.")
        return
    reasons = cost_prices.unpriced(endpoint, period)
    looked_at = sum(reason.requests for reason in reasons)
    names = version_names(endpoint, [reason.version for reason in reasons])
    table(
        {
            "Version": [plain(names[reason.version]) for reason in reasons],
            "Why": [plain(reason.reason).capitalize() for reason in reasons],
            "Requests": [_all_of(reason, endpoint, period) for reason in reasons],
            "Share": [percent(reason.requests / looked_at, 0) for reason in reasons],
            "The newest": [
                request_link(reason.request_id, f"{local(reason.newest):%d %b %H:%M}", reason.newest)
                for reason in reasons
            ],
        },
        alt="Why requests have no cost",
    )
    failed = int(sums["unpriced_failed"])
    st.caption(
        f"{plural(missing, 'request')} without a price, {percent(missing / sums['requests'], 1)} of all; "
        f"{number(failed)} of them failed and have no answer. They are in no sum of this page, and never free."
        + (f" The reasons are those of the newest {number(looked_at)}." if looked_at < missing else "")
    )


def _all_of(reason: UnpricedReason, endpoint: str, period: Period) -> str:
    """How many requests; where they failed, with a link to all of them."""
    if not reason.failed:
        return number(reason.requests)
    failed = RequestFilter(period.start, period.end, endpoint, versions=(reason.version,), statuses=FAILED)
    return f"[{number(reason.requests)}]({page_address('requests', requests_query(failed, time_zone()))})"


def _per_conversation(endpoint: str, period: Period, requests: float) -> None:
    if not cost_conversations.read_at_once():
        _tile("Per conversation", NOTHING, "", "on demand, below")
        return
    found = cost_conversations.average_conversation(endpoint, period, requests)
    of = f"average of {number(found.count)}{'' if found.complete else ' (sample)'}" if found.count else "none was found"
    _tile("Per conversation", money(found.usd), "", of)


def _days_of(endpoint: str, period: Period) -> float:
    """The days of a period since the endpoint's first request: an endpoint of yesterday has no month behind it."""
    first = min((version.first for version in traffic.versions(endpoint)), default=period.start)
    start = min(max(period.start, first), period.end - timedelta(minutes=15))
    return float((period.end - start) / timedelta(days=1))


def _tile(label: str, value: str, delta: str, unit: str, about: str | None = None) -> None:
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.metric(label, value, delta or None, delta_color="off", help=about)
        st.caption(unit)


def _relative(now: float, before: float) -> str:
    if not (isfinite(now) and isfinite(before) and before):
        return ""
    change = (now / before - 1) * 100
    return f"{change:+,.0f} %" if abs(change) < 1000 else ""


def _ratio(part: float, whole: float, times: float) -> float:
    return part / whole * times if whole else nan
