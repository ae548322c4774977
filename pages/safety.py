"""Safety: prompts against toxicity, what was flagged, and what the model answered to it."""

from functools import partial

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import safety as panels
from dashboard.panels import safety_breakdown, safety_words, triage
from dashboard.queries import safety, safety_answers, safety_flags, safety_rows

widgets.header("Safety", "Prompts against toxicity, what was flagged, and what the model answered to it.", dated=True)
time_range.moment_banner()

with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = time_range.time_range_control("24h")
    endpoint = widgets.endpoint_control()
    threshold = panels.threshold_control()
    time_range.moment_control()
period = chosen.period


def over_time(flags: safety.Flags) -> None:
    """How many were flagged, and when."""
    with widgets.panel("Flags over time", f"Prompts and answers of a toxicity of at least {threshold:g}."):
        panels.over_time(endpoint, period, flags, threshold)


def prompts(flags: safety.Flags) -> None:
    """Every prompt, and those that are most toxic."""
    found = safety_flags.triage(endpoint, period, threshold, flags)
    about = f"Every scored request of the {chosen.label}: when it came, and how toxic its prompt reads, 0 to 1."
    with widgets.panel("Prompts against toxicity", about):
        scored = safety_rows.scored_requests(endpoint, period, threshold, flags)
        panels.points(endpoint, period, found, scored, flags.scorer, threshold)
    with widgets.panel("Most toxic prompts", "Toxicity 0 to 1. Words are masked until somebody reveals them."):
        safety_words.top_prompts(endpoint, found, threshold)


def to_decide(flags: safety.Flags) -> None:
    """What waits for a decision."""
    about = "Confirm or dismiss what was flagged; a later decision replaces an earlier."
    with widgets.panel("Flags to decide", about):
        found = safety_flags.triage(endpoint, period, threshold, flags)
        triage.queue(endpoint, found, flags.scorer, threshold)


def answers(flags: safety.Flags) -> None:
    """What was answered to it."""
    with widgets.panel("Answers to toxic prompts", "Toxicity of the answers, 0 to 1, by what was asked."):
        scored = safety_rows.scored_requests(endpoint, period, threshold, flags)
        compared = safety_answers.answers_to_toxic_prompts(scored, threshold)
        safety_breakdown.answers(compared, threshold, scored.one_in > 1)


def who(flags: safety.Flags) -> None:
    """Which versions, and whose requests."""
    with st.grid(2, min_column_width=420):
        with widgets.panel("By version", "Share of flagged prompts and answers, %, with 95 % Wilson intervals."):
            safety_breakdown.by_version(endpoint, period, flags, threshold)
        with widgets.panel("By requester", "Share of flagged prompts, %, with 95 % Wilson intervals."):
            requesters = safety.flags_by_requester(endpoint, period, threshold, flags.scorer)
            safety_breakdown.by_requester(endpoint, requesters, threshold)


PARTS = {"Over time": over_time, "Prompts": prompts, "To decide": to_decide, "Answers": answers, "Who": who}

flags = None
with widgets.guarded("Flags"):
    flags = safety.flags(endpoint, period, threshold)
if flags is not None and not (flags.total.prompts.n or flags.total.answers.n):
    widgets.empty("No prompt or answer was scored in this time. A longer range may help.")
elif flags is not None:
    panels.scorer_line(flags, threshold)
    with widgets.guarded("Flagged requests"):
        panels.part_line(period, safety_rows.scored_requests(endpoint, period, threshold, flags))
        found = safety_flags.triage(endpoint, period, threshold, flags)
        triage.figures(found, safety_flags.precision(endpoint, threshold, flags.scorer))
    widgets.parts({title: partial(draw, flags) for title, draw in PARTS.items()})
