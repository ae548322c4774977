"""The comparisons of the Quality page as tables: a short one to read, and one with every figure to take along."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.panels.quality_words import difference, effect_text, interval_text, paired_verdict, verdict
from dashboard.quality_charts import shares_below, spread_edges
from dashboard.queries.quality_comparison import Finding
from dashboard.queries.quality_pairs import Pairs
from dashboard.widgets import table
from dashboard.wording import number, plain
from metrics.distributions import Distribution

if TYPE_CHECKING:
    import pandas as pd

_BY = {"means": "average", "ratio": "geometric mean", "ranks": "median"}


def every_score(found: Sequence[Finding], labels: tuple[str, str]) -> None:
    """A sentence for each score, and a line with both values, the difference with its interval and the effect."""
    st.markdown("\n".join(f"- {plain(one.score.title)}: {verdict(one, labels[1])}" for one in found))
    values = [_values(one) for one in found]
    table(
        {
            "Score": [f"**{plain(one.score.title)}** :small[:gray[{_BY[one.way]}]]" for one in found],
            plain(labels[0]): [number(a, one.score.decimals) for one, (a, _) in zip(found, values, strict=True)],
            plain(labels[1]): [number(b, one.score.decimals) for one, (_, b) in zip(found, values, strict=True)],
            "Difference (95 %)": [difference(one) for one in found],
            "Effect": [effect_text(one.effect, ranks=one.way == "ranks") for one in found],
            "Scored": ["\u00a0/\u00a0".join(number(n) for n in one.n) for one in found],
        },
        alt=f"Every score of {labels[0]} and {labels[1]}, with the difference",
    )


def every_pair(found: Pairs, labels: tuple[str, str]) -> None:
    """The same over the prompts that both sides answered."""
    known = [(one, one.paired) for one in found.findings if one.paired is not None]
    st.markdown("\n".join(f"- {plain(one.score.title)}: {paired_verdict(one, labels[1])}" for one, _ in known))
    table(
        {
            "Score": [f"**{plain(one.score.title)}** :small[:gray[{_BY[one.way]}]]" for one, _ in known],
            "Pairs": [number(paired.n) for _, paired in known],
            plain(labels[0]): [number(paired.mean_a, one.score.decimals) for one, paired in known],
            plain(labels[1]): [number(paired.mean_b, one.score.decimals) for one, paired in known],
            "Difference (95 %)": [
                interval_text(paired.difference, paired.low, paired.high, one.score.decimals, ratio=one.way == "ratio")
                for one, paired in known
            ],
        },
        alt=f"Every score of {labels[0]} and {labels[1]} over the prompts that both answered",
    )


def findings_frame(found: Sequence[Finding], labels: tuple[str, str]) -> "pd.DataFrame":
    """Every figure of a comparison, one row a score; `a` and `b` stand for the sides, which are named."""
    import pandas as pd

    rows = []
    for one in found:
        result, medians = one.compared.comparison, one.medians
        value, low, high = one.interval
        rows.append(
            {
                "score": one.score.metric,
                "unit": one.score.unit,
                "scorer": one.compared.scorer,
                "a": labels[0],
                "b": labels[1],
                "n_a": result.n_a,
                "n_b": result.n_b,
                "mean_a": result.mean_a,
                "mean_b": result.mean_b,
                "mean_difference": result.difference,
                "mean_low": result.low,
                "mean_high": result.high,
                "median_a": medians.median_a,
                "median_b": medians.median_b,
                "median_difference": medians.difference,
                "median_low": medians.low,
                "median_high": medians.high,
                "compared_by": "ratio of geometric means" if one.ratio is not None else _BY[one.way],
                "value": value,
                "low": low,
                "high": high,
                "test": one.test,
                "p_value": one.p_value,
                "p_value_holm": one.corrected,
                "effect": one.effect,
                "rank_biserial": one.ranks.delta,
            }
        )
    return pd.DataFrame(rows)


def pairs_frame(found: Pairs, labels: tuple[str, str]) -> "pd.DataFrame":
    """Every figure of the paired comparison, one row a score."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "score": one.score.metric,
                "scorer": one.scorer,
                "a": labels[0],
                "b": labels[1],
                "pairs": one.paired.n,
                "mean_a": one.paired.mean_a,
                "mean_b": one.paired.mean_b,
                "compared_by": "ratio of geometric means" if one.way == "ratio" else _BY[one.way],
                "value": one.paired.difference,
                "low": one.paired.low,
                "high": one.paired.high,
                "p_value": one.paired.p_value,
                "p_value_holm": one.corrected,
                "effect": one.paired.effect_size,
            }
            for one in found.findings
            if one.paired is not None
        ]
    )


def spread_frame(metric: str, sides: Sequence[Distribution], labels: tuple[str, str]) -> "pd.DataFrame":
    """The shares of both sides in each bin of the figure, in per cent."""
    import numpy as np
    import pandas as pd

    edges = spread_edges(metric, sides)
    shares = {
        f"{label}, % of answers": np.round(np.diff(shares_below(side, edges)) * 100, 3)
        for side, label in zip(sides, labels, strict=True)
    }
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], **shares})


def _values(one: Finding) -> tuple[float, float]:
    """The two values that the test which fits compares."""
    if one.ratio is not None:
        return one.ratio.mean_a, one.ratio.mean_b
    if one.way == "means":
        return one.compared.comparison.mean_a, one.compared.comparison.mean_b
    return one.medians.median_a, one.medians.median_b
