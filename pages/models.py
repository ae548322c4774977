"""Models: Every registered model in test and production, and its versions."""

from dashboard import widgets

widgets.header("Models", "Every registered model in test and production, and its versions.")
