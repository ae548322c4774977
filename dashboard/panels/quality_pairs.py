"""The panel of the answers that two sides gave to the same prompts."""

from collections.abc import Sequence

import streamlit as st

from dashboard.downloads import download
from dashboard.panels.quality_tables import every_pair, pairs_frame
from dashboard.panels.quality_words import is_real
from dashboard.queries import quality_pairs
from dashboard.queries.quality_comparison import Finding
from dashboard.queries.quality_pairs import MOST_ROWS_A_SIDE, READ_AT_ONCE, Pairs
from dashboard.queries.quality_sides import Side
from dashboard.widgets import empty
from dashboard.wording import number, plain, plural


def paired(found: Sequence[Finding], a: Side, b: Side, endpoint: str) -> None:
    """What differs where both sides answered the same prompt: everything but the side is equal there."""
    st.caption("Only prompts that both sides answered: there nothing else differs.")
    counts = found[0].compared.requests_a, found[0].compared.requests_b
    if not all(counts):
        empty("Only one side has requests in the chosen time, so there are no pairs.")
        return
    if sum(counts) > READ_AT_ONCE and not st.toggle(
        "Read the prompts and pair them", key="paired", bind="query-params"
    ):
        empty(
            f"Pairing reads the prompts of the newest {number(MOST_ROWS_A_SIDE)} requests of each side, "
            "which takes a few seconds; it is done when you ask for it."
        )
        return
    with st.spinner("Reading the prompts"):
        matched = quality_pairs.pairs(endpoint, a, b, list(found))
    labels = (a.label, b.label)
    known = [one for one in matched.findings if one.paired is not None]
    if not known:
        empty(f"No prompt was answered by both sides. {_based_on(matched, counts, labels)}")
        return
    real = [plain(one.score.title) for one in known if is_real(one.corrected)]
    listed = f"Real over the same prompts: {', '.join(real)}." if real else "None of the differences is clear."
    st.markdown(f"**{plural(matched.matched, 'prompt')} answered by both.** {listed}")
    every_pair(matched, labels)
    frame = pairs_frame(matched, labels)
    with st.expander("As a table, with every figure"):
        st.dataframe(frame, hide_index=True)
    download(frame, "quality pairs")
    st.caption(
        f"{_based_on(matched, counts, labels)} Prompts are the same where their texts are, with all that was said "
        "before them; answers to one prompt on one side count as their average. Averages are compared by the paired "
        "t-test, geometric means by that of the logarithms, medians by Wilcoxon's signed-rank test. Intervals are "
        "95 %, and what is called real is corrected for the number of scores (Holm)."
    )


def _based_on(found: Pairs, counts: Sequence[int], labels: Sequence[str]) -> str:
    parts = []
    for label, rows, prompts, whole in zip(labels, found.rows, found.prompts, counts, strict=True):
        newest = f"the newest {number(rows)} of {number(whole)}" if rows < whole else f"all {number(rows)}"
        parts.append(f"{plain(label)}: {newest} requests, {plural(prompts, 'distinct prompt')}")
    return f"Based on {'; '.join(parts)}."
