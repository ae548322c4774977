"""The controls for time that the monitoring pages share: which range, of which moment, and when it was read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.moment import chosen_moment, keep_moment, look_back, time_now, unusable_moment
from dashboard.periods import SPANS, Period, between_local, month, period
from dashboard.widgets import time_zone, time_zone_problem
from dashboard.wording import plain

CUSTOM, MONTH = "custom", "month"
REFRESH_SECONDS = 300.0
"""How often a monitoring page reads its tables anew: as often as the metrics job runs."""

_MONTHS = 13
_DRAWN = "drawn_at"
_PARAMETERS = ("range", "from", "to", "month")
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class TimeRange:
    """A range of time as it was chosen: how it is called, the period, and what a link to another page carries."""

    label: str
    period: Period
    query: dict[str, str] = field(default_factory=dict)


def time_range_control(default: str = "24h", names: Sequence[str] = tuple(SPANS)) -> TimeRange:
    """The time range: a span up to now, a calendar month, or from one time to another; links keep it.

    To be called inside of a horizontal container. A range that cannot be is said beside the control, and the default
    holds.
    """
    labels = {**{name: SPANS[name].label for name in names}, MONTH: "Month", CUSTOM: "Custom"}
    # What the address asks for, before the controls take out of it what they do not understand.
    asked = {name: st.query_params.get(name, "") for name in _PARAMETERS}
    chosen = st.segmented_control(
        "Time range",
        list(labels),
        format_func=lambda name: labels[name],
        default=default,
        required=True,
        key="range",
        bind="query-params",
        wrap=True,
        help=f"Times are those of {plain(time_zone())}.",
    )
    problem = "" if asked["range"] in ("", *labels.values()) else _unknown("time range", asked["range"])
    otherwise = _up_to_now(default, labels[default])
    if chosen == CUSTOM:
        found, not_understood = _custom(asked, otherwise)
    elif chosen == MONTH:
        found, not_understood = _month(asked["month"])
    else:
        name = chosen if chosen in labels else default
        found, not_understood = _up_to_now(name, labels[name]), ""
    if problem or not_understood:
        st.warning(f"{problem or not_understood} Shown: {found.label}.", icon=":material/date_range:", width=360)
    return found


def moment_control(*, refreshed: bool = True) -> None:
    """The moment to look back at, and the button that reads everything anew; to be called beside the time range.

    refreshed: whether there is such a button; a page that draws itself anew all the time needs none.
    """
    moment = chosen_moment()
    with st.popover("As of now" if moment is None else f"As of {_said(moment)}", icon=":material/history:"):
        st.caption("Shows every figure as the tables were at an earlier moment. What is live stays live.")
        chosen = st.datetime_input(
            "As of", value=_local(moment or datetime.now(UTC)), key="moment", max_value=_local(datetime.now(UTC))
        )
        wanted = None if chosen is None else chosen.replace(tzinfo=ZoneInfo(time_zone()))
        st.caption(
            "A table can be read as of any moment for 30 days after its files were merged, in workspaces from before "
            "this version for a week. What is gone says so."
        )
        if st.button("Look back", icon=":material/history:", key="look back", disabled=wanted is None):
            look_back(wanted)
            st.rerun()
        if moment is not None:
            _back_to_now("back to now")
    if moment is None and refreshed:
        _refresh()


def moment_banner(about: str = "") -> None:
    """The line that says that the page shows the past, where it does; to be called at the top of a page.

    Also what is wrong with how the page was asked for its time. about: what holds for this page besides.
    """
    keep_moment()
    for problem in (unusable_moment(), time_zone_problem()):
        if problem:
            st.warning(problem, icon=":material/schedule:")
    moment = chosen_moment()
    if moment is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="as of"):
        st.markdown(
            f":material/history: As of **{_said(moment)}**: figures are from the tables as they were. {about}",
            width="content",
        )
        _back_to_now("leave the past")


def _back_to_now(key: str) -> None:
    if st.button("Back to now", icon=":material/update:", key=key):
        look_back(None)
        st.rerun()


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


def _up_to_now(name: str, label: str) -> TimeRange:
    return TimeRange(f"last {SPANS[name].label}", period(name, time_now()), {"range": label})


def _custom(asked: dict[str, str], otherwise: TimeRange) -> tuple[TimeRange, str]:
    """The range between two times, else `otherwise` and why it cannot be."""
    now = _local(time_now()).replace(second=0, microsecond=0)
    start = st.datetime_input("From", value=now - timedelta(hours=24), key="from", bind="query-params", width=190)
    end = st.datetime_input("To", value=now, key="to", bind="query-params", width=190)
    wrong = next((asked[name] for name in ("from", "to") if asked[name] and not _is_local_time(asked[name])), "")
    if wrong:
        return otherwise, _unknown("time", wrong)
    if start is None or end is None:
        return otherwise, "Choose both ends of the time range."
    try:
        found = between_local(start, end, time_zone())
    except ValueError as error:
        return otherwise, str(error)
    query = {"range": "Custom", "from": f"{start:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
    return TimeRange(f"{start:%d %b %H:%M} to {end:%d %b %H:%M}", found, query), ""


def _month(asked: str) -> tuple[TimeRange, str]:
    today = _local(time_now())
    numbers = [today.year * 12 + today.month - 1 - back for back in range(_MONTHS)]
    names = [f"{number // 12}-{number % 12 + 1:02d}" for number in numbers]
    chosen = st.selectbox("Month", names, key="month", bind="query-params", width=140)
    name = chosen if chosen in names else names[0]
    found = TimeRange(
        f"{datetime.strptime(name, '%Y-%m'):%B %Y}",
        month(name, time_zone(), time_now()),
        {"range": "Month", "month": name},
    )
    return found, "" if asked in ("", *names) else _unknown("month", asked)


def _unknown(kind: str, asked: str) -> str:
    cut = asked if len(asked) <= _LONGEST_SHOWN else f"{asked[:_LONGEST_SHOWN]}…"
    return f"The address asks for the {kind} “{plain(cut)}”, which cannot be shown."


def _is_local_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False


def _local(moment: datetime) -> datetime:
    """A time as the clock of the page's time zone shows it, without its zone: what the controls take."""
    return moment.astimezone(ZoneInfo(time_zone())).replace(tzinfo=None)


def _said(moment: datetime) -> str:
    return f"{_local(moment):%d %b %Y, %H:%M}"
