"""The demo's good and its inventing version, evaluated for the promotion gate when the workspace is ready."""

from jobs.errors import JobError
from jobs.evaluate import evaluate
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.errors import LakehouseError
from metrics.engines.errors import EngineError
from registry.errors import RegistryError
from registry.verdict import verdict
from registry.versions import versions
from settings import Settings

ASKING_SECONDS = {"retrieval-threshold": 20.0, "generative": 25.0}
"""Kind of version → how long it is asked. The small language model takes over a second for an answer, and the whole
must stay under a minute: it gets as many questions as fit."""


def evaluate_demo(settings: Settings) -> None:
    """Evaluate both versions and print what the gate says, or what went wrong: the demo is built already."""
    loaded: list[ScoringTools] = []

    def load_once(settings: Settings) -> ScoringTools:
        if not loaded:
            loaded.append(load_scoring_tools(settings))
        return loaded[0]

    try:
        for version in sorted(versions(settings, settings.test_model), key=lambda version: int(version.version)):
            kind = version.tags.get("kind", "")
            if kind in ASKING_SECONDS:
                evaluate(settings, version.version, trigger="demo", asking_seconds=ASKING_SECONDS[kind], load=load_once)
                passed = verdict(settings, version.version).passed
                print(
                    f"Version {version.version} ({kind}) {'passes' if passed else 'is stopped by'} the gate.",
                    flush=True,
                )
    except (JobError, LakehouseError, RegistryError, EngineError) as error:
        print(f"The demo's versions could not be evaluated: {error}", flush=True)
