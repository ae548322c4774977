"""Is this what runs here: the names on a diagram beside those of this workspace."""

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.image_overlay import part_labels
from dashboard.links import page_address
from dashboard.queries.live_inventory import Inventory, inventory
from dashboard.widgets import empty, guarded, table
from dashboard.wording import number, plain, plural
from vision.reading import Reading

if TYPE_CHECKING:
    from vision.comparison import Comparison, Match

_PAGES = {"registered models": "models", "endpoints": "endpoints", "jobs": "jobs"}
"""Kind of thing → the page that shows it."""
_LOOK_SECONDS = 5.0
_MOST_LISTED = 60


def found_here(reading: Reading) -> None:
    """Which parts of a diagram this workspace has, once somebody wants to know: registry and gateway are asked."""
    if not part_labels(reading):
        empty("No component was read on this image.")
        return
    wanted = st.toggle("Look the names up here: registered models, endpoints, tables and jobs", key="look up here")
    if wanted:
        # Again and again, as a registry may take a while to answer.
        st.fragment(_looked_up, run_every=_LOOK_SECONDS)(reading)


def _looked_up(reading: Reading) -> None:
    # Graphs of networks take a moment to import, and only this look-up needs them.
    from vision.comparison import compare

    with guarded("Is this what runs here?"):
        here = inventory()
        _compared(compare(reading, here.names), here)


def _compared(comparison: "Comparison", here: Inventory) -> None:
    same = {match.label for match in comparison.found if match.likeness == "same name"}
    similar = {match.label for match in comparison.found} - same
    counts = [f"{number(len(same))} by the same name", f"{number(len(similar))} by a similar one"]
    missing = plural(len(comparison.not_found), "component")
    st.markdown(f"**Found here:** {', '.join(counts)}. **Not found here:** {missing}.")
    for kind, why in here.unknown.items():
        st.caption(f":orange[:material/warning: What there is of {kind} could not be looked up: {why}]")
    if comparison.found:
        _found(comparison.found[:_MOST_LISTED])
    if comparison.not_found:
        st.markdown("**Components without anything of their name here**")
        st.markdown(_listed([plain(label) for label, _ in comparison.not_found]))
    if comparison.not_drawn:
        with st.expander(f"{plural(len(comparison.not_drawn), 'thing')} here that the diagram does not name"):
            kinds = dict.fromkeys(kind for kind, _ in comparison.not_drawn)
            for kind in kinds:
                names = [_linked(one, name) for one, name in comparison.not_drawn if one == kind]
                st.markdown(f"**{plain(kind.capitalize())}**: {_listed(names)}")
    st.caption("Names are all that is compared: of a similar name, look whether it is the same thing.")


def _found(matches: "tuple[Match, ...]") -> None:
    table(
        {
            "On the diagram": [plain(match.label) for match in matches],
            "Here": [_linked(match.kind, match.name) for match in matches],
            "Kind": [plain(match.kind) for match in matches],
            "How sure": [match.likeness for match in matches],
        },
        alt="Parts of the diagram that this workspace has something of the same or a similar name for",
    )


def _linked(kind: str, name: str) -> str:
    """A name of this workspace, with a link to the page that shows it."""
    page = _PAGES.get(kind)
    return f"[{plain(name)}]({page_address(page, {})})" if page else plain(name)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {number(more)} more" if more > 0 else "")
