"""The frame of every page: header, panels, controls, and how a panel says that it is empty or broken."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from dashboard.health import LATE_AFTER_INTERVALS
from dashboard.moment import time_now
from dashboard.queries import operations, traffic
from dashboard.queries.traffic import VersionSeen
from dashboard.queries.watch import EXPECTED
from dashboard.wording import age, plain, sentence
from settings import get_settings

if TYPE_CHECKING:
    import plotly.graph_objects as go

_log = logging.getLogger(__name__)

_CHART_BUTTONS = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "doubleClick": "reset",
}
"""The camera among them takes the chart as a PNG."""


def header(title: str, description: str, *, dated: bool = False) -> None:
    """The page's title, what it answers, and whether all of it is a demo. `dated`: also how old the data is."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title, anchor=False, width="content")
        if operations.demo() is not None:
            st.badge(
                "Demo data",
                icon=":material/science:",
                color="orange",
                help="The questions and the month before the start are made up; the answers and the scores are real.",
            )
    st.caption(description)
    if dated:
        with guarded("Age of the data"):
            st.caption(_dated())


@contextmanager
def panel(title: str, description: str, *, border: bool = True) -> Iterator[None]:
    """A titled box with one line that says what it shows and in which unit. A failure inside shows as a sentence."""
    with st.container(border=border, height="stretch"):
        with st.container(gap=None):
            st.subheader(title, anchor=False)
            st.caption(description)
        with guarded(title):
            yield


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Show a failure as one sentence in its place, so that the rest of the page still stands."""
    try:
        yield
    except EXPECTED as error:
        _log.warning("%s: %s", what, error)
        st.error(sentence(error), icon=":material/error:")
    # A mistake of ours in one panel must not take the others away from somebody who is on call.
    except Exception:  # noqa: BLE001
        _log.exception("The panel %r could not be drawn.", what)
        st.error("This could not be shown. The dashboard's log says why.", icon=":material/error:")


def empty(sentence: str) -> None:
    """What a panel shows when there is nothing to show yet, and what to do about it."""
    st.markdown(f":gray[:material/inbox: {sentence}]")


def parts(drawn: Mapping[str, Callable[[], None]]) -> None:
    """A long page's parts as tabs of which only the open one is drawn; links keep its title as `part`.

    drawn: title → what draws that part. A link that names none of them opens the first.
    """
    tabs = st.tabs(list(drawn), key="part", bind="query-params", on_change="rerun")
    for tab, (title, draw) in zip(tabs, drawn.items(), strict=True):
        if tab.open:
            with tab, guarded(title):
                draw()


def chart(figure: "go.Figure", *, key: str, alt: str, still: bool = False) -> None:
    """A chart in the page's colours and fonts. `still`: without buttons and zooming."""
    config = {"displayModeBar": False, "scrollZoom": False} if still else _CHART_BUTTONS
    st.plotly_chart(figure, key=key, config=config, alt=alt)


def clickable_chart(figure: "go.Figure", *, key: str, alt: str) -> list[dict[str, Any]]:
    """A chart whose points can be chosen: those that are, each with plotly's `x`, `y` and `customdata`."""
    config = {**_CHART_BUTTONS, "toImageButtonOptions": {"filename": f"lakehelm {key}"}}
    chosen: Any = st.plotly_chart(figure, key=key, config=config, alt=alt, on_select="rerun", selection_mode="points")
    return list(chosen.selection.points)


def chosen_point(points: Sequence[Mapping[str, Any]], kind: str) -> list[Any] | None:
    """What the first chosen point of a kind carries: its `customdata`, which begins with the kind; None of none."""
    carried = [point.get("customdata") for point in points]
    return next((list(one) for one in carried if isinstance(one, list | tuple) and one and one[0] == kind), None)


def refreshing(content: Callable[[], None], seconds: float) -> None:
    """Draw `content` now and again every few seconds, without touching the rest of the page."""
    st.fragment(content, run_every=seconds)()


def time_zone() -> str:
    """The time zone that times are shown in: that of the settings, else the browser's."""
    name = get_settings().time_zone or st.context.timezone or "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
    return name


def time_zone_problem() -> str:
    """A sentence about a time zone of the settings that there is not; empty where all is well."""
    name = get_settings().time_zone
    known = not name or time_zone() == name
    return "" if known else f"LAKEHELM_TIME_ZONE is {plain(name)}, which is no time zone: times are those of UTC."


def local(time: datetime | None) -> datetime | None:
    """A time in the time zone of the page."""
    return None if time is None else time.astimezone(ZoneInfo(time_zone()))


def _dated() -> str:
    time, now = operations.scored_until(), time_now()
    if time is None:
        return "Nothing is scored yet."
    late = (now - time).total_seconds() > LATE_AFTER_INTERVALS * operations.metrics_interval_seconds()
    said = f"Requests are scored up to {local(time):%d %b, %H:%M}"
    return f":orange[:material/schedule: {said}, {age(time, now)}.]" if late else f"{said}."


def endpoint_control() -> str:
    """The endpoint; links keep it as `endpoint`. Only shown where there is a choice."""
    names = [get_settings().endpoint]
    with guarded("Endpoints"):
        names = traffic.endpoints()
    if len(names) == 1:
        return names[0]
    chosen = st.selectbox("Endpoint", names, key="endpoint", bind="query-params", width=230)
    return str(chosen) if chosen in names else names[0]


def choice(label: str, titles: Mapping[str, str], default: str, *, key: str) -> str:
    """One of a few things, all of them in sight; links keep its title under `key`.

    titles: what can be chosen → how it is called. A link that names none of them gives the default.
    """
    chosen = st.segmented_control(
        label,
        list(titles),
        format_func=lambda name: titles[name],
        default=default,
        required=True,
        key=key,
        bind="query-params",
    )
    return str(chosen) if chosen in titles else default


def version_control(label: str, key: str, versions: Sequence[VersionSeen], default: int) -> VersionSeen:
    """A choice of model version; links keep it under `key`."""
    by_key = {version.key: version for version in versions}
    chosen = st.selectbox(
        label,
        list(by_key),
        index=min(default, len(versions) - 1),
        format_func=lambda name: version_label(by_key[name], versions, long=True),
        key=key,
        bind="query-params",
        width=230,
    )
    return by_key.get(str(chosen), versions[min(default, len(versions) - 1)])


def version_label(version: VersionSeen, among: Sequence[VersionSeen], *, long: bool = False) -> str:
    """How a version is called: v2, with its model's name where several models answered."""
    several = len({other.entity_name for other in among}) > 1
    return f"{version.entity_name} v{version.entity_version}" if several or long else f"v{version.entity_version}"


def version_names(endpoint: str, keys: Sequence[str]) -> dict[str, str]:
    """How the versions with these keys are called, and requests that belong to none."""
    seen = traffic.versions(endpoint)
    known = {version.key: version_label(version, seen) for version in seen}
    return {key: known.get(key) or _unknown_version(key) for key in keys}


def _unknown_version(key: str) -> str:
    name, _, version = key.rpartition("/")
    return f"{name} v{version}".strip() if version else name or "no version"


def table(columns: Mapping[str, Sequence[Any]], *, alt: str) -> None:
    """A small table that wraps on a phone. Cells are Markdown: pass people's texts through `plain`."""
    import pyarrow as pa

    # A tenth of what a data frame takes on its way to the same bytes.
    st.table(pa.table(dict(columns)), border="horizontal", hide_index=True, alt=alt)
