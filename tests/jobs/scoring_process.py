"""`python -m tests.jobs.scoring_process HOME`: a real run of the metrics job in its own process, with cheap scorers."""

import sys
from pathlib import Path

from jobs import chunking
from jobs.score import run_score
from jobs.scorers import ScoringTools
from metrics.scoring import Scorers
from settings import Settings

if __name__ == "__main__":
    # Small pieces and groups, so that a small table has a second and a third of everything.
    chunking.FIRST_PIECE_ROWS = chunking.LARGEST_PIECE_ROWS = 5
    chunking.GROUP_ROWS = 12
    run_score(Settings(home=Path(sys.argv[1])), once=True, load=lambda _: ScoringTools(Scorers()))
