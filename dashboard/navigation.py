"""The pages, in the order in which an on-call engineer needs them."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.identity import current_user
from dashboard.wording import plain

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_PAGES = Path(__file__).resolve().parent.parent / "pages"
_ASSETS = Path(__file__).resolve().parent / "assets"


def current_page() -> "StreamlitPage":
    """Set up the frame that all pages share and return the page that was asked for."""
    # A favicon by the name of a Material icon would be fetched from the internet: ours is a file.
    st.set_page_config(page_icon=str(_ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=230)
    dark = st.context.theme.type == "dark"
    st.logo(
        str(_ASSETS / f"logo-{'dark' if dark else 'light'}.svg"), icon_image=str(_ASSETS / "icon.svg"), size="large"
    )
    page = st.navigation(
        [
            st.Page(
                _PAGES / "overview.py",
                title="Overview",
                icon=":material/monitor_heart:",
                default=True,
                help="Whether things are healthy, what is live, and what changed last.",
            ),
            st.Page(
                _PAGES / "quality.py",
                title="Quality",
                icon=":material/balance:",
                help="Two model versions side by side: perplexity, readability and toxicity.",
            ),
            st.Page(
                _PAGES / "jobs.py",
                title="Jobs",
                icon=":material/published_with_changes:",
                help="Every run of the metrics job: its lag, its rows and why some have no score.",
            ),
        ]
    )
    st.sidebar.caption(f":material/person: {plain(current_user())}")
    return page
