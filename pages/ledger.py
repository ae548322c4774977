"""Ledger: Who changed what, when and why."""

from dashboard import widgets

widgets.header("Ledger", "Who changed what, when and why.")
