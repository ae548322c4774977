"""What must hold after the metrics job was killed, shared by the quick test and the long one."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobs.crash_points import VARIABLE
from jobs.partial_sums import MEASURES, REQUEST_COUNT, REQUESTER_MEASURES
from jobs.rollups import ROLLUPS
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.request_rows import add_requests, add_served_entity, inference_row, inference_rows

ROOT = Path(__file__).resolve().parent.parent.parent
IDS = {f"r{number}" for number in range(60)} | {"bad"}


def fill(settings: Settings) -> None:
    """Several commits, one larger than a piece, with duplicates inside and across them."""
    add_served_entity(settings)
    add_requests(settings, inference_rows(0, 4))
    add_requests(settings, [*inference_rows(4, 30), *inference_rows(2, 4)])
    add_requests(settings, [*inference_rows(34, 3), inference_row("bad", request="{", response=None)])
    add_requests(settings, [*inference_rows(30, 30), *inference_rows(50, 5)])


def run_job(settings: Settings, kill_at: str = "", program: str = "tests.jobs.scoring_process") -> int:
    """A run in a process of its own; its exit status (negative: the signal that ended it)."""
    environment = {**os.environ, VARIABLE: kill_at} if kill_at else dict(os.environ)
    return subprocess.run(
        [sys.executable, "-m", program, str(settings.home)],
        cwd=ROOT,
        env=environment,
        check=False,
        timeout=120,
    ).returncode


def killed(status: int) -> bool:
    return status == -signal.SIGKILL


def check_nothing_lost_nothing_twice(settings: Settings) -> None:
    rows = read_rows(open_table(settings, "request_metrics"))
    ids = rows["databricks_request_id"].to_pylist()
    assert len(ids) == len(set(ids))
    assert set(ids) == IDS
    for rollup in ROLLUPS:
        check_rollup(rows.to_pylist(), settings, rollup.table, rollup.by_requester)


def check_rollup(rows: list[dict[str, Any]], settings: Settings, table: str, by_requester: bool) -> None:
    sums = read_rows(open_table(settings, table)).to_pylist()
    of_metric = {name: [row for row in sums if row["metric"] == name] for name in {row["metric"] for row in sums}}
    assert sum(row["n"] for row in of_metric[REQUEST_COUNT]) == len(rows)
    for measure in REQUESTER_MEASURES if by_requester else MEASURES:
        values = [row[measure.metric] for row in rows if row[measure.metric] is not None]
        partials = of_metric.get(measure.metric, [])
        assert sum(row["n"] for row in partials) == len(values), (table, measure.metric)
        assert abs(sum(row["sum_wx"] for row in partials) - sum(values)) <= 1e-9 * max(1, abs(sum(values)))
        assert sum(weight for row in partials for _, weight in row["buckets"]) == len(values)
