"""Taking what is on the screen along, as CSV or Parquet. Charts are taken as PNG by the button on them.

For figures without anybody's words or names: a download of requests goes through `dashboard.actions`, which asks for
the role and writes it down.
"""

import io
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def download(frame: "pd.DataFrame", name: str) -> None:
    """A button beside a chart or table that offers its numbers as files. name: of the files, without an ending."""
    with st.popover("Export", icon=":material/download:"):
        st.download_button(
            "CSV", lambda: as_csv(frame), f"{name}.csv", "text/csv", key=f"csv {name}", on_click="ignore"
        )
        st.download_button(
            "Parquet", lambda: as_parquet(frame), f"{name}.parquet", key=f"parquet {name}", on_click="ignore"
        )


def as_csv(frame: "pd.DataFrame") -> bytes:
    """The rows as CSV (UTF-8). A text that a spreadsheet would take for a formula is led in by an apostrophe."""
    texts = frame.select_dtypes(include=["object", "string"])
    harmless = frame.assign(**{str(name): column.map(_harmless) for name, column in texts.items()})
    return harmless.to_csv(index=False, lineterminator="\r\n").encode()


def as_parquet(frame: "pd.DataFrame") -> bytes:
    """The rows as a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
