"""Panels of the Safety page: what was flagged over time, and one request behind a point."""

from typing import TYPE_CHECKING, Any

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
from dashboard.queries.safety import ANSWER, PROMPT, Flags, is_exact
from dashboard.queries.safety_flags import Triage
from dashboard.queries.safety_rows import MOST_FLAGGED, MOST_READ, ScoredRequests, toxicity_labels
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
        width=130,
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
    flagged = found.rows
    if flagged["prompt_toxicity"].notna().sum() + scored.others["prompt_toxicity"].notna().sum() == 0:
        empty("No prompt of this time has a toxicity.")
        return
    marked = changes.markers(period, endpoint)
    figure = safety_charts.toxicity_points(flagged, scored.others, threshold, time_zone(), marked)
    chosen = clickable_chart(
        figure,
        key="toxicity",
        alt=f"Toxicity of {number(len(flagged) + len(scored.others))} prompts over time; "
        f"{number(found.total)} requests reach the threshold {threshold:g}",
    )
    st.caption(_what_is_drawn(found, scored))
    marked_line(marked)
    opened_change(chosen)
    _rows_of_points(flagged, scored.others)
    request_id = _chosen_request(chosen)
    if request_id is not None:
        _one_request(endpoint, period, request_id, found, scored, scorer, threshold)


def over_time(endpoint: str, period: Period, found: Flags, threshold: float) -> None:
    """How many prompts and answers were flagged, in every bin; a point opens the requests behind it."""
    import pandas as pd

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
    columns = {
        "time": pd.to_datetime(shown.times, unit="ms", utc=True),
        "prompts_flagged": shown.prompts,
        "prompts_share": shown.prompt_shares,
        "answers_flagged": shown.answers,
        "answers_share": shown.answer_shares,
    }
    _as_table(pd.DataFrame(columns), "flags", "Flags over time")
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
            f"(1 in {scored.one_in}, by a hash of the request's id)."
        )
    else:
        said += f", and every one of the {number(scored.others_total)} others that were scored."
    return f"{said} Choose a point to open its request."


def _rows_of_points(flagged: "pd.DataFrame", others: "pd.DataFrame") -> None:
    import pandas as pd

    columns = ["request_time", "entity_version", "prompt_toxicity", "response_toxicity"]
    _as_table(
        pd.concat([flagged[[*columns, "state"]], others[columns].assign(state="not flagged")]),
        "toxicity",
        "Prompts and their toxicity, the most toxic first, then those that are not flagged",
    )


def _as_table(frame: "pd.DataFrame", name: str, alt: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.expander("As a table"):
            st.dataframe(frame.head(_TABLE_ROWS), hide_index=True, alt=alt, key=f"table {name}")
            if len(frame) > _TABLE_ROWS:
                st.caption(f"The first {number(_TABLE_ROWS)} of {number(len(frame))} rows; the export has all of them.")
        download(frame, f"safety-{name}")


def _chosen_request(chosen: list[dict[str, Any]]) -> str | None:
    """The id that a point carries; a marker of a change carries a list."""
    found = [point.get("customdata") for point in chosen]
    ids = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in found]
    return next((one for one in ids if isinstance(one, str)), None)


def _one_request(
    endpoint: str,
    period: Period,
    request_id: str,
    found: Triage,
    scored: ScoredRequests,
    scorer: str,
    threshold: float,
) -> None:
    flags = found.rows[found.rows["databricks_request_id"] == request_id].to_dict("records")
    rest = scored.others[scored.others["databricks_request_id"] == request_id].to_dict("records")
    row = next(iter([*flags, *rest]), None)
    if row is None:
        empty("This request is not among those of the chosen time any more.")
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Request of {local(row['request_time']):%d %b %H:%M:%S}**", width="content")
            page_link("requests", "Open it", "open_in_new", **request_query(request_id, row["request_date"]))
        if flags:
            triage.one(endpoint, row, scorer, threshold, _suggested(request_id, period))
        else:
            triage.not_flagged(endpoint, row)


def _suggested(request_id: str, period: Period) -> str:
    """The label that the model is surest of, where it is sure of one."""
    labels = {name: value for name, value in toxicity_labels(request_id, period).items() if name in _LABEL_OF}
    name = max(labels, key=lambda name: labels[name], default="")
    return _LABEL_OF[name] if name and labels[name] >= _SURE else ""
