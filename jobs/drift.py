"""`python -m jobs drift`: brings the profile and drift tables up to the newest requests, and has drift judged.

One run: find the windows that have closed and those that late rows fell into → compute them → commit each table with
the position reached. A run that is killed anywhere loses at most the windows that it was working on, and writes none
twice: `jobs.drift_windows` says how a table knows how far it has come.
"""

import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.drift_figures import WindowFigures
from jobs.drift_rows import RequestRows
from jobs.drift_windows import (
    BEGINNING,
    Position,
    Window,
    as_transactions,
    closed_until,
    outdated,
    plan,
    position_of,
    replacing,
)
from jobs.errors import JobError, failures_written_down
from jobs.one_at_a_time import one_at_a_time
from jobs.rollups import rows_by_day
from jobs.score import TIMES_TO_YIELD, Progress
from lakehouse.drift_tables import DRIFT_FINDINGS, DRIFT_METRICS, PROFILE_METRICS
from lakehouse.errors import AlreadyCommitted, CommitConflict, LakehouseError
from lakehouse.replacing import replace_once
from lakehouse.runs import finish_run, start_run
from lakehouse.store import open_table
from lakehouse.tables import REQUEST_METRICS, TABLES
from settings import Settings, get_settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

SECONDS = 120.0
"""After this long a run stops at the next commit; what is left waits for the next run. Only a first run takes long."""
WINDOWS_AT_ONCE = 300
ROWS_AT_ONCE = 400_000
"""Requests of the days whose windows one commit covers: this many are held in memory, and those compared with."""
_IDLE_WINDOWS = 24
"""As long as nobody asks anything there is nothing to write; from so many windows on that is written down."""
_PATIENCE_SECONDS = 60.0
_NOT_IN_JOB_RUNS = ("windows", "windows_waiting", "findings")
FIRST_JUDGED = timedelta(hours=1)
"""How far back drift is judged the first time: nobody wants to be told of last week."""
_TABLES = (PROFILE_METRICS.name, DRIFT_METRICS.name)


@dataclass
class DriftProgress(Progress):
    """What a run has done so far; `rows_read` are the requests of the windows, in each of its windows again."""

    windows: int = 0
    """Windows that were computed and have requests."""
    windows_waiting: int = 0
    findings: int = 0

    def columns(self) -> dict[str, Any]:
        """The columns of `job_runs`."""
        found = super().columns()
        return {name: value for name, value in found.items() if name not in _NOT_IN_JOB_RUNS}

    def sentence(self) -> str:
        """What the run did, for the command line."""
        seconds = sum(self.stage_seconds.values())
        said = f"Computed {self.windows:,} windows and made {self.findings:,} findings in {seconds:.1f} s."
        if self.windows_waiting:
            said += f" {self.windows_waiting:,} wait for the next run."
        for reason, rows in self.unscored_reasons.items():
            said += f" Requests left out: {rows:,} ({reason.partition(': ')[2]})."
        return said


def run_drift(
    settings: Settings,
    now: datetime | None = None,
    trigger: str = "command",
    request_id: str = "",
    seconds: float = SECONDS,
    until: datetime | None = None,
) -> DriftProgress:
    """Bring the tables up to date, for about `seconds` at most.

    until: windows that end at or before it are closed; by default what `closed_until` says at the time `now`.
    The run stands in `job_runs`, also when it fails.
    Raises: LakehouseError or JobError with one sentence, after writing it down. StillAtWork, if another process of the
    workspace does the same for long.
    """
    with one_at_a_time(settings, "drift", _PATIENCE_SECONDS):
        run_id = start_run(settings, "drift", trigger, request_id)
        now = now or datetime.now(UTC)
        progress = DriftProgress()

        def failed(sentence: str) -> None:
            finish_run(settings, run_id, "failed", error=sentence, **progress.columns())

        with failures_written_down(failed, (LakehouseError, JobError)):
            _Run(settings, now, until or closed_until(settings, now), time.monotonic() + seconds, progress).work()
        finish_run(settings, run_id, "succeeded", **progress.columns())
        return progress


@dataclass
class _Run:
    """The working state of one run. All of it sees one snapshot of `request_metrics`."""

    settings: Settings
    now: datetime
    until: datetime
    deadline: float
    progress: DriftProgress

    def work(self) -> None:
        """Compute what is missing; look again where a rival on another machine was faster."""
        for rivals in range(TIMES_TO_YIELD + 1):
            try:
                self.bring_up_to_date()
                break
            except (CommitConflict, AlreadyCommitted):
                # Nothing of this commit was written; what the rival committed is not missing any more.
                if rivals == TIMES_TO_YIELD:
                    raise
        self.judge()

    def bring_up_to_date(self) -> None:
        with self.progress.stage("find"):
            source = open_table(self.settings, REQUEST_METRICS.name)
            positions = {name: position_of(open_table(self.settings, name), source) for name in _TABLES}
        # After a kill between the two, one is ahead: then each has its own way to go.
        together = len(set(positions.values())) == 1
        for names in (_TABLES,) if together else ((name,) for name in _TABLES):
            self.bring_up(source, names, positions[names[0]])

    def bring_up(self, source: "DeltaTable", names: Sequence[str], position: Position | None) -> None:
        """Bring tables that stand at one position to the newest one."""
        with self.progress.stage("plan"):
            todo = plan(source, position, self.until, self.now)
        self.progress.from_version = position.version if position else None
        self.progress.to_version = todo.target.version
        for granularity, too_late in todo.left_out.items():
            self.progress.unscored_reasons[f"request_time: too late for a window of {granularity}"] = too_late
        if position is None:
            self.begin(source, names, todo.target.version)
        figures = WindowFigures(RequestRows(source), todo.target.version)
        again = (*todo.late, *todo.compared)
        if again and position is not None:
            tables = [self.compute(figures, group) for group in _groups(again, source)]
            together = (pa.concat_tables([table[place] for table in tables]) for place in (0, 1))
            here = Position(todo.target.version, position.closed_until)
            self.commit(source, names, tuple(together), here, replacing(again))
        self.progress.windows_waiting, idle = len(todo.closed), 0
        for group in _groups(todo.closed, source):
            rows = self.compute(figures, group)
            self.progress.windows_waiting -= len(group)
            idle += len(group)
            if not rows[0].num_rows and idle < _IDLE_WINDOWS:
                continue
            gone = outdated(position.closed_until, group[-1].end) if position else ""
            # These windows are new: with them in the condition only what is outdated is replaced.
            where = f"{replacing(group)} OR {gone}" if gone else None
            position = Position(todo.target.version, group[-1].end)
            self.commit(source, names, rows, position, where)
            idle = 0
            # Never before something was committed, so that every run gets on.
            if time.monotonic() >= self.deadline:
                return

    def begin(self, source: "DeltaTable", names: Sequence[str], version: int) -> None:
        """Empty tables that were about another `request_metrics`, which was deleted since and built again."""
        for name in names:
            table = open_table(self.settings, name)
            if table.file_uris():
                nowhere = as_transactions(Position(version, BEGINNING), source)
                replace_once(table, TABLES[name].schema.empty_table(), nowhere, "granularity IS NOT NULL")

    def judge(self) -> None:
        """Have the windows judged that closed or changed since the last judgement, whichever run that was of.

        A run that is killed before the position is written has them judged again: each finding is written once.
        Prompts that cannot be read are told, but their windows count as judged: the next ones look back at them, and a
        lasting cause must not make each run longer than the last.
        """
        from jobs.drift_judgement import PromptsNotRead, judge_closed_windows

        source = open_table(self.settings, REQUEST_METRICS.name)
        position = position_of(open_table(self.settings, DRIFT_FINDINGS.name), source)
        todo = plan(source, position, self.until, self.now)
        windows = [
            window
            for window in (*todo.late, *todo.closed)
            if position is not None or window.end > self.until - FIRST_JUDGED
        ]
        if not windows:
            return
        problem: PromptsNotRead | None = None
        with self.progress.stage("judge"):
            try:
                self.progress.findings = judge_closed_windows(self.settings, windows)
            except PromptsNotRead as raised:
                problem = raised
        # Opened anew: the judgement has written to it.
        table = open_table(self.settings, DRIFT_FINDINGS.name)
        replace_once(table, DRIFT_FINDINGS.schema.empty_table(), as_transactions(todo.target, source))
        if problem is not None:
            raise problem

    def compute(self, figures: WindowFigures, windows: Sequence[Window]) -> tuple[pa.Table, pa.Table]:
        with self.progress.stage("read"):
            figures.forget()
            figures.load(windows)
        with self.progress.stage("compute"):
            for window in windows:
                requests = figures.add(window)
                self.progress.rows_read += requests
                self.progress.windows += requests > 0
            return figures.tables()

    def commit(
        self,
        source: "DeltaTable",
        names: Sequence[str],
        rows: "tuple[pa.Table, ...]",
        position: Position,
        where: str | None,
    ) -> None:
        for name in names:
            with self.progress.stage(f"write_{name}"):
                table = open_table(self.settings, name)
                replace_once(table, rows[_TABLES.index(name)], as_transactions(position, source), where)


def _groups(windows: Sequence[Window], source: "DeltaTable") -> Iterator[list[Window]]:
    """Windows of whole days, as many as go into one commit, in their order."""
    rows = rows_by_day(source)
    group: list[Window] = []
    days: set[str] = set()
    for window in windows:
        day = window.start.date().isoformat()
        if group and day not in days:
            many = sum(rows.get(known, 0) for known in {*days, day}) > ROWS_AT_ONCE
            if many or len(group) >= WINDOWS_AT_ONCE:
                yield group
                group, days = [], set()
        group.append(window)
        days.add(day)
    if group:
        yield group


def main(arguments: list[str]) -> int:
    """`python -m jobs drift [--trigger WORD] [--request-id ID]`."""
    parser = ArgumentParser(prog="python -m jobs drift", description="Bring the profile and drift tables up to date.")
    parser.add_argument("--trigger", default="command", choices=["command", "schedule", "request"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    print(run_drift(get_settings(), trigger=options.trigger, request_id=options.request_id).sentence())
    return 0
