"""`python -m jobs prepare`: make the model files that scoring needs, once, so that no run ever has to.

What a package carries is converted; what must be downloaded is asked for with a short time-out. Where detoxify's
weights cannot be had, a keyword-like fallback takes their place, and every score says so by its scorer's name.
"""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from jobs.one_at_a_time import one_at_a_time
from settings import Settings, get_settings

PERPLEXITY_OFF = "none"
"""The value of `perplexity_model` that leaves perplexity out; its rows carry the reason."""


def perplexity_folder(settings: Settings) -> Path:
    """Where the prepared perplexity model stands; another model has another folder."""
    return settings.models_folder / f"perplexity-{_folder_name(settings.perplexity_model)}"


def toxicity_folder(settings: Settings) -> Path:
    """Where the prepared toxicity model stands; another model has another folder."""
    return settings.models_folder / f"toxicity-{settings.toxicity_model}"


def prepared(settings: Settings) -> bool:
    """Whether the metrics job finds every model that the settings name."""
    from metrics.engines.preparation import is_prepared

    without = settings.perplexity_model == PERPLEXITY_OFF
    return bool((without or is_prepared(perplexity_folder(settings))) and is_prepared(toxicity_folder(settings)))


def prepare(settings: Settings) -> None:
    """Make what is missing. Whole or not at all: a folder appears under its name when it is complete.

    Raises: EngineError, if the perplexity model cannot be made.
    """
    from metrics.engines.preparation import is_prepared, prepare_perplexity, prepare_toxicity

    with one_at_a_time(settings, "prepare", float("inf")):
        folder = perplexity_folder(settings)
        if settings.perplexity_model != PERPLEXITY_OFF and not is_prepared(folder):
            prepare_perplexity(settings.perplexity_model, folder, _say)
        folder = toxicity_folder(settings)
        if not is_prepared(folder):
            prepare_toxicity(settings.toxicity_model, settings.detoxify_checkpoint, folder, _say)


def _folder_name(model: str) -> str:
    """A file name for a model's name or path: letters, digits, dot and dash, the last 80 of them."""
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in model)[-80:].strip(".-")


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """`python -m jobs prepare`. Takes no argument."""
    ArgumentParser(prog="python -m jobs prepare", description=__doc__).parse_args(arguments)
    settings = get_settings()
    started = time.monotonic()
    prepare(settings)
    print(
        f"The models in {settings.models_folder} are ready after {time.monotonic() - started:.0f} s.", file=sys.stdout
    )
    return 0
