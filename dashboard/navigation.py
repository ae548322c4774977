"""The pages, in the order in which an on-call engineer needs them."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.panels import entrance
from registry.actors import Actor

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

_PAGES = Path(__file__).resolve().parent.parent / "pages"
_ASSETS = Path(__file__).resolve().parent / "assets"
_SHOWN = {
    "": (
        ("overview", "Overview", "monitor_heart", "Whether things are healthy, what is live, and what changed last."),
        ("alerts", "Alerts", "notifications", "What fires, who is at it, and what to do about it."),
    ),
    "Production": (
        ("endpoints", "Endpoints", "dns", "What an endpoint serves, how it does, and rolling it back."),
        ("models", "Models", "deployed_code", "Every registered model in test and production, and its versions."),
        ("promotion", "Promotion", "upgrade", "Evaluate a version, look at the gate, and promote it."),
        (
            "pipeline",
            "Pipeline",
            "conveyor_belt",
            "From the handbook to a live version, as each step last ran; train anew.",
        ),
    ),
    "Monitoring": (
        ("quality", "Quality", "balance", "Two model versions side by side: perplexity, readability and toxicity."),
        ("safety", "Safety", "shield", "Prompts against toxicity, the flags, and their triage."),
        ("drift", "Drift", "trending_up", "What has changed in questions and answers, and how sure that is."),
        ("traffic", "Traffic", "speed", "Requests, tokens, latency and errors over time."),
        ("cost", "Cost", "payments", "What the answers cost, by version, requester and day."),
        ("requests", "Requests", "list_alt", "Find single requests and open one with its conversation."),
    ),
    "Architecture": (
        (
            "ask_image",
            "Ask an image",
            "schema",
            "Ask about an architecture diagram, and hold it against what runs here.",
        ),
    ),
    "Record": (
        ("ledger", "Ledger", "history_edu", "Who changed what, when and why."),
        ("incident", "Incident", "summarize", "A stretch of time in one report, for a post-mortem."),
        (
            "jobs",
            "Jobs",
            "published_with_changes",
            "Every run of the metrics job: its lag, its rows and why some have no score.",
        ),
    ),
}
"""Section → file, title, icon and help of each page; the first is the first screen."""


def current_page() -> "StreamlitPage | None":
    """Set up the frame that all pages share and return the page that was asked for, or None to who may not see it."""
    # A favicon by the name of a Material icon would be fetched from the internet: ours is a file.
    st.set_page_config(page_icon=str(_ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=230)
    dark = st.context.theme.type == "dark"
    st.logo(
        str(_ASSETS / f"logo-{'dark' if dark else 'light'}.svg"), icon_image=str(_ASSETS / "icon.svg"), size="large"
    )
    pages = {
        section: [
            st.Page(
                _PAGES / f"{file}.py", title=title, icon=f":material/{icon}:", help=about, default=file == "overview"
            )
            for file, title, icon, about in shown
        ]
        for section, shown in _SHOWN.items()
    }
    comer = entrance.who_comes()
    # Whoever is turned away stays at the address that they asked for, but is shown no page and no link to one.
    page = st.navigation(pages, position="sidebar" if isinstance(comer, Actor) else "hidden", expanded=True)
    return page if entrance.let_in(comer) else None
