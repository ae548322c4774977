"""Panels of the Safety page: the answers to toxic prompts, and the flags by version and by requester."""

from collections.abc import Sequence

import streamlit as st

from dashboard import safety_charts
from dashboard.colors import ACCENT, BAD, NEUTRAL, version_color
from dashboard.downloads import download
from dashboard.links import page_link, requests_query
from dashboard.panels.behind import rows_behind
from dashboard.periods import Period
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.safety import (
    ANSWER,
    MOST_REQUESTERS,
    PROMPT,
    SMALL,
    FlagFigures,
    Flags,
    FlagShare,
    RequesterFlags,
)
from dashboard.queries.safety_answers import QUANTILES, AnswersToToxicPrompts
from dashboard.widgets import chart, chosen_point, clickable_chart, empty, table, time_zone
from dashboard.wording import NOTHING, number, p_value, percent, plain, plural, signed


def answers(found: AnswersToToxicPrompts, threshold: float, sampled: bool) -> None:
    """How toxic the answers to flagged prompts are, beside those to all others."""
    import pandas as pd

    sides = (("to flagged prompts", found.to_flagged, BAD), ("to other prompts", found.to_others, NEUTRAL))
    if not found.to_flagged.flagged.n:
        empty("No answer to a flagged prompt has a toxicity in this time.")
        return
    spoken = ", ".join(f"{name} {number(side.mean, 4)} on average" for name, side, _ in sides)
    drawn = [side for side in sides if side[1].flagged.n]
    chart(safety_charts.answer_boxes(drawn), key="answers", alt=f"Toxicity of answers: {spoken}", still=True)
    table(
        {
            "Answers": [f"**{name}**" for name, *_ in sides],
            "Scored": [number(side.flagged.n) for _, side, _ in sides],
            "Average": [number(side.mean, 4) for _, side, _ in sides],
            "Median": [number(side.quantiles[2], 4) for _, side, _ in sides],
            "Flagged": [_share(side.flagged) for _, side, _ in sides],
        },
        alt="Toxicity of answers to flagged prompts and to others",
    )
    frame = pd.DataFrame([(name, side.flagged.n, side.mean, *side.quantiles) for name, side, _ in sides])
    frame.columns = pd.Index(["answers", "scored", "average", *(f"q{quantile:g}" for quantile in QUANTILES)])
    st.markdown(_verdict(found))
    download(frame, "safety-answers")
    rest = " The others are a random sample, weighted." if sampled else ""
    st.caption(
        f"Boxes hold the middle half, whiskers 90 % of the answers. Flagged are those from {threshold:g} on, with the "
        f"95 % Wilson interval.{rest} How many of the answers refuse is not known, and not guessed."
    )


def by_version(endpoint: str, period: Period, found: Flags, threshold: float) -> None:
    """The shares of flagged prompts and answers of every version."""
    several = len({one.name.rpartition("/")[0] for one in found.by_version}) > 1
    rows: list[tuple[str, FlagShare, str]] = []
    behind: list[tuple[str, str]] = []
    for one in found.by_version:
        name, _, version = one.name.rpartition("/")
        label = f"{name} v{version}" if several else f"v{version}"
        for side, share, metric in (("prompts", one.prompts, PROMPT), ("answers", one.answers, ANSWER)):
            rows.append((f"{label}, {side}", share, version_color(version)))
            behind.append((one.name, metric))
    chosen = _intervals(rows, "by version", exported=True)
    if chosen is not None:
        version, metric = behind[chosen]
        rows_behind(_wanted(endpoint, period, metric, threshold, version=version), (PROMPT, ANSWER), metric)


def by_requester(endpoint: str, found: RequesterFlags, threshold: float) -> None:
    """The requesters with the most flagged prompts."""
    if not found.figures:
        empty("No requester has a scored prompt on these days.")
        return
    chosen = _intervals([(_name(one), one.prompts, ACCENT) for one in found.figures], "by requester", exported=False)
    days = f"{found.start:%d %b} to {found.end:%d %b, %H:%M} UTC"
    first = (
        f"The {MOST_REQUESTERS} of {number(found.requesters)} requesters" if found.requesters > MOST_REQUESTERS else ""
    )
    st.caption(f"{first or 'All requesters'}, those with the most flagged prompts first. Whole UTC days: {days}.")
    if chosen is not None:
        one = found.figures[chosen]
        days_period = Period(found.start, found.end, 86_400)
        wanted = _wanted(endpoint, days_period, PROMPT, threshold, requester=one.name)
        if one.name:
            rows_behind(wanted, (PROMPT, ANSWER), PROMPT)
        else:
            page_link("requests", "Open the requests", "list_alt", **requests_query(wanted, time_zone()))


def _intervals(rows: Sequence[tuple[str, FlagShare, str]], what: str, *, exported: bool) -> int | None:
    """Shares as dots with intervals and as a table; returns the place of the row that was chosen.

    exported: whether there are files to take along, which may not hold people's names.
    """
    import pandas as pd

    if not any(share.n for _, share, _ in rows):
        empty("Nothing was scored in this time.")
        return None
    figure = safety_charts.share_intervals(rows, "Flagged, % of the scored texts")
    points = clickable_chart(figure, key=what, alt=f"Share of flagged texts {what}, with 95 % intervals")
    table(
        {
            what.removeprefix("by ").capitalize(): [plain(name) for name, *_ in rows],
            "Flagged": [f"{number(share.flagged)} of {number(share.n)}" for _, share, _ in rows],
            "Share": [_share(share) for _, share, _ in rows],
        },
        alt=f"Flagged texts {what}",
    )
    if exported:
        frame = pd.DataFrame(
            [(name, share.n, share.flagged, share.share, share.low, share.high) for name, share, _ in rows],
            columns=["name", "scored", "flagged", "share", "low", "high"],
        )
        download(frame, f"safety-{what.replace(' ', '-')}")
    small = [plain(name) for name, share, _ in rows if 0 < share.n < SMALL]
    if small:
        st.caption(f"Fewer than {SMALL} scored texts, so the share says little: {', '.join(small)}.")
    parts = chosen_point(points, "row")
    return int(parts[1]) if parts is not None and int(parts[1]) < len(rows) else None


def _wanted(
    endpoint: str, period: Period, metric: str, threshold: float, *, version: str = "", requester: str = ""
) -> RequestFilter:
    return RequestFilter(
        period.start,
        period.end,
        endpoint,
        versions=(version,) if version else (),
        requesters=(requester,) if requester else (),
        score=metric,
        at_least=threshold,
    )


def _name(one: FlagFigures) -> str:
    return one.name or "no requester"


def _share(share: FlagShare) -> str:
    """A share with its interval below it."""
    if not share.n:
        return NOTHING
    small = " :orange[few]" if share.n < SMALL else ""
    return f"{percent(share.share, 2)}{small}  \n:small[{percent(share.low, 2)} to {percent(share.high, 2)}]"


def _verdict(found: AnswersToToxicPrompts) -> str:
    result = found.comparison
    if result.low is None or result.high is None:
        return f"Too few answers for an interval: {plural(found.to_flagged.flagged.n, 'answer')} to flagged prompts."
    interval = f"95 % interval {signed(result.low, 4)} to {signed(result.high, 4)}, {p_value(result.p_value)}"
    if result.low <= 0 <= result.high:
        return f"**No clear difference**: {signed(result.difference, 4)} ({interval}; {plain(result.test)})."
    word = "more" if result.difference > 0 else "less"
    return (
        f"**Answers to flagged prompts are {word} toxic** by {number(abs(result.difference), 4)} on average "
        f"({interval}; {plain(result.test)})."
    )
