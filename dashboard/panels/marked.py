"""The line under charts that says what their markers are."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from dashboard.change_words import action_words
from dashboard.links import page_link
from dashboard.queries.changes import Marker
from dashboard.wording import plain, plural


def marked_line(marked: Sequence[Marker], ledger_range: str = "") -> None:
    """How many changes are marked, of which kinds, and a link to them in the ledger; nothing where there are none."""
    if not marked:
        return
    kinds = Counter(action_words(marker.action).title for marker in marked)
    listed = ", ".join(f"{plain(kind)} ×\u202f{count}" if count > 1 else plain(kind) for kind, count in kinds.items())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{plural(len(marked), 'change')} marked with dotted lines: {listed}.", width="content")
        page_link("ledger", "Open the ledger", "history_edu", time=ledger_range)
