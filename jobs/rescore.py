"""`python -m jobs rescore`: scores that a sample left out, that failed for want of a model, or by another scorer.

The scores go to `request_scores`, chunk by chunk: a day's requests of a range of hash buckets. A request that had no
value by the scorer counts once from then on, and in the same commit a value that stood for 1/p requests of the sample
gets the correction 1 - 1/p. So the weighted sums are right after every commit, however far a run gets: which bucket a
request is in has nothing to do with whether the sample took it.

What was committed is not missing any more, so a run that was killed is simply run again, and adds nothing twice. A
rival on another machine makes the commit fail; then what is missing is looked up anew.
"""

import math
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.chunking import PieceSize
from jobs.errors import JobError, failures_written_down
from jobs.later_scores import LaterScores, groups, inference_rows, later_scores, with_texts
from jobs.missing_scores import Part, Wanted, metrics_of, missing_scores, parts
from jobs.one_at_a_time import one_at_a_time
from jobs.rollups import roll_up
from jobs.score import COMMIT_SECONDS, TIMES_TO_YIELD, Progress
from jobs.score_cache import ScoreCache
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.appends import append_once
from lakehouse.errors import AlreadyCommitted, CommitConflict, LakehouseError
from lakehouse.runs import finish_run, start_run
from lakehouse.store import open_table, table_id
from lakehouse.tables import REQUEST_METRICS, REQUEST_SCORES
from metrics.engines.errors import EngineError
from metrics.readability import SCORER as READABILITY_SCORER
from metrics.text_keys import text_keys
from metrics.text_scores import Scorers
from settings import Settings, get_settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

KINDS = ("perplexity", "toxicity", "readability")
"""What can be asked for: each is the scores by one scorer."""


@dataclass(frozen=True)
class Asked:
    """What a person asks for: which of `KINDS` (all where empty), for the requests of a time, endpoint and version."""

    kind: str = ""
    start: datetime | None = None
    end: datetime | None = None
    endpoint: str = ""
    version: str = ""


class RescoreProgress(Progress):
    """What a run has done so far, in the columns of `job_runs`; `rows_read` are requests that lacked a score."""

    def add(self, found: LaterScores) -> None:
        """Count what is committed."""
        self.rows_read += found.requests
        self.rows_scored += found.scored
        self.rows_unscored += found.requests - found.scored
        self.unscored_reasons.update(found.reasons)

    def sentence(self) -> str:
        """What the run did, for the command line."""
        seconds = sum(self.stage_seconds.values())
        return (
            f"Scored {self.rows_scored:,} requests that lacked a score in {seconds:.1f} s; {self.rows_unscored:,} have "
            f"none still.{' The time is over: run it again for the rest.' if self.rows_waiting else ''}"
        )


def run_rescore(
    settings: Settings,
    asked: Asked,
    seconds: float = math.inf,
    trigger: str = "command",
    request_id: str = "",
    load: Callable[[Settings], ScoringTools] = load_scoring_tools,
) -> RescoreProgress:
    """Give every request that was asked for the scores that it lacks, the newest day first, for at most `seconds`.

    The run stands in `job_runs`, also when it fails. Scoring of new requests may go on meanwhile.
    Raises: LakehouseError, JobError or EngineError with one sentence, after writing it down. StillAtWork, if another
    process of the workspace rescores.
    """
    with one_at_a_time(settings, "rescore", 0):
        run_id = start_run(settings, "rescore", trigger, request_id)
        progress, deadline = RescoreProgress(), time.monotonic() + seconds

        def failed(sentence: str) -> None:
            finish_run(settings, run_id, "failed", error=sentence, **progress.columns())

        with failures_written_down(failed, (LakehouseError, JobError, EngineError)):
            with progress.stage("load_models"):
                tools = load(settings)
            # The language is looked at for each kind: it says what cannot be scored.
            kinds = {asked.kind} if asked.kind else set(KINDS)
            tools = replace(tools, scorers=tools.scorers.only(kinds))
            known = ScoreCache(settings, tools.scorers)
            _Run(settings, _wanted(asked, tools.scorers), tools, deadline, progress, known).work()
        finish_run(settings, run_id, "succeeded", **progress.columns())
        return progress


@dataclass
class _Run:
    """The working state of one run."""

    settings: Settings
    wanted: Wanted
    tools: ScoringTools
    deadline: float
    progress: RescoreProgress
    known: ScoreCache
    piece_size: PieceSize = field(default_factory=PieceSize)
    got_on: bool = False

    def work(self) -> None:
        """Fill in what is missing; look again where a rival on another machine was faster."""
        for rivals in range(TIMES_TO_YIELD + 1):
            try:
                self.fill_in()
                return
            except (CommitConflict, AlreadyCommitted):
                # Nothing of this chunk was written; what the rival committed is not missing any more.
                if rivals == TIMES_TO_YIELD:
                    raise

    def fill_in(self) -> None:
        request_metrics = open_table(self.settings, REQUEST_METRICS.name)
        app_id = f"rescore:{table_id(request_metrics)}"
        # A run before this one may have been killed before its rollups.
        self.roll_up()
        for part in parts(request_metrics, self.wanted):
            with self.progress.stage("find"):
                target = open_table(self.settings, REQUEST_SCORES.name)
                missing = missing_scores(request_metrics, target, part, self.wanted)
            self.progress.rows_waiting = missing.num_rows
            for group in groups(missing):
                if self.is_late():
                    return
                self.score_group(group, part, target, app_id)

    def score_group(self, group: pa.Table, part: Part, target: "DeltaTable", app_id: str) -> None:
        """Score a group piece by piece, and commit at its end, or on the way when it takes long."""
        with self.progress.stage("read"):
            group = with_texts(self.settings, group, part, self.wanted)
        with self.progress.stage("look_up"):
            unknown = self.known.look_up(text_keys(inference_rows(group, self.wanted)), self.tools.cache)
        with self.progress.stage("load_models"):
            self.tools.load_models(unknown)
        found: list[LaterScores] = []
        start, since = 0, time.monotonic()
        while start < group.num_rows:
            piece, began = group.slice(start, self.piece_size.rows), time.monotonic()
            with self.progress.stage("score"):
                found.append(later_scores(piece, self.wanted, self.tools))
            self.piece_size.took(time.monotonic() - began)
            start += piece.num_rows
            self.progress.rows_waiting -= piece.num_rows
            self.got_on = True
            if start < group.num_rows and not self.is_late() and time.monotonic() - since < COMMIT_SECONDS:
                continue
            self.commit(found, target, app_id)
            if self.is_late():
                return
            found, since = [], time.monotonic()

    def commit(self, found: list[LaterScores], target: "DeltaTable", app_id: str) -> None:
        rows = pa.concat_tables([scores.rows for scores in found])
        if rows.num_rows:
            with self.progress.stage("append"):
                # The table's own version grows with each commit, which is all that a position is needed for here.
                append_once(target, rows, app_id=app_id, source_version=int(target.version()))
        for scores in found:
            self.progress.add(scores)
        if rows.num_rows:
            with self.progress.stage("remember"):
                self.known.remember(self.tools.cache)
            self.roll_up()

    def roll_up(self) -> None:
        with self.progress.stage("roll_up"):
            roll_up(self.settings)

    def is_late(self) -> bool:
        """Whether the time is over; never before something was done, so that every run gets on."""
        return self.got_on and time.monotonic() >= self.deadline


def _wanted(asked: Asked, scorers: Scorers) -> Wanted:
    """Which scorer is to give each metric. Raises JobError, if there is none for what was asked for."""
    names = {
        "perplexity": scorers.perplexity.name if scorers.perplexity else None,
        "toxicity": scorers.toxicity.name if scorers.toxicity else None,
        "readability": READABILITY_SCORER,
    }
    if asked.kind and names[asked.kind] is None:
        raise JobError(f"There is no {asked.kind} model to score with; see LAKEHELM_{asked.kind.upper()}_MODEL.")
    wanted = {
        metric: name
        for kind, name in names.items()
        if name is not None and asked.kind in {"", kind}
        for metric in metrics_of(f"{kind}_scorer")
    }
    return Wanted(wanted, asked.start, asked.end, asked.endpoint, asked.version)


def _time(text: str) -> datetime:
    """A time of the command line: ISO 8601, UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time; write 2026-05-04 or 2026-05-04T12:30") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def main(arguments: list[str]) -> int:
    """`python -m jobs rescore [--from TIME] [--to TIME] [--metric KIND] [--seconds N] [--endpoint …] [--version …]`."""
    settings = get_settings()
    parser = ArgumentParser(prog="python -m jobs rescore", description="Give requests the scores that they lack.")
    parser.add_argument("--from", dest="start", type=_time, metavar="TIME", help="requests made at or after it")
    parser.add_argument("--to", dest="end", type=_time, metavar="TIME", help="requests made before it")
    parser.add_argument("--metric", default="", choices=KINDS, help="only these scores")
    parser.add_argument("--endpoint", default="", metavar="NAME", help="only the requests of this endpoint")
    parser.add_argument("--version", default="", metavar="N", help="only the answers of this model version")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="stop after so many seconds (default: when done)")
    parser.add_argument("--trigger", default="command", choices=["command", "schedule", "request"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    if options.start and options.end and options.start >= options.end:
        parser.error(f"--from ({options.start}) must be before --to ({options.end})")
    # The scheduler runs one job at a time: what somebody asked for on a page must not keep new requests waiting.
    endless = math.inf if options.trigger == "command" else settings.score_budget_seconds
    progress = run_rescore(
        settings,
        Asked(options.metric, options.start, options.end, options.endpoint, options.version),
        options.seconds or endless,
        options.trigger,
        options.request_id,
    )
    print(progress.sentence())
    return 0
