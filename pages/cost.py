"""Cost: what the answers cost: by version, requester and day, and what the month will come to."""

from dashboard import widgets

widgets.header(
    "Cost", "What the answers cost: by version, requester and day, and what the month will come to.", dated=True
)
widgets.empty("No request has been scored yet.")
