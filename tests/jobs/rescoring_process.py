"""`python -m tests.jobs.rescoring_process HOME`: a real run of `rescore` in its own process, with cheap scorers."""

import sys
from pathlib import Path

from jobs import chunking, later_scores, missing_scores
from jobs.rescore import Asked, run_rescore
from settings import Settings
from tests.jobs.sampled_requests import load

STAGES = (
    "load_models",
    "find",
    "read",
    "look_up",
    "score",
    "append",
    "remember",
    "roll_up_metrics_minute",
    "roll_up_metrics_15min",
    "roll_up_metrics_hour",
    "roll_up",
)
"""The boundaries of a run, each named by the stage that was just done."""

if __name__ == "__main__":
    # Small parts, groups and pieces, so that a small table has a second and a third of everything.
    missing_scores.ROWS_AT_ONCE = 30
    later_scores.TEXTS_AT_ONCE = 12
    chunking.FIRST_PIECE_ROWS = chunking.LARGEST_PIECE_ROWS = 5
    run_rescore(Settings(home=Path(sys.argv[1])), Asked(), load=load)
