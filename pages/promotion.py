"""Promotion: Evaluate a version, look at the gate, and promote it."""

from dashboard import widgets

widgets.header("Promotion", "Evaluate a version, look at the gate, and promote it.")
