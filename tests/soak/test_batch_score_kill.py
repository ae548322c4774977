"""A batch killed with SIGKILL while it answers, and after each of its commits."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.crash_points import VARIABLE
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.batch_workspace import shouting_workspace
from tests.jobs.killed_runs import ROOT

pytestmark = pytest.mark.soak
PROMPTS = [f"question {number}" for number in range(20)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return shouting_workspace(tmp_path_factory.mktemp("batch") / "home")


@pytest.mark.parametrize("ids", [False, True])
def test_a_killed_batch_loses_nothing_and_doubles_nothing(workspace: Settings, tmp_path: Path, ids: bool) -> None:
    settings = workspace.model_copy(update={"lake_uri": str(tmp_path / "lake")})
    source = str(tmp_path / "source")
    prompts = [*PROMPTS, *PROMPTS[:4]]
    columns = {"prompt": prompts, **({"id": list(range(len(prompts)))} if ids else {})}
    write_deltalake(source, pa.table(columns))
    command = [sys.executable, "-m", "tests.jobs.batch_process", str(settings.home), source, *(["id"] if ids else [])]
    environment = {**os.environ, "LAKEHELM_LAKE_URI": settings.lake_uri}
    killed = 0
    for place in ("answer:1", "answer:5", "append:1", "append:2", "answer:4", "append:3"):
        status = subprocess.run(command, cwd=ROOT, env={**environment, VARIABLE: place}, check=False, timeout=120)
        killed += status.returncode == -signal.SIGKILL
    assert killed >= 4
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=120).returncode == 0
    answers = read_rows(open_table(settings, "batch_scores"))["answer"].to_pylist()
    assert sorted(answers) == sorted(prompt.upper() for prompt in prompts)
    assert [run["state"] for run in runs(settings, "batch-score")][:2] == ["succeeded", "interrupted"]
