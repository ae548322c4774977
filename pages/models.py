"""Models: every registered model in test and production, its versions, one of them in detail, two side by side."""

from dashboard import widgets
from dashboard.panels import models as panels
from dashboard.panels import version_comparison, version_details
from dashboard.panels.model_words import short
from dashboard.queries import models

widgets.header(
    "Models", "Every registered model in test and production: its versions, where they come from, and what serves them."
)


def models_page() -> None:
    """The versions of both environments, the chosen version, and what it is compared with."""
    with panels.paced(), widgets.guarded("Models"):
        found = panels.registered()
        if found is None:
            return
        model, wanted, compared = panels.choice(found)
        places = panels.places()
        version = models.version(model.name, wanted)
        panels.side_by_side(panels.pair_of(found, model.name), version.value, places.value or [])
        details = panels.details_of(version, f"version {wanted} of {model.name}")
        if details is None:
            return
        name = short(details.version)
        with widgets.panel(name, "What it is, how it was made, what it needs, and the files that it consists of."):
            version_details.details(details, places)
        other = panels.details_to_compare(compared)
        if other is not None:
            with widgets.panel(f"{name} beside {short(other.version)}", "What was measured of both, and what differs."):
                version_comparison.comparison(details, other)


widgets.refreshing(models_page, panels.pace())
