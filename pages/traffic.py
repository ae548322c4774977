"""Traffic: how much is asked and answered: requests, tokens, latency and errors over time."""

from dashboard import widgets

widgets.header("Traffic", "How much is asked and answered: requests, tokens, latency and errors over time.", dated=True)
widgets.empty("No request has been scored yet.")
