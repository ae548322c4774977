"""Endpoints: What an endpoint serves, how it does, and rolling it back."""

from dashboard import widgets

widgets.header("Endpoints", "What an endpoint serves, how it does, and rolling it back.")
