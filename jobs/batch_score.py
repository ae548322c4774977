"""Answer every row of a Delta table with the production version: once, exactly, and again from where a run was cut off.

The version with the alias `@champion` is loaded into this process, so that a batch takes nothing from the people whom
the endpoint serves. Answers are appended to `batch_scores` with the position that they reach, in one commit. With
`--follow` the run goes on with what further commits of the table bring, until it is ended.
"""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from jobs.batch_rows import BatchRow, Columns, columns_of, windows
from jobs.candidate import Candidate
from jobs.errors import JobError, failures_written_down
from jobs.evaluated_version import input_names
from jobs.one_at_a_time import one_at_a_time
from lakehouse.appends import FINISHED, append_once, from_records, position
from lakehouse.crash_points import crash_point
from lakehouse.errors import HistoryGone, LakehouseError, RowsMixed
from lakehouse.pipeline_tables import BATCH_SCORES
from lakehouse.runs import finish_run, start_run
from lakehouse.status import write_status
from lakehouse.store import open_table, read_rows
from lakehouse.table_source import TableSource
from registry.errors import RegistryError
from registry.versions import CHAMPION, ModelVersion, find
from settings import Settings, get_settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

COMMIT_ROWS = 200
COMMIT_SECONDS = 20.0
"""Answers are committed after so many, or after so long, whichever comes first: a kill loses no more than that."""
FOLLOW_SECONDS = 2.0
"""How often `--follow` looks for further commits."""
_LONGEST_PAUSE_SECONDS = 300.0
"""How long `--follow` waits at most after a run that failed; each failure in a row doubles the pause."""
_STATUS_SECONDS = 1.0
_FORESEEN = (LakehouseError, JobError, RegistryError)


@dataclass(frozen=True)
class Wanted:
    """What is to be answered: the address of a table, its columns, and how many rows at most (None: all)."""

    source: str
    prompt_column: str = ""
    id_column: str = ""
    limit: int | None = None
    from_present_rows: bool = False


@dataclass
class Progress:
    """What a run has done, in the columns of `job_runs`: answered, not answered, known before, still waiting."""

    from_version: int | None = None
    to_version: int | None = None
    rows_read: int = 0
    rows_scored: int = 0
    rows_unscored: int = 0
    rows_duplicate: int = 0
    rows_waiting: int = 0

    def sentence(self) -> str:
        """What the run did, for the command line."""
        return (
            f"Answered {self.rows_scored:,} rows, {self.rows_unscored:,} without an answer, left out "
            f"{self.rows_duplicate:,} that were known; {self.rows_waiting:,} rows are waiting."
        )


class Champion:
    """The production version, loaded when it is first asked and anew when another one has become the champion."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._candidate: Candidate | None = None
        self.version: ModelVersion | None = None

    def load(self) -> None:
        """Have the version that is the champion now. Raises: JobError, if there is none or it does not start."""
        live = find(self._settings, self._settings.prod_model, CHAMPION)
        if live is None:
            raise JobError(f"{self._settings.prod_model} has no @champion to answer with: promote a version first.")
        if self.version is not None and self.version.version == live.version:
            return
        try:
            self._candidate = Candidate.load(self._settings, live, input_names(live))
        except Exception as error:  # Whatever a model raises while it loads is said with the model's name.
            raise JobError(
                f"{live.name} version {live.version} does not start: {type(error).__name__}. Load it by "
                "hand to see more, or roll back."
            ) from error
        self.version = live

    def answer(self, row: BatchRow, source_table_id: str, source_version: int) -> dict[str, Any]:
        """A row of `batch_scores`. An error of the model's is the row's, and quotes nobody."""
        if self._candidate is None or self.version is None:
            raise JobError("The version that answers was not loaded.")
        given = self._candidate.ask_question(row.prompt) if row.prompt else None
        return {
            "row_id": row.row_id,
            "source_table_id": source_table_id,
            "source_version": source_version,
            "prompt": row.prompt,
            "answer": given.text if given else None,
            "error": (given.problem or None) if given else "The row has no prompt.",
            "entity_name": self.version.name,
            "entity_version": self.version.version,
            "seconds": given.seconds if given else None,
            "answered_at": datetime.now(UTC),
        }


def batch_score(
    settings: Settings, wanted: Wanted, champion: Champion | None = None, stopping: Sequence[bool] = ()
) -> Progress:
    """Answer what is new in a table, at most `wanted.limit` rows. The run stands in `job_runs`.

    Once `stopping` holds anything, what was answered is committed where a bucket ends, and the run ends.

    Raises: LakehouseError, JobError or RegistryError, after writing it down.
    """
    run_id = start_run(settings, "batch-score", "command")
    run = _Run(settings, wanted, champion or Champion(settings), stopping)
    with failures_written_down(lambda error: run.finish(run_id, "failed", error), _FORESEEN):
        run.work()
    run.finish(run_id, "succeeded")
    return run.progress


@dataclass
class _Run:
    """The working state of one run."""

    settings: Settings
    wanted: Wanted
    champion: Champion
    stopping: Sequence[bool] = ()
    progress: Progress = field(default_factory=Progress)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    since: float = 0.0
    status_written: float = 0.0

    def work(self) -> None:
        with _way_out_of_lost_history():
            source = TableSource(self.settings, self.wanted.source, "batch-score")
        columns = columns_of(source.schema, self.wanted.prompt_column, self.wanted.id_column)
        self.start_anew(source)
        app_id = f"batch-score:{source.table_id}"
        done = position(open_table(self.settings, BATCH_SCORES.name), app_id)
        with _way_out_of_lost_history():
            units = source.units_after(done)
        progress = self.progress
        progress.from_version, progress.rows_waiting = done[0] if done else None, sum(unit.rows for unit in units)
        if not units:
            return
        self.champion.load()
        for unit in units:
            behind = done[1] if done is not None and done[0] == unit.version else -1
            with _way_out_of_lost_history():
                for rows, end in windows(source, unit, columns, behind):
                    last = end == FINISHED
                    if not self.answer_window(rows, source, columns, app_id, unit.version, last):
                        return
            progress.to_version = unit.version

    def start_anew(self, source: TableSource) -> None:
        if not self.wanted.from_present_rows:
            return
        if not self.wanted.id_column:
            raise JobError(
                "To begin again from the present rows takes --id-column: without ids nobody can tell which rows were "
                "answered before."
            )
        source.start_from_present_rows()

    def answer_window(
        self, rows: list[BatchRow], source: TableSource, columns: Columns, app_id: str, version: int, last: bool
    ) -> bool:
        """Answer rows in the order of their buckets, committing on the way. Returns False where no more are wanted.

        The last window of a unit also advances the position to the unit's end.
        """
        new = self.new_rows(rows, source.table_id) if columns.row_id else rows
        known = len(rows) - len(new)
        self.progress.rows_duplicate += known
        self.progress.rows_waiting -= known
        self.since = time.monotonic()
        for number, row in enumerate(new):
            ends_bucket = number + 1 == len(new) or new[number + 1].bucket != row.bucket
            self.waiting.append(self.champion.answer(row, source.table_id, version))
            crash_point("answer")
            self.tell()
            full = len(self.waiting) >= COMMIT_ROWS or time.monotonic() - self.since >= COMMIT_SECONDS
            enough = bool(self.stopping) or self.limit_is_reached()
            if ends_bucket and (full or enough):
                self.commit(app_id, version, row.bucket)
            if ends_bucket and enough:
                return False
        if last or self.waiting:
            self.commit(app_id, version, FINISHED if last else new[-1].bucket)
        return True

    def limit_is_reached(self) -> bool:
        return self.wanted.limit is not None and self.answered() >= self.wanted.limit

    def answered(self) -> int:
        return self.progress.rows_scored + self.progress.rows_unscored + len(self.waiting)

    def new_rows(self, rows: list[BatchRow], source_table_id: str) -> list[BatchRow]:
        """Rows whose id was not answered yet, the first of each."""
        table: DeltaTable = open_table(self.settings, BATCH_SCORES.name)
        ids = list({row.row_id for row in rows})
        mine = (pc.field("source_table_id") == source_table_id) & pc.field("row_id").isin(ids)
        seen = set(read_rows(table, ["row_id"], mine)["row_id"].to_pylist())
        new = []
        for row in rows:
            if row.row_id not in seen:
                seen.add(row.row_id)
                new.append(row)
        return new

    def commit(self, app_id: str, version: int, chunk: int) -> None:
        """Append what was answered together with the position that it reaches.

        Raises: AlreadyCommitted or CommitConflict, if another machine answers the same table.
        """
        table = open_table(self.settings, BATCH_SCORES.name)
        rows = from_records(self.waiting, BATCH_SCORES.schema)
        append_once(table, rows, app_id=app_id, source_version=version, chunk=chunk)
        crash_point("append")
        progress = self.progress
        without = sum(row["answer"] is None for row in self.waiting)
        progress.rows_read += len(self.waiting)
        progress.rows_unscored += without
        progress.rows_scored += len(self.waiting) - without
        progress.rows_waiting = max(progress.rows_waiting - len(self.waiting), 0)
        self.waiting, self.since = [], time.monotonic()

    def tell(self) -> None:
        if time.monotonic() - self.status_written >= _STATUS_SECONDS:
            self.status_written = time.monotonic()
            write_status(self.settings, "batch-score", {"state": "running", "rows_answered": self.answered()})

    def finish(self, run_id: str, state: str, error: str | None = None) -> None:
        progress = self.progress
        progress.rows_read += progress.rows_duplicate
        finish_run(self.settings, run_id, state, error=error, **vars(progress))
        write_status(self.settings, "batch-score", {"state": state, "rows_answered": self.answered(), "error": error})


@contextmanager
def _way_out_of_lost_history() -> Iterator[None]:
    """Adds to an error about history that is gone what a person can do."""
    try:
        yield
    except (HistoryGone, RowsMixed) as error:
        raise type(error)(f"{str(error).rstrip('.')}: add --from-present-rows and --id-column.") from error


def follow(settings: Settings, wanted: Wanted, stopping: Sequence[bool]) -> Iterator[Progress]:
    """Answer what is new again and again, until `stopping` holds anything. Yields what each run with rows did.

    A run is only begun, and written down, when the table has a version that was not looked at yet, or the one before
    failed. Raises: LakehouseError, JobError or RegistryError, if the first run fails; later ones are tried again.
    """
    champion, seen, failed = Champion(settings), -1, 0
    while not stopping:
        try:
            version = TableSource(settings, wanted.source, "batch-score").version
            progress = batch_score(settings, wanted, champion, stopping) if version != seen else None
        except _FORESEEN as error:
            if seen < 0:
                raise  # What it was given is wrong, and somebody is there who can read it.
            failed += 1
            print(f"{str(error).rstrip('.')}. It is tried again.", file=sys.stderr, flush=True)
            _wait(min(FOLLOW_SECONDS * 2**failed, _LONGEST_PAUSE_SECONDS), stopping)
            continue
        failed = 0
        if progress is None:
            _wait(FOLLOW_SECONDS, stopping)
            continue
        # What was begun again is not begun again by every commit.
        seen, wanted = version, replace(wanted, from_present_rows=False)
        if progress.rows_read:
            yield progress


def _wait(seconds: float, stopping: Sequence[bool]) -> None:
    """A signal's handler cuts no sleep short: short ones, then."""
    until = time.monotonic() + seconds
    while not stopping and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, FOLLOW_SECONDS))


def main(arguments: list[str]) -> int:
    """`python -m jobs batch-score SOURCE [--prompt-column NAME] [--id-column NAME] [--limit N] [--follow]`."""
    parser = ArgumentParser(prog="python -m jobs batch-score", description="Answer every row of a Delta table.")
    parser.add_argument("source", help="folder or address of the table (s3://, abfss://, gs://, uc://catalog.schema.t)")
    parser.add_argument("--prompt-column", default="", help="the column with the questions (default: prompt, …)")
    parser.add_argument("--id-column", default="", help="the column that tells rows apart (default: all of them)")
    parser.add_argument("--limit", type=_positive, default=None, help="answer at most so many rows, drawn at random")
    parser.add_argument("--follow", action="store_true", help="go on with what further commits bring")
    parser.add_argument(
        "--from-present-rows", action="store_true", help="begin again where the table's history is gone"
    )
    given = parser.parse_args(arguments)
    settings = get_settings()
    wanted = Wanted(given.source, given.prompt_column, given.id_column, given.limit, given.from_present_rows)
    with one_at_a_time(settings, "batch-score", 0):
        if not given.follow:
            print(batch_score(settings, wanted).sentence())
            return 0
        stopping: list[bool] = []

        def stop(number: int, frame: FrameType | None) -> None:
            stopping.append(True)
            signal.signal(number, signal.default_int_handler)  # The second time it ends at once.

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        for progress in follow(settings, wanted, stopping):
            print(progress.sentence(), flush=True)
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no number of rows: give 1 or more")
    return int(text)
