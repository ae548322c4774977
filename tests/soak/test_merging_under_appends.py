"""Merging files while others append, killed again and again: no row is lost, none is there twice."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakehouse.inference import InferenceSource
from lakehouse.store import open_table, read_rows
from settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
APPENDS = 200
_BEGIN = """
import sys
from pathlib import Path
from settings import Settings
settings = Settings(home=Path(sys.argv[1]))
"""
_APPENDER = _BEGIN + (
    """
from lakehouse.appends import append_once
from lakehouse.store import open_table
from tests.lakehouse.inference_rows import inference_rows
for version in range(int(sys.argv[3])):
    table = open_table(settings, "inference_table")
    append_once(table, inference_rows([f"{sys.argv[2]}-{version}"]), app_id=sys.argv[2], source_version=version)
"""
)
_MERGER = _BEGIN + (
    """
from lakehouse.errors import CommitConflict
from lakehouse.merging import merge_small_files
from lakehouse.store import open_table
from lakehouse.tables import INFERENCE_TABLE
while True:
    try:
        merge_small_files(open_table(settings, "inference_table"), INFERENCE_TABLE)
    except CommitConflict:
        pass
"""
)


def start(script: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=REPOSITORY)


@pytest.mark.soak
def test_merges_that_are_killed_and_race_lose_and_double_no_row(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    dice = random.Random(7)
    open_table(settings, "inference_table")
    appenders = [start(_APPENDER, str(tmp_path), name, str(APPENDS)) for name in "ab"]
    mergers = [start(_MERGER, str(tmp_path)) for _ in range(2)]
    deadline = time.monotonic() + 240
    while any(appender.poll() is None for appender in appenders) and time.monotonic() < deadline:
        time.sleep(dice.uniform(2.0, 4.0))
        victim = dice.randrange(len(mergers))
        assert mergers[victim].poll() is None, "a merge ended with an error of its own"
        mergers[victim].send_signal(signal.SIGKILL)
        mergers[victim].wait()
        mergers[victim] = start(_MERGER, str(tmp_path))
    for process in (*mergers, *(appender for appender in appenders if appender.poll() is None)):
        process.kill()
        process.wait()
    assert [appender.returncode for appender in appenders] == [0, 0]
    expected = sorted(f"{name}-{version}" for name in "ab" for version in range(APPENDS))
    table = open_table(settings, "inference_table")
    assert sorted(read_rows(table)["databricks_request_id"].to_pylist()) == expected
    assert len(table.file_uris()) < 2 * APPENDS, "something was merged"
    source = InferenceSource.open(settings)
    assert sum(commit.rows for commit in source.commits_after(None)) == 2 * APPENDS
    assert sorted(source.read(0, source.version)["databricks_request_id"].to_pylist()) == expected
