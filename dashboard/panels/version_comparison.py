"""Panels that put two model versions side by side: what was measured of them, and what differs in them."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.panels.model_words import short
from dashboard.queries import models
from dashboard.queries.quality import ScoreComparison
from dashboard.widgets import empty, table
from dashboard.wording import NOTHING, number, plain, random_sample, signed
from registry.details import VersionDetails
from registry.version_comparison import ComparedMetric, ComparedValue, VersionComparison, compare_versions
from registry.versions import ModelVersion

_MOST_ROWS = 60


def comparison(a: VersionDetails, b: VersionDetails) -> None:
    """Everything that differs between two versions, part by part."""
    found = compare_versions(a, b)
    names = (short(a.version), short(b.version))
    if found.same_model:
        st.info(
            "Both are the same logged model: one is a copy of the other, so they answer alike.",
            icon=":material/content_copy:",
        )
    measured(a.version, b.version, names)
    everything = st.toggle("Also what is equal", key="equal")
    parts: tuple[tuple[str, Sequence[ComparedValue]], ...] = (
        ("Parameters", found.parameters),
        ("Input schema", found.inputs),
        ("Output schema", found.outputs),
        ("Dependencies", found.dependencies),
    )
    _metrics(found, names, everything)
    for title, values in parts:
        _values(title, values, names, everything)
    _values("Files", found.artifacts, names, everything, _file_size)
    st.caption("Files are compared by name and size; what stands in them is not read.")


def measured(a: ModelVersion, b: ModelVersion, names: Sequence[str]) -> None:
    """Quality, latency and cost of what both have answered on endpoints, with the interval of the difference."""
    scores = models.measured(a, b)
    st.markdown(f"**Measured in use** :small[:gray[over the last {models.MEASURED_DAYS} days, on every endpoint]]")
    unmeasured = [name for name, n in zip(names, (scores[0].requests_a, scores[0].requests_b), strict=True) if not n]
    if unmeasured:
        listed = " and ".join(plain(name) for name in unmeasured)
        empty(f"{listed} answered on no endpoint in this time, so there is nothing to compare.")
        return
    table(
        {
            "Figure": [f"{score.score.title} :small[:gray[{plain(score.score.unit)}]]" for score in scores],
            plain(names[0]): [_mean(score, score.comparison.mean_a, score.comparison.n_a) for score in scores],
            plain(names[1]): [_mean(score, score.comparison.mean_b, score.comparison.n_b) for score in scores],
            "Difference": [_difference(score) for score in scores],
        },
        alt=f"Measured figures of {names[0]} and {names[1]}",
    )
    st.caption(
        f"Averages, with the number of answers that have a value. Difference: {plain(names[1])} − {plain(names[0])} "
        "with its 95 % interval (Welch's t-test); in bold where the interval leaves out zero."
    )
    for score in scores:
        if score.sample is not None:
            st.caption(random_sample(score.score.title, score.sample.scored, score.sample.answers))


def _metrics(found: VersionComparison, names: Sequence[str], everything: bool) -> None:
    shown = [metric for metric in found.metrics if everything or not metric.same]
    if _heading("Metrics of the training runs", len(found.metrics), sum(not m.same for m in found.metrics), shown):
        table(
            {
                "Name": [plain(metric.name) for metric in shown],
                plain(names[0]): [_figure(metric.a, bold=not metric.same) for metric in shown],
                plain(names[1]): [_figure(metric.b, bold=not metric.same) for metric in shown],
                "Difference": [_metric_difference(metric) for metric in shown],
            },
            alt=f"Metrics of {names[0]} and {names[1]}",
        )


def _values(
    title: str,
    values: Sequence[ComparedValue],
    names: Sequence[str],
    everything: bool,
    word: Callable[[str], str] = plain,
) -> None:
    shown = [value for value in values if everything or not value.same]
    if not _heading(title, len(values), sum(not value.same for value in values), shown):
        return

    def cell(text: str | None, same: bool) -> str:
        said = NOTHING if text is None else word(text)
        return said if same or text is None else f"**{said}**"

    table(
        {
            "Name": [plain(value.name) for value in shown[:_MOST_ROWS]],
            plain(names[0]): [cell(value.a, value.same) for value in shown[:_MOST_ROWS]],
            plain(names[1]): [cell(value.b, value.same) for value in shown[:_MOST_ROWS]],
        },
        alt=f"{title} of {names[0]} and {names[1]}",
    )
    if len(shown) > _MOST_ROWS:
        st.caption(f"{number(len(shown) - _MOST_ROWS)} more are not shown.")


def _heading(title: str, count: int, different: int, shown: Sequence[object]) -> bool:
    """The line above a part, which tells how much differs. Returns whether there is a table to draw below it."""
    if not count:
        st.markdown(f"**{title}** :small[:gray[neither has any]]")
    elif not different:
        st.markdown(f"**{title}** :green-badge[:material/check: equal] :small[:gray[{number(count)}]]")
    else:
        verb = "differs" if different == 1 else "differ"
        st.markdown(f"**{title}** :orange-badge[{number(different)} of {number(count)} {verb}]")
    return bool(shown)


def _mean(score: ScoreComparison, mean: float, n: int) -> str:
    return f"{number(mean * _scale(score), score.score.decimals)} :small[:gray[n {number(n)}]]" if n else NOTHING


def _difference(score: ScoreComparison) -> str:
    found, digits = score.comparison, score.score.decimals
    if not found.n_a or not found.n_b:
        return NOTHING
    scale = _scale(score)
    said = signed(found.difference * scale, digits)
    if found.low is None or found.high is None:
        return said
    clear = not found.low <= 0 <= found.high
    interval = f":small[:gray[{signed(found.low * scale, digits)} to {signed(found.high * scale, digits)}]]"
    return f"{f'**{said}**' if clear else said} {interval}"


def _scale(score: ScoreComparison) -> float:
    """What a measured value is multiplied by to have the unit that it is shown in."""
    return 1000.0 if score.score.metric == "cost_usd" else 1.0


def _metric_difference(metric: ComparedMetric) -> str:
    return NOTHING if metric.difference is None else _figure(metric.difference, sign=True)


def _figure(value: float | None, *, sign: bool = False, bold: bool = False) -> str:
    if value is None:
        return NOTHING
    text = f"{value:.4g}".replace("-", "\u2212")
    said = f"+{text}" if sign and value > 0 else text
    return f"**{said}**" if bold else said


def _file_size(text: str) -> str:
    # To the byte: two sizes that differ a little would read alike when rounded.
    return f"{number(int(text))}\u00a0B" if text.isdecimal() else plain(text)
