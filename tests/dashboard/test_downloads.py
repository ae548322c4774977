"""What people take along: safe for a spreadsheet, and no number changed."""

import io
from collections.abc import Callable

import pandas as pd
import pytest
import streamlit as st

from dashboard import downloads
from dashboard.downloads import as_csv, as_parquet

FRAME = pd.DataFrame(
    {
        "requester": ["=1+1", "+49 170", "@sum", "-1", "\tx", "\r=x", "\n=x", "＝1", "ok", None],
        "toxicity": [0.1, None, -2.5, 1e-9, 3.0, 0, 0, 0, 0, 0],
        "time": pd.date_range("2026-01-01", periods=10, freq="h", tz="UTC"),
    }
)


@pytest.mark.parametrize("chunk", [10_000, 3])
def test_csv_leads_formulas_in_by_an_apostrophe_and_leaves_numbers(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(downloads, "_CHUNK_ROWS", chunk)
    found = pd.read_csv(io.BytesIO(as_csv(FRAME)), keep_default_na=True, lineterminator=None)
    names = [str(name) for name in FRAME["requester"]]
    assert [str(name)[:1] for name in found["requester"].tolist()[:8]] == ["'"] * 8
    assert found["requester"].tolist()[0] == f"'{names[0]}"
    assert found["requester"].tolist()[8] == "ok"
    assert found["toxicity"].tolist() == pytest.approx(FRAME["toxicity"].tolist(), nan_ok=True)
    assert len(found) == len(FRAME)


def test_an_empty_frame_has_its_header() -> None:
    assert as_csv(FRAME.iloc[:0]) == b"requester,toxicity,time\r\n"


def test_parquet_keeps_every_value() -> None:
    found = pd.read_parquet(io.BytesIO(as_parquet(FRAME)))
    pd.testing.assert_frame_equal(found, FRAME)


def test_numbers_are_made_into_a_frame_only_for_who_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    offered: dict[str, Callable[[], bytes]] = {}
    monkeypatch.setattr(st, "download_button", lambda label, content, *_, **__: offered.update({label: content}))
    made: list[int] = []

    def frame() -> pd.DataFrame:
        made.append(1)
        return FRAME

    downloads.download(frame, "numbers")
    assert (list(offered), made) == (["CSV", "Parquet"], [])
    assert (offered["CSV"](), offered["Parquet"]()) == (as_csv(FRAME), as_parquet(FRAME))
    assert made == [1, 1]
