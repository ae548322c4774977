"""`python -m jobs compact`: merge the small files that frequent commits leave, and clean up old ones."""

from argparse import ArgumentParser

from jobs.one_at_a_time import one_at_a_time
from jobs.score_cache_upkeep import tidy_score_cache
from lakehouse.errors import LakehouseError
from lakehouse.image_conversations import erase_left_over
from lakehouse.image_tables import IMAGES
from lakehouse.runs import finish_run, start_run
from lakehouse.score_cache_table import SCORE_CACHE
from lakehouse.store import is_foreign
from lakehouse.tables import TABLES
from lakehouse.upkeep import compact
from settings import Settings, get_settings

WAIT_SECONDS = 60.0


def run_compact(settings: Settings, trigger: str = "command", request_id: str = "") -> list[str]:
    """Compact each of our own tables. One that fails does not keep the others from it.

    Returns: the names of the tables that were looked after.
    Raises: LakehouseError with what failed, after writing it to `job_runs`. StillAtWork.
    """
    with one_at_a_time(settings, "compact", WAIT_SECONDS):
        run_id = start_run(settings, "compact", trigger, request_id)
        done, failures = [], []
        for name in TABLES:
            if is_foreign(settings, name):
                continue
            try:
                if name == SCORE_CACHE.name:
                    tidy_score_cache(settings)
                if name == IMAGES.name:
                    erase_left_over(settings)
                compact(settings, name)
                done.append(name)
            except LakehouseError as error:
                failures.append(str(error))
        if failures:
            message = " ".join(failures)
            finish_run(settings, run_id, "failed", error=message)
            raise LakehouseError(message)
        finish_run(settings, run_id, "succeeded")
        return done


def main(arguments: list[str]) -> int:
    """`python -m jobs compact [--trigger WORD] [--request-id ID]`."""
    parser = ArgumentParser(prog="python -m jobs compact", description=__doc__)
    parser.add_argument("--trigger", default="command", choices=["command", "schedule", "request"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    done = run_compact(get_settings(), options.trigger, options.request_id)
    print(f"{len(done)} tables are compacted and cleaned up.")
    return 0
