"""Links from one page to another."""

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).resolve().parent.parent / "pages"


def page_link(page: str, label: str, icon: str, **query: str) -> None:
    """A link to the page in the file `pages/<page>.py`, with parameters of its address; `icon` is a Material name."""
    st.page_link(
        _PAGES / f"{page}.py",
        label=label,
        icon=f":material/{icon}:",
        query_params={name: value for name, value in query.items() if value},
    )
