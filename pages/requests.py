"""Requests: find single requests: by time, version, score, status, requester or text."""

from dashboard import widgets

widgets.header("Requests", "Find single requests: by time, version, score, status, requester or text.", dated=True)
widgets.empty("No request has been scored yet.")
