"""The metrics job: every new row of the inference table gets its row in `request_metrics`, exactly once.

One run: find the new commits → read a chunk → drop ids that are known → look up texts that were scored before → score
→ append, in one commit with the position reached → remember the new scores of texts → roll up. A run that is killed
anywhere loses at most the chunk that it was working on.
"""

import time
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.capacity import Capacity
from jobs.chunking import Group, Piece, PieceSize, groups, pieces
from jobs.crash_points import crash_point
from jobs.deduplication import new_rows
from jobs.errors import JobError, StillAtWork, failures_written_down
from jobs.one_at_a_time import one_at_a_time
from jobs.request_times import newest_plausible, with_implausible_times_noted
from jobs.rollups import roll_up
from jobs.score_cache import ScoreCache
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.appends import FINISHED, append_once, conform, position
from lakehouse.errors import AlreadyCommitted, CommitConflict, HistoryGone, LakehouseError, RowsMixed
from lakehouse.inference import InferenceSource, SourceCommit
from lakehouse.runs import finish_run, start_run
from lakehouse.status import write_status
from lakehouse.store import open_table
from lakehouse.tables import REQUEST_METRICS
from metrics.engines.errors import EngineError
from metrics.sampling import LEFT_OUT
from metrics.text_cache import TextCache
from metrics.text_keys import text_keys
from settings import Settings, get_settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

COMMIT_SECONDS = 20.0
"""What was scored is committed after this long, so that a killed run loses little and the pages are up to date."""

TIMES_TO_YIELD = 3
"""How often a run starts again from the new position after a rival's commit on another machine won."""
_STATUS_SECONDS = 1.0
_SCORES = (
    "response_perplexity",
    "prompt_perplexity",
    "response_fk_grade",
    "prompt_fk_grade",
    "response_toxicity",
    "prompt_toxicity",
)


@dataclass
class Progress:
    """What a run has done so far, in the columns of `job_runs`."""

    from_version: int | None = None
    to_version: int | None = None
    rows_read: int = 0
    rows_scored: int = 0
    """Rows that got at least one score; `rows_unscored` got none. Both stand in `request_metrics`."""
    rows_unscored: int = 0
    rows_duplicate: int = 0
    rows_left_out: int = 0
    """Of the rows in `request_metrics` those that are not in the sample; 0 where every row got every score."""
    rows_waiting: int = 0
    unscored_reasons: Counter[str] = field(default_factory=Counter)
    stage_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    newest_request_time: datetime | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of a stage; a test may have the process killed when it is done."""
        started = time.perf_counter()
        yield
        self.stage_seconds[name] += time.perf_counter() - started
        crash_point(name)

    def columns(self) -> dict[str, Any]:
        """The columns of `job_runs`."""
        counters = ("unscored_reasons", "stage_seconds")
        return {**vars(self), **{name: dict(getattr(self, name)) for name in counters}}

    def sentence(self) -> str:
        """What the run did, for the command line."""
        seconds = sum(self.stage_seconds.values())
        new = self.rows_read - self.rows_duplicate
        said = (
            f"Scored {self.rows_scored:,} rows, kept {self.rows_unscored:,} without a score, "
            f"left out {self.rows_duplicate:,} duplicates in {seconds:.1f} s; {self.rows_waiting:,} rows are waiting."
        )
        if not self.rows_left_out:
            return said
        return f"{said} The models scored a random sample of {new - self.rows_left_out:,} of {new:,} rows."


def run_score(
    settings: Settings,
    once: bool = False,
    trigger: str = "command",
    request_id: str = "",
    load: Callable[[Settings], ScoringTools] = load_scoring_tools,
    from_present_rows: bool = False,
) -> Progress:
    """Score what is new, within `settings.score_budget_seconds`; with `once` until no row is left.

    Where the budget is too short for the models to score every row, they score a random sample (`jobs.capacity`). The
    models are loaded by `load`, and only if there is a new row. The run is written to `job_runs` when it starts
    and when it ends, also when it fails. `from_present_rows` gives up on history that is gone and goes on with all rows
    that the inference table has now; those that are known are left out.

    Raises: LakehouseError, JobError or EngineError with one sentence, after writing it down. StillAtWork, if another
    process of the workspace scores: at once for a scheduled run, else after waiting as long as the run may last.
    """
    patience = 0.0 if trigger == "schedule" else float("inf") if once else settings.score_budget_seconds
    with one_at_a_time(settings, "score", patience):
        run_id = start_run(settings, "score", trigger, request_id)
        capacity = Capacity(settings, float("inf") if once else settings.score_budget_seconds)
        return _recorded(_Run(settings, capacity, load, from_present_rows), run_id)


def _recorded(run: "_Run", run_id: str) -> Progress:
    """Do the run, and write down how it ended, whatever happens."""
    settings, progress = run.settings, run.progress
    run.write_status()
    crash_point("start")
    failed = partial(_finish, settings, run_id, "failed", progress)
    with failures_written_down(failed, (LakehouseError, JobError, EngineError)):
        run.work()
    _finish(settings, run_id, "succeeded", progress)
    crash_point("finish")
    return progress


@dataclass
class _Run:
    """The working state of one run."""

    settings: Settings
    capacity: Capacity
    load: Callable[[Settings], ScoringTools]
    from_present_rows: bool = False
    progress: Progress = field(default_factory=Progress)
    piece_size: PieceSize = field(default_factory=PieceSize)
    tools: ScoringTools | None = None
    known: ScoreCache | None = None
    status_written: float = 0.0

    def work(self) -> None:
        """Score what is new; start again from the new position where a rival on another machine was faster."""
        for rivals in range(TIMES_TO_YIELD + 1):
            try:
                self.score_new_rows()
                return
            except (CommitConflict, AlreadyCommitted):
                # Nothing of this piece was written; the rows of the rival's commit are known from now on. The texts
                # of the others must not be: a row that was drawn in vain would be taken for sure the next time.
                self.tools = replace(self.tools, cache=TextCache()) if self.tools else None
                if rivals == TIMES_TO_YIELD:
                    raise

    def score_new_rows(self) -> None:
        progress = self.progress
        with progress.stage("find"), _way_out_of_lost_history():
            source = InferenceSource.open(self.settings)
            target = open_table(self.settings, REQUEST_METRICS.name)
            app_id = f"score:{source.table_id}"
            done = position(target, app_id)
            commits = self.commits(source, done)
        progress.rows_waiting = sum(commit.rows for commit in commits)
        if progress.from_version is None and done is not None:
            progress.from_version = done[0]
        work = groups(source, commits, done)
        # At least one piece is scored however short the budget is, so that every run gets on.
        while progress.to_version is None or not self.capacity.is_used_up(progress.rows_waiting):
            with progress.stage("read"), _way_out_of_lost_history():
                group = next(work, None)
            if group is None:
                break
            self.score_group(group, target, app_id)
            # Not kept while the next one is read.
            del group
        if progress.to_version is None:
            # Nothing was new, but a run before this one may have been killed before its rollups.
            self.roll_up()

    def commits(self, source: InferenceSource, done: tuple[int, int] | None) -> list[SourceCommit]:
        """The commits of which something is left to do, a half-done one first."""
        if self.from_present_rows:
            self.from_present_rows = False
            return [source.start_from_present_rows()]
        if done is None:
            return source.commits_after(None)
        version, chunk = done
        return source.commits_after(version if chunk == FINISHED else version - 1)

    def score_group(self, group: Group, target: "DeltaTable", app_id: str) -> None:
        """Score a group piece by piece, and commit at its end, or on the way when it takes long."""
        progress = self.progress
        with progress.stage("deduplicate"):
            new = new_rows(group.rows, target)
        if new.any():
            self.make_ready(group.rows if new.all() else group.rows.filter(pa.array(new)))
        scored: list[pa.Table] = []
        read, since = 0, time.monotonic()
        self.choose_sample(group.rows_after + group.rows.num_rows)
        for piece in pieces(group, self.piece_size):
            started = time.monotonic()
            with progress.stage("score"):
                scored.append(self.score(group.rows.filter(pa.array(piece.rows & new))))
            self.learn(piece, time.monotonic() - started)
            read += int(piece.rows.sum())
            late = self.capacity.is_used_up(piece.rows_after)
            if not (piece.last or late or time.monotonic() - since >= COMMIT_SECONDS):
                continue
            rows = pa.concat_tables(scored)
            with progress.stage("append"):
                append_once(target, rows, app_id=app_id, source_version=piece.source_version, chunk=piece.number)
            _count(progress, piece, read, rows)
            self.remember()
            self.capacity.remember()
            self.write_status()
            self.roll_up()
            if late:
                return
            scored, read, since = [], 0, time.monotonic()

    def make_ready(self, rows: pa.Table) -> None:
        """Have the tools, what is known of the texts of `rows`, and the models that are asked about the others."""
        progress = self.progress
        if self.tools is None or self.known is None:
            with progress.stage("load_models"):
                tools = self.load(self.settings)
            self.tools = replace(tools, scorers=self.capacity.meter(tools.scorers))
            self.known = ScoreCache(self.settings, tools.scorers)
        with progress.stage("look_up"):
            unknown = self.known.look_up(text_keys(rows), self.tools.cache)
        with progress.stage("load_models"):
            self.tools.load_models(unknown)

    def remember(self) -> None:
        if self.tools is not None and self.known is not None:
            with self.progress.stage("remember"):
                self.known.remember(self.tools.cache)

    def choose_sample(self, rows_waiting: int) -> None:
        self.piece_size.one_in = self.capacity.choose(rows_waiting)
        self.piece_size.most_rows = self.capacity.most_rows()

    def learn(self, piece: Piece, seconds: float) -> None:
        """From how long a piece took: how large the next one is, and how large the sample."""
        self.piece_size.took(seconds)
        self.capacity.learn(int(piece.rows.sum()), seconds)
        self.choose_sample(piece.rows_after)

    def score(self, rows: pa.Table) -> pa.Table:
        tools = self.tools
        if rows.num_rows == 0 or tools is None:
            return REQUEST_METRICS.schema.empty_table()
        from metrics.scoring import score_rows

        now = datetime.now(UTC)
        scored = score_rows(
            rows.drop_columns(["source_version"]),
            tools.scorers,
            tools.prices,
            tools.cache,
            now,
            self.on_progress,
            self.capacity.one_in,
        )
        return with_implausible_times_noted(conform(scored, REQUEST_METRICS.schema), now)

    def roll_up(self) -> None:
        with self.progress.stage("roll_up"):
            roll_up(self.settings)

    def on_progress(self, done: int, total: int) -> None:
        if time.monotonic() - self.status_written >= _STATUS_SECONDS:
            self.write_status(done, total)

    def write_status(self, done: int | None = None, total: int | None = None) -> None:
        progress = self.progress
        self.status_written = time.monotonic()
        write_status(
            self.settings,
            "score",
            {
                "state": "running",
                "rows_done": progress.rows_read,
                "rows_waiting": progress.rows_waiting,
                "texts_done": done,
                "texts_total": total,
            },
        )


@contextmanager
def _way_out_of_lost_history() -> Iterator[None]:
    try:
        yield
    except (HistoryGone, RowsMixed) as error:
        command = "`python -m jobs score --once --from-present-rows`"
        raise type(error)(f"{str(error).rstrip('.')}: {command}.") from error


def _count(progress: Progress, piece: Piece, read: int, scored: pa.Table) -> None:
    """Count rows whose scores are committed, up to the end of `piece`."""
    progress.rows_read += read
    progress.rows_duplicate += read - scored.num_rows
    progress.rows_waiting = piece.rows_after
    progress.to_version = piece.source_version
    has_score = None
    for name in _SCORES:
        there = pc.is_valid(scored[name])
        has_score = there if has_score is None else pc.or_(has_score, there)
    with_score = pc.sum(has_score).as_py() or 0
    progress.rows_scored += with_score
    progress.rows_unscored += scored.num_rows - with_score
    progress.rows_left_out += pc.sum(pc.equal(scored["score_weight"], 0.0)).as_py() or 0
    for pairs in scored["unscored"].to_pylist():
        progress.unscored_reasons.update(f"{metric}: {_kind(reason)}" for metric, reason in pairs or [])
    newest = newest_plausible(scored["request_time"], datetime.now(UTC))
    if newest is not None:
        progress.newest_request_time = max(newest, progress.newest_request_time or newest)


def _kind(reason: str) -> str:
    """The reason without the size of the sample, which may change from piece to piece."""
    return LEFT_OUT if reason.startswith(LEFT_OUT) else reason


def _finish(settings: Settings, run_id: str, state: str, progress: Progress, error: str | None = None) -> None:
    finish_run(settings, run_id, state, error=error, **progress.columns())
    write_status(settings, "score", {"state": state, "rows_waiting": progress.rows_waiting, "error": error})


def main(arguments: list[str]) -> int:
    """`python -m jobs score [--once] [--trigger WORD] [--request-id ID]`."""
    parser = ArgumentParser(prog="python -m jobs score", description="One run of the metrics job.")
    parser.add_argument("--once", action="store_true", help="until no row is left, without a time budget")
    parser.add_argument(
        "--from-present-rows", action="store_true", help="go on with the present rows where history is gone"
    )
    parser.add_argument("--trigger", default="command", choices=["command", "schedule", "request"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    try:
        progress = run_score(
            get_settings(),
            options.once,
            options.trigger,
            options.request_id,
            from_present_rows=options.from_present_rows,
        )
    except StillAtWork as error:
        if options.trigger != "schedule":
            raise
        # The work is being done; the scheduler's run has nothing to add.
        print(error)
        return 0
    print(progress.sentence())
    return 0
