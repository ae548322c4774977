"""`python -m jobs prepare`: make the model files that scoring needs, once, so that no run ever has to.

What a package carries is converted; what must be downloaded is asked for with a short time-out. Where detoxify's
weights cannot be had, a keyword-like fallback takes their place, and every score says so by its scorer's name.
"""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from jobs.one_at_a_time import one_at_a_time
from settings import Settings, get_settings

PERPLEXITY_OFF = "none"
"""The value of `perplexity_model` that leaves perplexity out; its rows carry the reason."""


def perplexity_folder(settings: Settings) -> Path:
    """Where the prepared perplexity model stands."""
    return settings.models_folder / "perplexity"


def toxicity_folder(settings: Settings) -> Path:
    """Where the prepared toxicity model stands."""
    return settings.models_folder / "toxicity"


def prepared(settings: Settings) -> bool:
    """Whether the metrics job finds every model that the settings name."""
    from metrics.engines.prepared_folder import is_prepared

    ready: bool = is_prepared(toxicity_folder(settings), settings.toxicity_model)
    if settings.perplexity_model != PERPLEXITY_OFF:
        ready = ready and is_prepared(
            perplexity_folder(settings), settings.perplexity_model, settings.perplexity_precision
        )
    return ready


def prepare(settings: Settings) -> list[str]:
    """Make what is missing. Whole or not at all: a folder gets its new content at once.

    Returns: a clause for each model that says what it is, and what it stands in for.
    Raises: EngineError, if a model cannot be made.
    """
    from metrics.engines.preparation import prepare_perplexity, prepare_toxicity

    with one_at_a_time(settings, "prepare", float("inf")):
        clauses = []
        if settings.perplexity_model != PERPLEXITY_OFF:
            about = prepare_perplexity(
                settings.perplexity_model, perplexity_folder(settings), _say, settings.perplexity_precision
            )
            clauses.append(f"perplexity by {about['model']}")
        about = prepare_toxicity(settings.toxicity_model, settings.detoxify_checkpoint, toxicity_folder(settings), _say)
        clauses.append(_toxicity_clause(about))
    return clauses


def _toxicity_clause(about: dict[str, Any]) -> str:
    if about.get("fallback_because"):
        return f"toxicity by a keyword-like classifier, because detoxify could not be had ({about['fallback_because']})"
    return f"toxicity by {about['variant']}"


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """`python -m jobs prepare`. Takes no argument."""
    ArgumentParser(prog="python -m jobs prepare", description=__doc__).parse_args(arguments)
    settings = get_settings()
    started = time.monotonic()
    models = prepare(settings)
    print(f"Ready after {time.monotonic() - started:.0f} s: {'; '.join(models)}.")
    return 0
