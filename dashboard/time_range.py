"""The controls for time that the monitoring pages share: which range, of which moment, and when it was read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.moment import chosen_moment, look_back, time_now
from dashboard.periods import SPANS, Period, between, month, period
from dashboard.widgets import time_zone
from dashboard.wording import plain

CUSTOM, MONTH = "custom", "month"
REFRESH_SECONDS = 300.0
"""How often a monitoring page reads its tables anew: as often as the metrics job runs."""

_MONTHS = 13
_DRAWN = "drawn_at"


@dataclass(frozen=True)
class TimeRange:
    """A range of time as it was chosen: how it is called, the period, and what a link to another page carries.

    ends: from and to as they were typed, where they were; the period is widened to whole bins of a chart.
    """

    label: str
    period: Period
    query: dict[str, str] = field(default_factory=dict)
    ends: tuple[datetime, datetime] | None = None


def time_range_control(default: str = "24h", names: Sequence[str] = tuple(SPANS)) -> TimeRange:
    """The time range: a span up to now, a calendar month, or from one time to another; links keep it.

    To be called inside of a horizontal container. A range that cannot be is said beside the control, and the default
    holds.
    """
    labels = {**{name: SPANS[name].label for name in names}, MONTH: "Month", CUSTOM: "Custom"}
    chosen = st.segmented_control(
        "Time range",
        list(labels),
        format_func=lambda name: labels[name],
        default=default,
        required=True,
        key="range",
        bind="query-params",
        help=f"Times are those of {plain(time_zone())}.",
    )
    if chosen == CUSTOM:
        found = _custom()
    elif chosen == MONTH:
        found = _month()
    else:
        name = chosen if chosen in SPANS else default
        found = TimeRange(f"last {SPANS[name].label}", period(name, time_now()), {"range": labels[name]})
    if isinstance(found, str):
        st.warning(found, icon=":material/date_range:", width=320)
        return TimeRange(f"last {SPANS[default].label}", period(default, time_now()), {"range": labels[default]})
    return found


def moment_control() -> None:
    """The moment to look back at, and the button that reads everything anew; to be called beside the time range."""
    moment = chosen_moment()
    with st.popover("As of now" if moment is None else f"As of {_said(moment)}", icon=":material/history:"):
        st.caption("Shows every figure as the tables were at an earlier moment. What is live stays live.")
        chosen = st.datetime_input(
            "As of", value=_local(moment or datetime.now(UTC)), key="moment", step=timedelta(minutes=1)
        )
        if st.button("Look back", icon=":material/history:", disabled=chosen is None) and chosen is not None:
            look_back(chosen.replace(tzinfo=ZoneInfo(time_zone())))
            st.rerun()
        if moment is not None and st.button("Back to now", icon=":material/update:"):
            look_back(None)
            st.rerun()
    if moment is None:
        _refresh()


def moment_banner() -> None:
    """The line that says that the page shows the past, where it does; to be called at the top of a page."""
    moment = chosen_moment()
    if moment is not None:
        st.info(
            f"As of **{_said(moment)}**: figures are read from the tables as they were then.",
            icon=":material/history:",
        )


def _refresh() -> None:
    """The button that draws the page anew, and the same every few minutes."""
    st.session_state[_DRAWN] = time.monotonic()

    @st.fragment(run_every=REFRESH_SECONDS)
    def refresh() -> None:
        waited = time.monotonic() - st.session_state.get(_DRAWN, 0.0)
        # The fragment also runs with the page itself, and then nothing is old.
        if st.button("Refresh", icon=":material/refresh:", key="refresh") or waited >= REFRESH_SECONDS - 1:
            st.rerun()

    refresh()


def _custom() -> TimeRange | str:
    now = _local(time_now()).replace(second=0, microsecond=0)
    start = st.datetime_input("From", value=now - timedelta(hours=24), key="from", bind="query-params", width=190)
    end = st.datetime_input("To", value=now, key="to", bind="query-params", width=190)
    if start is None or end is None:
        return "Choose both ends of the time range."
    zone = ZoneInfo(time_zone())
    ends = start.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone).astimezone(UTC)
    try:
        found = between(*ends)
    except ValueError as error:
        return str(error)
    return TimeRange(f"{start:%d %b %H:%M} to {end:%d %b %H:%M}", found, _bound(), ends)


def _month() -> TimeRange:
    today = _local(time_now())
    months = [today.year * 12 + today.month - 1 - back for back in range(_MONTHS)]
    names = [f"{number // 12}-{number % 12 + 1:02d}" for number in months]
    chosen = st.selectbox("Month", names, key="month", bind="query-params", width=140)
    name = chosen if chosen in names else names[0]
    return TimeRange(f"{datetime.strptime(name, '%Y-%m'):%B %Y}", month(name, time_zone(), time_now()), _bound())


def _bound() -> dict[str, str]:
    """The parameters of this page's address that hold the range."""
    return {name: st.query_params[name] for name in ("range", "from", "to", "month") if name in st.query_params}


def _local(moment: datetime) -> datetime:
    """A time as the clock of the page's time zone shows it, without its zone: what the controls take."""
    return moment.astimezone(ZoneInfo(time_zone())).replace(tzinfo=None)


def _said(moment: datetime) -> str:
    return f"{_local(moment):%d %b %Y, %H:%M}"
