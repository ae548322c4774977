"""Taking what is on the screen along, as CSV or Parquet. Charts are taken as PNG by the button on them.

For figures without anybody's words or names: a download of requests goes through `dashboard.actions`, which asks for
the role and writes it down.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CHUNK_ROWS = 10_000
"""Rows that are made into text at once: what a large export needs beside its result."""


def download(rows: "pd.DataFrame | Callable[[], pd.DataFrame]", name: str) -> None:
    """A button beside a chart or table that offers its numbers as files.

    rows: the numbers, or what makes them once somebody takes them. name: of the files, without an ending.
    """

    def frame() -> "pd.DataFrame":
        return rows() if callable(rows) else rows

    with st.popover("Export", icon=":material/download:"):
        st.download_button(
            "CSV", lambda: as_csv(frame()), f"{name}.csv", "text/csv", key=f"csv {name}", on_click="ignore"
        )
        st.download_button(
            "Parquet", lambda: as_parquet(frame()), f"{name}.parquet", key=f"parquet {name}", on_click="ignore"
        )


def as_csv(frame: "pd.DataFrame") -> bytes:
    """The rows as CSV (UTF-8). A text that a spreadsheet would take for a formula is led in by an apostrophe."""
    texts = list(frame.select_dtypes(include=["object", "string", "category"]).columns)
    buffer = io.BytesIO()
    for first in range(0, max(len(frame), 1), _CHUNK_ROWS):
        part = frame.iloc[first : first + _CHUNK_ROWS]
        harmless = part.assign(**{str(name): part[name].astype(object).map(_harmless) for name in texts})
        harmless.to_csv(buffer, index=False, header=first == 0, lineterminator="\r\n", encoding="utf-8")
    return buffer.getvalue()


def as_parquet(frame: "pd.DataFrame") -> bytes:
    """The rows as a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
