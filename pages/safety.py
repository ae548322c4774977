"""Safety: prompts against toxicity, what was flagged, and what the model answered to it."""

from dashboard import widgets

widgets.header("Safety", "Prompts against toxicity, what was flagged, and what the model answered to it.", dated=True)
widgets.empty("No request has been scored yet.")
