"""Panels of the Safety page: what was flagged over time, and one request behind a point."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard import safety_charts
from dashboard.chart_times import time_of
from dashboard.downloads import download
from dashboard.links import page_link, request_query
from dashboard.panels import triage
from dashboard.panels.behind import rows_behind
from dashboard.panels.marked import marked_line, opened_change
from dashboard.periods import Period
from dashboard.queries import changes
from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.safety import ANSWER, PROMPT, Flags, FlagsOverTime, is_exact
from dashboard.queries.safety_flags import OPEN, STATES, Triage
from dashboard.queries.safety_rows import MOST_FLAGGED, MOST_READ, ScoredRequests, toxicity_labels
from dashboard.queries.safety_toxicities import whole_rows
from dashboard.widgets import chosen_point, clickable_chart, empty, local, time_zone
from dashboard.wording import duration, number, percent, plain, random_sample
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

_LABEL_OF = {
    "insult": "harassment",
    "identity_attack": "hate",
    "identity_hate": "hate",
    "threat": "violence",
    "sexual_explicit": "sexual",
    "obscene": "profanity",
}
"""What a flag is called, by the label that a model of detoxify gives."""
_SURE = 0.5
_TABLE_ROWS = 500
_NEARLY = 1e-6


def threshold_control() -> float:
    """From which toxicity on a text counts as flagged on this page; links keep it as `threshold`."""
    usual = get_settings().toxicity_threshold
    chosen = st.number_input(
        "Threshold",
        min_value=0.0,
        max_value=1.0,
        value=usual,
        step=0.05,
        format="%.2f",
        key="threshold",
        bind="query-params",
        width=120,
        help=f"Texts of at least this toxicity are flagged; {usual:g} in the settings. It moves on this page only.",
    )
    return float(usual if chosen is None else chosen)


def scorer_line(found: Flags, threshold: float) -> None:
    """Who gave the scores, on how many texts, and what that means for the figures."""
    left_out = f" Left out, never mixed in: {plain(', '.join(found.others))}." if found.others else ""
    said = f"Toxicity by {plain(found.scorer)}.{left_out}"
    if not is_exact(threshold):
        said += " Shares and counts from rollups may leave out values up to 2 % above this threshold; 0.5 is exact."
    st.caption(said)
    if found.scorer.startswith("keyword/"):
        st.info(
            "Toxicity comes from a keyword-like classifier, because no detoxify model could be had: it knows rude "
            "words, not their meaning. Expect harmless sentences among the flags, and polite malice that has none.",
            icon=":material/spellcheck:",
        )
    for sample, title, things in (
        (found.prompt_sample, "Toxicity of prompts", "requests"),
        (found.answer_sample, "Toxicity of answers", "answers"),
    ):
        if sample is not None:
            st.caption(random_sample(title, sample.scored, sample.answers, things))


def part_line(period: Period, scored: ScoredRequests) -> None:
    """Which part of the chosen time single requests are of, where it is not all."""
    if scored.period.start > period.start:
        st.caption(
            f":material/history_toggle_off: Single requests (points, list, answers) are read from "
            f"{local(scored.period.start):%d %b %H:%M} on: the newest of this time, at most {number(MOST_READ)}. "
            "Shares over time, by version and by requester are of all. For earlier requests choose their time."
        )


def points(endpoint: str, period: Period, found: Triage, scored: ScoredRequests, scorer: str, threshold: float) -> None:
    """Every prompt by time and toxicity; a point that is chosen opens its request."""
    if np.isnan(found.flagged.prompt).all() and np.isnan(scored.others.prompt).all():
        empty("No prompt of this time has a toxicity.")
        return
    marked = changes.markers(period, endpoint)
    decided = found.states != STATES.index(OPEN)
    figure = safety_charts.toxicity_points(found.flagged, decided, scored.others, threshold, time_zone(), marked)
    chosen = clickable_chart(
        figure,
        key="toxicity",
        alt=f"Toxicity of {number(len(found.flagged) + len(scored.others))} prompts over time; "
        f"{number(found.total)} requests reach the threshold {threshold:g}",
    )
    st.caption(_what_is_drawn(found, scored))
    marked_line(marked)
    opened_change(chosen)
    drawn = len(found.flagged) + len(scored.others)
    about = "Prompts and their toxicity, the most toxic first, then those that are not flagged"
    _as_table(lambda most: _rows_of_points(found, scored, most), drawn, "toxicity", about)
    point = _chosen_request(chosen)
    if point is not None:
        _one_request(endpoint, period, _behind_point(found, scored, *point), scorer, threshold)


def over_time(endpoint: str, period: Period, found: Flags, threshold: float) -> None:
    """How many prompts and answers were flagged, in every bin; a point opens the requests behind it."""
    what = st.segmented_control(
        "Shown",
        ["share", "count"],
        format_func=str.capitalize,
        default="share",
        required=True,
        key="flag_figure",
        bind="query-params",
        label_visibility="collapsed",
    )
    shown = found.over_time
    marked = changes.markers(period, endpoint)
    figure = safety_charts.flags_over_time(shown, str(what), threshold, time_zone(), marked)
    totals = found.total
    chosen = clickable_chart(
        figure,
        key="flags over time",
        alt=f"Flagged over time: {percent(totals.prompts.share)} of prompts, "
        f"{percent(totals.answers.share)} of answers",
    )
    st.caption(
        f"Each point covers {duration(period.bin_seconds)}. In all {number(totals.prompts.flagged)} of "
        f"{number(totals.prompts.n)} scored prompts and {number(totals.answers.flagged)} of {number(totals.answers.n)} "
        "scored answers. Choose a point to see its requests."
    )
    marked_line(marked)
    opened_change(chosen)
    _as_table(lambda most: _flags_frame(shown).head(most), len(shown.times), "flags", "Flags over time")
    parts = chosen_point(chosen, "bin")
    if parts is not None:
        start, column = int(parts[1]), str(parts[2])
        first, last = time_of(start), time_of(start + period.bin_seconds * 1000)
        metric = column if column in (PROMPT, ANSWER) else PROMPT
        rows_behind(RequestFilter(first, last, endpoint, score=metric, at_least=threshold), (PROMPT, ANSWER), metric)


def _what_is_drawn(found: Triage, scored: ScoredRequests) -> str:
    said = "Every flagged request is drawn"
    if found.total > MOST_FLAGGED:
        said = f"The {number(MOST_FLAGGED)} most toxic of {number(found.total)} flagged requests are drawn"
    if scored.one_in > 1:
        said += (
            f"; of the {number(scored.others_total)} others a random sample of {number(len(scored.others))} "
            f"(1 in {scored.one_in}, by a hash of the request's time)."
        )
    else:
        said += f", and every one of the {number(scored.others_total)} others that were scored."
    return f"{said} Choose a point to open its request."


def _flags_frame(found: FlagsOverTime) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            "time": pd.to_datetime(found.times, unit="ms", utc=True),
            "prompts_flagged": found.prompts,
            "prompts_share": found.prompt_shares,
            "answers_flagged": found.answers,
            "answers_share": found.answer_shares,
        }
    )


def _rows_of_points(found: Triage, scored: ScoredRequests, most: int) -> "pd.DataFrame":
    """The requests that are drawn, at most so many: those that are flagged first, each part the most toxic first."""
    import pandas as pd

    columns = ["request_time", "entity_version", "prompt_toxicity", "response_toxicity"]
    flagged = found.rows(found.places()[:most])
    others = whole_rows(scored.source, scored.others.at(slice(most - len(flagged))))
    others = others.sort_values(["toxicity", "request_time"], ascending=False, ignore_index=True)
    return pd.concat([flagged[[*columns, "state"]], others[columns].assign(state="not flagged")])


def _as_table(frame: "Callable[[int], pd.DataFrame]", rows: int, name: str, alt: str) -> None:
    """What a chart shows as a table that opens, and as files. frame: gives the first so many of the rows."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # Made once it is opened: most visitors look at the chart.
        opened = st.expander("As a table", key=f"table of {name}", on_change="rerun")
        download(lambda: frame(rows), f"safety-{name}")
    with opened:
        if opened.open:
            st.dataframe(frame(_TABLE_ROWS), hide_index=True, alt=alt, key=f"table {name}")
            if rows > _TABLE_ROWS:
                st.caption(f"The first {number(_TABLE_ROWS)} of {number(rows)} rows; the export has all of them.")


def _chosen_request(chosen: list[dict[str, Any]]) -> tuple[int, float | None] | None:
    """The time that a point carries (microseconds) and its toxicity; a marker of a change carries a list."""
    found = [point for point in chosen if isinstance(point.get("customdata"), int | float)]
    return (int(found[0]["customdata"]), found[0].get("y")) if found else None


def _behind_point(
    found: Triage, scored: ScoredRequests, time: int, toxicity: float | None
) -> tuple[dict[Any, Any] | None, bool]:
    """The request of a point, if it is still among those of the chosen time, and whether it is flagged."""
    for some, flagged in ((found.flagged, True), (scored.others, False)):
        # The browser has the toxicity in single precision.
        near = some.times == time
        if toxicity is not None:
            near &= np.abs(some.prompt - toxicity) < _NEARLY
        places = np.flatnonzero(near)[:1]
        if len(places):
            rows = found.rows(places) if flagged else whole_rows(scored.source, some.at(places))
            return next(iter(rows.to_dict("records")), None), flagged
    return None, False


def _one_request(
    endpoint: str, period: Period, behind: tuple[dict[Any, Any] | None, bool], scorer: str, threshold: float
) -> None:
    row, flagged = behind
    if row is None:
        empty("This request is not among those of the chosen time any more.")
        return
    request_id = str(row["databricks_request_id"])
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Request of {local(row['request_time']):%d %b %H:%M:%S}**", width="content")
            page_link("requests", "Open it", "open_in_new", **request_query(request_id, row["request_date"]))
        if flagged:
            triage.one(endpoint, row, scorer, threshold, _suggested(request_id, period))
        else:
            triage.not_flagged(endpoint, row)


def _suggested(request_id: str, period: Period) -> str:
    """The label that the model is surest of, where it is sure of one."""
    labels = {name: value for name, value in toxicity_labels(request_id, period).items() if name in _LABEL_OF}
    name = max(labels, key=lambda name: labels[name], default="")
    return _LABEL_OF[name] if name and labels[name] >= _SURE else ""
