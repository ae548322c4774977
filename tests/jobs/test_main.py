import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.__main__ import JOBS, WITHOUT_ARGUMENTS, main

ROOT = Path(__file__).resolve().parent.parent.parent


def test_help_lists_every_job_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, (_, meaning) in JOBS.items():
        assert any(line.split() == [name, *meaning.split()] for line in lines), name


def test_an_unknown_job_gets_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    assert capsys.readouterr().err.startswith("There is no job called 'frobnicate'; the jobs are up, ")


def test_nothing_is_run_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m jobs NAME" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(WITHOUT_ARGUMENTS))
def test_a_job_without_arguments_says_so_and_does_not_start(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert main([name, "now"]) == 2
    assert capsys.readouterr().out.count(f"python -m jobs {name}: {JOBS[name][1]}. It takes no argument.") == 2


@pytest.mark.parametrize("name", sorted(set(JOBS) - WITHOUT_ARGUMENTS))
def test_every_other_job_says_how_it_is_used(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert name in capsys.readouterr().out


def test_what_a_person_can_put_right_is_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "LAKEHELM_HOME": str(tmp_path / "home"),
        "LAKEHELM_INFERENCE_TABLE_URI": str(tmp_path / "nowhere"),
    }
    run = subprocess.run(
        [sys.executable, "-m", "jobs", "score"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert str(tmp_path / "nowhere") in line


def test_a_run_without_news_loads_neither_pandas_nor_a_model(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from jobs.__main__ import main\n"
        "status = main(['score'])\n"
        "heavy = {'pandas', 'mlflow', 'torch', 'openvino', 'sklearn', 'tokenizers'} & set(sys.modules)\n"
        "print(status, sorted(heavy))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "LAKEHELM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.splitlines()[-1] == "0 []"
