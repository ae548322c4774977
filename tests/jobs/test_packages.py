"""Whether a version's packages can be had, asked of what is installed and, where that differs, of the real pip."""

from importlib.metadata import version

import pytest

from jobs.packages import check_requirements

PYARROW = f"pyarrow=={version('pyarrow')}"


def test_what_is_installed_here_needs_no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = check_requirements(
        f"# made by MLflow\n-c constraints.txt\n{PYARROW}  # exact\nNumPy>=1\nwinonly==1; sys_platform == 'win32'\n"
    )
    assert (found.packages, found.problems, found.not_run) == (2, (), "")
    assert "installed here" in found.checked_by


def test_a_package_that_no_index_has_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    found = check_requirements(f"{PYARROW}\nlakehelm-has-no-such-package==1.0\n")
    assert found.problems[0] == "lakehelm-has-no-such-package==1.0 is not installed here."
    assert "No matching distribution found" in found.problems[1]


def test_without_a_package_index_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    found = check_requirements("pyarrow==0.0.1\n")
    assert found.problems == ()
    assert "pyarrow==0.0.1 is asked for" in found.not_run
    assert "cannot reach a package index" in found.not_run


def test_a_pip_that_does_not_end_is_not_waited_for() -> None:
    assert "did not find out within" in check_requirements("pyarrow==0.0.1\n", pip_seconds=0.01).not_run


@pytest.mark.parametrize(
    "line", ["./code/mine.whl", "mine @ https://127.0.0.1:9/mine.whl", "git+https://127.0.0.1:9/x"]
)
def test_a_file_or_an_address_is_not_followed(line: str) -> None:
    assert repr(line) in check_requirements(f"{PYARROW}\n{line}\n").not_run


def test_a_version_that_names_no_package_says_nothing() -> None:
    assert "does not say" in check_requirements("# nothing\n").not_run
