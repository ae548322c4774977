"""The picture with what was read on it: layers, zoom, and regions that answers light up."""

import base64
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from dashboard.image_overlay import LAYERS, SHOWN_AT_FIRST, regions
from dashboard.queries.images import KeptImage
from vision.reading import Reading

_ASSETS = Path(__file__).resolve().parent.parent / "assets"
_KEY = "picture"


def asset(name: str) -> str:
    """The text of a file of ours that the browser gets."""
    return (_ASSETS / name).read_text(encoding="utf-8")


_picture = st.components.v2.component(
    "lakehelm_picture", html=asset("picture.html"), css=asset("picture.css"), js=asset("picture.js")
)


def picture(of: str, kept: KeptImage, reading: Reading, *, ask: Callable[[str], None] | None) -> None:
    """An image and every region that was read on it.

    of: the conversation; answers of the same one light up regions here.
    ask: called with the id of a region that somebody wants to ask about; None where nobody may.
    """
    found = regions(reading)
    counts = {layer: sum(region["layer"] == layer for region in found) for layer in LAYERS}
    _picture(
        key=_KEY,
        data={
            "of": of,
            # What it looks like is drawn anew only where another image or another reading comes.
            "drawn": f"{of} {reading.reader}",
            "image": _data_address(kept.media_type, kept.image),
            "width": reading.width,
            "height": reading.height,
            "regions": found,
            "layers": [
                {"id": layer, "title": LAYERS[layer], "count": counts[layer]} for layer in LAYERS if counts[layer]
            ],
            "shown": list(SHOWN_AT_FIRST),
            "may_ask": ask is not None,
        },
        on_asked_change=lambda: _asked(ask),
    )


def _asked(ask: Callable[[str], None] | None) -> None:
    region = st.session_state[_KEY].asked
    if ask is not None and isinstance(region, str):
        ask(region)


@st.cache_data(max_entries=4, show_spinner=False)
def _data_address(media_type: str, image: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(image).decode()}"
