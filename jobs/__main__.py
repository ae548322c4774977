"""`python -m jobs NAME …`: finds the job and runs it. Nothing heavy is imported before the job is known."""

import importlib
import sys

from jobs.light_start import leave_out_pandas

JOBS: dict[str, tuple[str, str]] = {
    "up": ("jobs.up", "start and supervise everything that `make run` shows"),
    "demo": ("jobs.demo", "build the demo workspace (--small: a quick one)"),
    "trickle": ("jobs.trickle", "ask the demo endpoint a question now and then"),
    "prepare": ("jobs.prepare", "make the model files that scoring needs, once"),
    "score": ("jobs.score", "one run of the metrics job (--once: until no row is left)"),
    "rescore": ("jobs.rescore", "give requests the scores that a sample left out, or another scorer's"),
    "drift": ("jobs.drift", "bring the profile and drift tables up to date and judge what has drifted"),
    "alerts": ("jobs.alerts", "look at the rules of the alerts and tell people (--once; --dry-run: the past month)"),
    "schedule": ("jobs.schedule", "run the metrics job every few minutes and what people ask for at once"),
    "watch": ("jobs.watch", "canary ramps, the guard and changes from outside (--once: look once, do what is due)"),
    "import-payload": ("jobs.import_payload", "bring a chat log into the inference table as a version's traffic"),
    "features": ("jobs.features", "refresh the chatbot's feature table from the handbook"),
    "train": ("jobs.train", "train the chatbot and register a version"),
    "evaluate": ("jobs.evaluate", "evaluate a version of the test model for the promotion gate"),
    "retrain": ("jobs.retrain", "refresh the features, train, evaluate, make it challenger (--dry-run: only say so)"),
    "batch-score": ("jobs.batch_score", "answer every row of a Delta table with the production version (--follow)"),
    "figures": ("jobs.figures", "write and print the figures for Prometheus (metrics/lakehelm.prom)"),
    "compact": ("jobs.compact", "merge the small files of the tables and clean up"),
    "docs": ("jobs.docs", "generate docs/settings.md and docs/tables.md"),
}
"""Name → (module with `main(arguments) -> exit status`, one line of help)."""

WITHOUT_ARGUMENTS = frozenset({"up", "trickle", "docs"})
STARTED_OFTEN = frozenset({"score", "schedule", "compact", "watch", "drift", "alerts", "figures"})
"""Jobs that must start fast and never make a DataFrame."""

_BAD_COMMAND = 2
_INTERRUPTED = 130


def help_text() -> str:
    """What `--help` prints: every job with a line."""
    width = max(len(name) for name in JOBS)
    lines = [f"  {name.ljust(width)}  {line}" for name, (_, line) in JOBS.items()]
    return "\n".join(["python -m jobs NAME [--help]", "", *lines])


def main(arguments: list[str]) -> int:
    """Run the job that the first argument names. Returns the exit status: 0, 1 (failed), 2 (no such job)."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(help_text())
        return 0 if arguments else _BAD_COMMAND
    name, *rest = arguments
    if name not in JOBS:
        print(f"There is no job called {name!r}; the jobs are {', '.join(JOBS)}.", file=sys.stderr)
        return _BAD_COMMAND
    if name in WITHOUT_ARGUMENTS and rest:
        print(f"python -m jobs {name}: {JOBS[name][1]}. It takes no argument.")
        return 0 if rest[0] in {"-h", "--help"} else _BAD_COMMAND
    if name in STARTED_OFTEN:
        leave_out_pandas()
    try:
        module = importlib.import_module(JOBS[name][0])
        return int(module.main(rest))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        if not _is_for_people(error):
            raise
        print(error, file=sys.stderr)
        return 1


def _is_for_people(error: Exception) -> bool:
    """Whether the error's message is one of our sentences, so that no traceback is needed."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from jobs.errors import JobError
    from lakehouse.errors import LakehouseError

    if isinstance(error, JobError | LakehouseError | ValidationError | SettingsError):
        return True
    # Rooms that were never imported cannot have raised their errors.
    for room, base in (
        ("serving.errors", "ServingError"),
        ("registry.errors", "RegistryError"),
        ("metrics.engines.errors", "EngineError"),
    ):
        module = sys.modules.get(room)
        if module is not None and isinstance(error, getattr(module, base, ())):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
