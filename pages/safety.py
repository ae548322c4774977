"""Safety: prompts against toxicity, what was flagged, and what the model answered to it."""

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

flags = None
with widgets.guarded("Flags"):
    flags = safety.flags(endpoint, period, threshold)
if flags is not None and not (flags.total.prompts.n or flags.total.answers.n):
    widgets.empty("No prompt or answer was scored in this time. A longer range may help.")
elif flags is not None:
    panels.scorer_line(flags, threshold)
    queue = scored = None
    with widgets.guarded("Flagged requests"):
        scored = safety_rows.scored_requests(endpoint, period, threshold, flags)
        queue = safety_flags.triage(endpoint, period, threshold, flags)
        panels.part_line(period, scored)
        triage.figures(queue, safety_flags.precision(endpoint, threshold, flags.scorer))
    if queue is not None and scored is not None:
        about = f"Every scored request of the {chosen.label}: when it came, and how toxic its prompt reads, 0 to 1."
        with widgets.panel("Prompts against toxicity", about):
            panels.points(endpoint, period, queue, scored, flags.scorer, threshold)
    with widgets.panel("Flags over time", f"Prompts and answers of a toxicity of at least {threshold:g}."):
        panels.over_time(endpoint, period, flags, threshold)
    if queue is not None and scored is not None:
        with widgets.panel(
            "Flags to decide", "Confirm or dismiss what was flagged; a later decision replaces an earlier."
        ):
            triage.queue(endpoint, queue, flags.scorer, threshold)
        with widgets.panel("Most toxic prompts", "Toxicity 0 to 1. Words are masked until somebody reveals them."):
            safety_words.top_prompts(endpoint, queue.rows, threshold)
        with widgets.panel("Answers to toxic prompts", "Toxicity of the answers, 0 to 1, by what was asked."):
            compared = safety_answers.answers_to_toxic_prompts(scored, threshold)
            safety_breakdown.answers(compared, threshold, scored.one_in > 1)
    with st.grid(2, min_column_width=420):
        with widgets.panel("By version", "Share of flagged prompts and answers, %, with 95 % Wilson intervals."):
            safety_breakdown.by_version(endpoint, period, flags, threshold)
        with widgets.panel("By requester", "Share of flagged prompts, %, with 95 % Wilson intervals."):
            requesters = safety.flags_by_requester(endpoint, period, threshold, flags.scorer)
            safety_breakdown.by_requester(endpoint, requesters, threshold)
