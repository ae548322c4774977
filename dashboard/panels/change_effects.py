"""What moved with a change: each figure before and after it, in a table."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.links import page_link
from dashboard.queries.change_effects import LENGTHS, ChangeEffects, effects, has_effects
from dashboard.queries.window_figures import FigureMoved
from dashboard.widgets import empty, guarded, local, table
from dashboard.wording import NOTHING, duration, number, plain, plural, signed
from lakehouse.ledger import Change

COLORS = {"better": "green", "worse": "red", "higher": "blue", "lower": "blue"}
_DEFAULT = "1h"


def before_and_after(change: Change) -> None:
    """The figures of the endpoint before and after a change; nothing for what changed nothing that answers."""
    if not has_effects(change):
        return
    chosen = st.segmented_control(
        "Before and after",
        list(LENGTHS),
        format_func=lambda name: LENGTHS[name][1],
        default=_DEFAULT,
        required=True,
        key=f"effects {change.change_id}",
    )
    with guarded("Before and after"):
        found = effects(change, LENGTHS.get(str(chosen), LENGTHS[_DEFAULT])[0])
        if found.after_end <= found.after_start:
            empty("Nothing after this change is scored yet. The metrics job runs every few minutes.")
            return
        moved_table(found.figures, ("Before", "After"), f"{plain(found.endpoint)} before and after the change")
        st.caption(_about(found))
        page_link(
            "incident",
            "Report of this time",
            "summarize",
            **{"range": "Custom", "from": _minute(found.before_start), "to": _minute(found.after_end)},
        )


def moved_table(figures: Sequence[FigureMoved], sides: tuple[str, str], alt: str) -> None:
    """Figures of two stretches of time: both values with n, the difference with its interval, and a plain word."""
    table(
        {
            "Figure": [f"**{found.figure.title}**  \n:small[:gray[{plain(found.figure.unit)}]]" for found in figures],
            sides[0]: [value(found, "before") for found in figures],
            sides[1]: [value(found, "after") for found in figures],
            "Difference": [difference(found) for found in figures],
            "So it is": [verdict(found) for found in figures],
        },
        alt=alt,
    )


def value(found: FigureMoved, side: str) -> str:
    """A figure of one side with its n, in Markdown."""
    n = found.moved.n_before if side == "before" else found.moved.n_after
    shown = found.moved.before if side == "before" else found.moved.after
    return f"{number(shown, found.figure.decimals)}  \n:small[:gray[n {number(n)}]]" if n else NOTHING


def difference(found: FigureMoved) -> str:
    """The difference with its 95 % interval, in Markdown."""
    digits, moved = found.figure.decimals, found.moved
    if moved.low is None or moved.high is None:
        return signed(moved.difference, digits)
    interval = f"{signed(moved.low, digits)} to {signed(moved.high, digits)}"
    return f"{signed(moved.difference, digits)}  \n:small[:gray[{interval}]]"


def verdict(found: FigureMoved) -> str:
    """The plain word, in its colour."""
    word = found.verdict
    return f":{COLORS[word]}[**{word}**]" if word in COLORS else f":gray[{word}]"


def _about(found: ChangeEffects) -> str:
    """What is compared with what, and what to be careful about."""
    whole = (found.before_end - found.before_start).total_seconds()
    so_far = (found.after_end - found.after_start).total_seconds()
    sentences = [
        f"{duration(whole)} before ({_span(found.before_start, found.before_end)}) and {duration(so_far)} after "
        f"({_span(found.after_start, found.after_end)}) on {plain(found.endpoint)}; the minutes of the change are left "
        "out.",
        "" if found.over else f"The time after is not over: {duration(so_far)} of {duration(whole)} are scored so far.",
        f"{plural(found.others, 'other change')} fell into this time, so the difference is not of this one alone."
        if found.others
        else "",
        "Differences are after minus before, with 95 % intervals; one in twenty is clear by chance, and the time of "
        "day plays its part.",
    ]
    scorers = sorted({moved.scorer for moved in found.figures if moved.scorer})
    return " ".join([*(one for one in sentences if one), f"Scored by {plain(', '.join(scorers))}." if scorers else ""])


def _span(start: datetime, end: datetime) -> str:
    first, last = local(start), local(end)
    day = "" if first is None or last is None or first.date() == last.date() else f"{last:%d %b} "
    return f"{first:%d %b %H:%M} to {day}{last:%H:%M}"


def _minute(time: datetime) -> str:
    return f"{local(time):%Y-%m-%dT%H:%M}"
