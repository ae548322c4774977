"""Panels of the Quality page: two sides score by score, how their values are spread, and every minute."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import charts, quality_charts
from dashboard.downloads import download
from dashboard.links import page_link, requests_query
from dashboard.panels.behind import rows_behind
from dashboard.panels.quality_tables import every_score, findings_frame, spread_frame
from dashboard.panels.quality_words import evidence, is_real, medians_source, verdict
from dashboard.queries.quality import MAIN_SCORES
from dashboard.queries.quality_comparison import Finding
from dashboard.queries.quality_sides import Side
from dashboard.widgets import chart, clickable_chart, empty, panel, table, time_zone
from dashboard.wording import number, percent, plain, random_sample

NOT_BY_REQUESTER = (
    "This score is not summed by requester, so it cannot be sliced so. "
    "Choose everyone, or look at toxicity, tokens out and cost."
)


def labels_of(a: Side, b: Side) -> tuple[str, str]:
    """How the two sides are called."""
    return a.label, b.label


def pies_control() -> bool:
    """Whether the pies show medians instead of averages; links keep it as `pies`."""
    chosen = st.segmented_control(
        "Pies show", ["Averages", "Medians"], default="Averages", required=True, key="pies", bind="query-params"
    )
    return bool(chosen == "Medians")


def pies(found: Sequence[Finding], a: Side, b: Side, *, medians: bool) -> None:
    """The three scores that people know, each as a pie of its averages or medians."""
    by_metric = {one.score.metric: one for one in found}
    with st.grid(3, min_column_width=270):
        for score in MAIN_SCORES:
            about = f"{score.meaning} {'Median' if medians else 'Average'}, {score.unit}."
            with panel(score.title, about):
                if score.metric in by_metric:
                    _pie(by_metric[score.metric], a, b, len(found), medians=medians)
                else:
                    empty(NOT_BY_REQUESTER)


def _pie(found: Finding, a: Side, b: Side, scores: int, *, medians: bool) -> None:
    """One score of two sides: the pie, both values with n, and how sure the difference is."""
    labels = labels_of(a, b)
    if not all(found.n):
        empty(_nothing_scored(found, labels))
        return
    shown = found.of_medians() if medians else found.compared
    values = shown.comparison.mean_a, shown.comparison.mean_b
    word = "median" if medians else "average"
    said = [number(value, found.score.decimals) for value in values]
    spoken = f"{found.score.title}, {word}: {labels[0]} {said[0]}, {labels[1]} {said[1]}"
    versions = (a.entity_version, b.entity_version)
    key = f"pie {found.score.metric}"
    if charts.can_be_a_pie(shown):
        chart(charts.version_pie(shown, labels, versions), key=key, alt=spoken, still=True)
    else:
        chart(charts.version_bars(shown, labels, versions), key=key, alt=spoken, still=True)
        st.caption(
            f"Drawn as bars: {'a median' if medians else 'an average'} of zero or below has no share of a circle."
        )
    _values(found, labels)
    st.markdown(verdict(found, labels[1]))
    st.caption(evidence(found, labels, scores))
    if found.compared.sample is not None:
        sample = found.compared.sample
        st.caption(random_sample(found.score.title, sample.scored, sample.answers))


def scores(found: Sequence[Finding], a: Side, b: Side, endpoint: str) -> None:
    """Every score of both sides with its difference, and which of the differences are real."""
    st.caption("Every score of both sides, by the test that fits it.")
    labels = labels_of(a, b)
    known = [one for one in found if all(one.n)]
    if not known:
        empty("No score is known of both sides in the chosen time. A longer range may help.")
        return
    real = [one.score.title for one in known if is_real(one.corrected)]
    st.markdown(_summary(real, len(known)))
    every_score(known, labels)
    with st.expander("As a table, with every figure"):
        st.dataframe(findings_frame(known, labels), hide_index=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        download(findings_frame(known, labels), "quality scores")
        for side in (a, b):
            query = requests_query(side.requests(endpoint), time_zone())
            page_link("requests", f"Requests of {plain(side.label)}", "list_alt", **query)
    st.caption(
        f"Intervals are 95 %, of each score alone. A difference counts as real where its p-value, corrected for "
        f"{len(known)} scores (Holm), is below 0.05. Perplexity is compared by the ratio of geometric means (Welch's "
        "test of the logarithms), readability by averages (Welch), what has a long tail by ranks (Mann-Whitney) and "
        f"medians (bootstrap, from {medians_source(all(one.exact for one in known))})."
    )


def spread(found: Sequence[Finding], a: Side, b: Side, endpoint: str) -> None:
    """How the values behind the averages are spread, and the requests behind a bin."""
    st.caption("The values behind the averages: how many answers score how.")
    labels = labels_of(a, b)
    known = {one.score.title: one for one in found if all(one.n)}
    if not known:
        empty("There are no values of both sides in the chosen time.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox("Score", list(known), key="spread", bind="query-params", width=250)
        shape = st.segmented_control(
            "Shape", ["Histogram", "Cumulative"], default="Histogram", required=True, key="shape", bind="query-params"
        )
    one = known.get(str(title), next(iter(known.values())))
    score = one.score
    figure = quality_charts.spread(
        score.metric,
        one.distributions,
        labels,
        (a.entity_version, b.entity_version),
        f"{score.title}, {score.unit}",
        score.decimals,
        cumulative=shape == "Cumulative",
    )
    spoken = quality_charts.spread_spoken(one.distributions, labels, score.title, score.decimals)
    points = clickable_chart(figure, key="spread chart", alt=spoken)
    scorer = f" Scored by {plain(one.compared.scorer)}." if one.compared.scorer else ""
    st.caption(
        "From the buckets of the rollups; upright lines are medians, and values far away from the others are not "
        f"drawn. Choose a point to see the requests behind it.{scorer}"
    )
    _bin_behind(points, (a, b), endpoint, score.metric)
    frame = spread_frame(score.metric, one.distributions, labels)
    with st.expander("As a table"):
        st.dataframe(frame, hide_index=True)
    download(frame, f"quality {score.metric} spread")


def _bin_behind(points: Sequence[dict[str, object]], sides: tuple[Side, Side], endpoint: str, metric: str) -> None:
    data = points[0].get("customdata") if points else None
    if not isinstance(data, list | tuple) or len(data) != 4 or data[0] != "bin":
        return
    side = sides[int(data[1])]
    wanted = replace(side.requests(endpoint, metric), at_least=float(data[2]), below=float(data[3]))
    rows_behind(wanted, (metric,), metric)


def _values(found: Finding, labels: Sequence[str]) -> None:
    compared, digits = found.compared, found.score.decimals
    result, medians = compared.comparison, found.medians
    scored = [
        f"{number(n)} ({percent(n / requests if requests else None, 0)})"
        for n, requests in ((result.n_a, compared.requests_a), (result.n_b, compared.requests_b))
    ]
    table(
        {
            "Version": [f"**{plain(name)}**" for name in labels],
            "Average": [number(mean, digits) for mean in (result.mean_a, result.mean_b)],
            "Median": [number(median, digits) for median in (medians.median_a, medians.median_b)],
            "Scored": scored,
        },
        alt=f"{found.score.title} of both sides, with the number of scored answers",
    )


def _nothing_scored(found: Finding, labels: Sequence[str]) -> str:
    missing = [plain(name) for name, n in zip(labels, found.n, strict=True) if not n]
    return f"No answer of {' and '.join(missing)} has this score in the chosen time. A longer range may help."


def _summary(real: Sequence[str], known: int) -> str:
    if not real:
        return f"**None of {known} differences is clear.**"
    listed = ", ".join(plain(title) for title in real)
    return (
        f"**{len(real)} of {known} differences are real**: {listed}."
        if len(real) > 1
        else (f"**1 of {known} differences is real**: {listed}.")
    )
