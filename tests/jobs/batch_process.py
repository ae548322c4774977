"""`python -m tests.jobs.batch_process HOME SOURCE [ID COLUMN]`: a batch in its own process, three rows a commit."""

import sys
from pathlib import Path

from jobs import batch_rows, batch_score
from settings import Settings

if __name__ == "__main__":
    home, source, *more = sys.argv[1:]
    batch_score.COMMIT_ROWS = 3
    batch_rows.ROWS_AT_ONCE = 8
    wanted = batch_score.Wanted(source, id_column=more[0] if more else "")
    # The lake is that of LAKEHELM_LAKE_URI.
    print(batch_score.batch_score(Settings(home=Path(home)), wanted).sentence())
