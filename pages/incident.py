"""Incident: a stretch of time in one report: what changed, what moved, which requests, which decisions."""

from dashboard import widgets

widgets.header(
    "Incident",
    "A stretch of time in one report: what changed, what moved, which requests, which decisions.",
    dated=True,
)
widgets.empty("No request has been scored yet.")
