"""Panels of the Quality page: two versions side by side, and readability minute by minute."""

from collections.abc import Sequence

import streamlit as st

from dashboard import charts
from dashboard.panels.marked import marked_line
from dashboard.periods import Period
from dashboard.queries import changes, quality, traffic
from dashboard.queries.quality import READABILITY, ScoreComparison
from dashboard.queries.traffic import VersionSeen
from dashboard.widgets import chart, empty, table, time_zone, version_control, version_label
from dashboard.wording import NOTHING, duration, number, percent, plain, probability, random_sample, signed

_EFFECTS = ((0.2, "very small"), (0.5, "small"), (0.8, "medium"))


def version_controls(endpoint: str) -> tuple[VersionSeen, VersionSeen] | str:
    """The two versions to compare, or a sentence that says why there are no two."""
    versions = traffic.versions(endpoint)
    if len(versions) < 2:
        return f"A comparison needs two versions that have answered on this endpoint; so far there are {len(versions)}."
    a = version_control("Version", "a", versions, default=1)
    b = version_control("Compared with", "b", versions, default=0)
    return (a, b) if a.key != b.key else "Choose two different versions to compare them."


def comparison(compared: ScoreComparison, a: VersionSeen, b: VersionSeen) -> None:
    """One score of two versions: the pie, both values with n, and how sure the difference is."""
    result, score = compared.comparison, compared.score
    names = (version_label(a, [a, b]), version_label(b, [a, b]))
    if not result.n_a or not result.n_b:
        empty(_nothing_scored(compared, names))
        return
    versions = (a.entity_version, b.entity_version)
    averages = [number(mean, score.decimals) for mean in (result.mean_a, result.mean_b)]
    spoken = f"{score.title}: {names[0]} {averages[0]}, {names[1]} {averages[1]}"
    if charts.can_be_a_pie(compared):
        chart(charts.version_pie(compared, names, versions), key=f"pie {score.metric}", alt=spoken, still=True)
    else:
        chart(charts.version_bars(compared, names, versions), key=f"pie {score.metric}", alt=spoken, still=True)
        st.caption("Drawn as bars: an average of zero or below has no share of a circle.")
    table(
        {
            "Version": [f"**{plain(name)}**" for name in names],
            "Average": averages,
            "Scored": [number(n) for n in (result.n_a, result.n_b)],
            "Of all": [
                percent(n / requests if requests else None, 0)
                for n, requests in ((result.n_a, compared.requests_a), (result.n_b, compared.requests_b))
            ],
        },
        alt=f"{score.title} of both versions, with the number of scored answers",
    )
    st.markdown(_verdict(compared, names))
    st.caption(_evidence(compared, names))
    if compared.sample is not None:
        st.caption(random_sample(score.title, compared.sample.scored, compared.sample.answers))


def readability(endpoint: str, a: VersionSeen, b: VersionSeen, period: Period) -> None:
    """How easy the answers were to read, every minute."""
    chosen = st.segmented_control(
        "Measure",
        list(READABILITY),
        format_func=lambda name: READABILITY[name].title,
        default="grade",
        required=True,
        key="readability",
        bind="query-params",
    )
    score = READABILITY.get(str(chosen), READABILITY["grade"])
    means = quality.minute_means(endpoint, score.metric, period)
    labels = {version.key: version_label(version, [a, b]) for version in (a, b)}
    means = means[means["version"].isin(list(labels))]
    if means.empty:
        empty("No answer of these versions has a readability score in this time.")
        return
    scorer = str(means.groupby("scorer")["n"].sum().idxmax())
    shown = means[means["scorer"] == scorer]
    first = int(shown["time"].min())
    marked = tuple(marker for marker in changes.markers(period, endpoint) if marker.time >= first)
    figure = charts.minute_means(
        shown, time_zone(), f"{score.title}, {score.unit}", labels, score.decimals, period.bin_seconds, marked
    )
    chart(figure, key="minutes", alt=f"{score.title} of the answers, minute by minute")
    left_out = len(set(means["scorer"])) - 1
    others = f" Values of {left_out} other scorers are left out." if left_out else ""
    st.caption(
        f"Dots are minutes ({number(len(shown))}), lines are averages of {duration(period.bin_seconds)}. "
        f"Drag to zoom, double-click to go back. Scored by {plain(scorer)}.{others}"
    )
    marked_line(marked)


def _nothing_scored(compared: ScoreComparison, names: Sequence[str]) -> str:
    result = compared.comparison
    missing = [plain(name) for name, n in zip(names, (result.n_a, result.n_b), strict=True) if not n]
    return f"No answer of {' and '.join(missing)} has this score in the chosen time. A longer range may help."


def _verdict(compared: ScoreComparison, names: Sequence[str]) -> str:
    """What the numbers say, in a sentence."""
    result, digits = compared.comparison, compared.score.decimals
    if result.low is None or result.high is None:
        return f"Difference **{signed(result.difference, digits)}**; too few values for an interval."
    interval = f"95 % interval {signed(result.low, digits)} to {signed(result.high, digits)}"
    if result.low <= 0 <= result.high:
        return f"**No clear difference**: {signed(result.difference, digits)} ({interval})."
    word = "higher" if result.difference > 0 else "lower"
    return f"**{plain(names[1])} is {word}** by {number(abs(result.difference), digits)} ({interval})."


def _evidence(compared: ScoreComparison, names: Sequence[str]) -> str:
    result = compared.comparison
    effect = NOTHING
    if result.effect_size is not None:
        size = abs(result.effect_size)
        word = next((word for limit, word in _EFFECTS if size < limit), "large")
        effect = f"{signed(result.effect_size, 2)}, {word}"
    left_out = f" Left out, never mixed in: {plain(', '.join(compared.others))}." if compared.others else ""
    return (
        f"{plain(names[1])} − {plain(names[0])}; {plain(result.test)}, p {_equals(probability(result.p_value))}; "
        f"Cohen's d {effect}. Scored by {plain(compared.scorer)}.{left_out}"
    )


def _equals(text: str) -> str:
    return text.replace("<", "\\<") if text.startswith("<") else f"= {text}"
