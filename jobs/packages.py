"""Can the packages that a model version asks for be had, and do they go together?

First by looking at what is installed here, where the gateway's workers run; only where that differs is pip asked,
without installing anything and without running any package's code.
"""

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from registry.evidence import Requirements

PIP_SECONDS = 120.0
_NO_INDEX_ANSWERS = ("connection", "timed out", "max retries", "temporary failure", "proxyerror", "sslerror")


def check_requirements(text: str, pip_seconds: float = PIP_SECONDS) -> Requirements:
    """What can be said of a `requirements.txt`: its problems, or why nobody can tell."""
    wanted, unread = _read(text)
    if unread:
        return Requirements(
            packages=len(wanted),
            not_run=f"The requirement {unread[0]!r} names a file or an address, which cannot be checked here.",
        )
    if not wanted:
        return Requirements(not_run="The version does not say which packages it needs.")
    differing = [line for line in (_differs(requirement) for requirement in wanted) if line]
    if not differing:
        return Requirements(packages=len(wanted), checked_by="they are all installed here")
    return _by_pip(wanted, differing, pip_seconds)


def _read(text: str) -> tuple[list[Requirement], list[str]]:
    """The requirements that apply on this platform, and lines that are none. Options (`-c`, `--…`) are left out."""
    wanted, unread = [], []
    for raw in text.splitlines():
        line = raw.split(" #")[0].strip()
        if not line or line.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            unread.append(line)
            continue
        if requirement.url:
            unread.append(line)
        elif requirement.marker is None or requirement.marker.evaluate():
            wanted.append(requirement)
    return wanted, unread


def _differs(requirement: Requirement) -> str:
    """How what is installed here differs from a requirement, as a sentence; empty if it does not."""
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement} is not installed here."
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement} is asked for, and {installed} is installed here."


def _by_pip(wanted: list[Requirement], differing: list[str], seconds: float) -> Requirements:
    lines = "\n".join(str(requirement) for requirement in wanted)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(lines, encoding="utf-8")
        # Wheels only: building a package to learn what it needs would run its code.
        command = [
            sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--only-binary=:all:",
            "--no-input", "--disable-pip-version-check", "--retries=1", "--timeout=10", "--quiet", "-r", str(file),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return Requirements(
                packages=len(wanted), not_run=f"{differing[0]} pip did not find out within {seconds:.0f} seconds."
            )
    if done.returncode == 0:
        return Requirements(packages=len(wanted), checked_by=f"pip says so; {differing[0].rstrip('.')}")
    said = done.stderr.lower()
    errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    if "no module named pip" in said or any(word in said for word in _NO_INDEX_ANSWERS):
        return Requirements(
            packages=len(wanted), not_run=f"{differing[0]} pip cannot reach a package index to look for it."
        )
    return Requirements(packages=len(wanted), problems=(differing[0], f"pip: {(errors or ['no reason given'])[-1]}."))
