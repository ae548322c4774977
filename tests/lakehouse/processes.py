"""Two real processes that race: each waits for the other before it begins."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

_WAIT = """
import sys, time
from pathlib import Path
from settings import Settings
home, me = Path(sys.argv[1]), sys.argv[2]
settings = Settings(home=home)
import deltalake, pyarrow
def wait_for_the_other(stage=""):
    (home / f"ready-{me}{stage}").touch()
    while not all((home / f"ready-{who}{stage}").exists() for who in "01"):
        time.sleep(0.0002)
"""


def race(home: Path, script: str) -> list[str]:
    """Runs `script` in two processes, which may call `wait_for_the_other(stage)`. Returns what each printed."""
    home.mkdir(parents=True, exist_ok=True)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WAIT + script, str(home), who],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in "01"
    ]
    ended = [process.communicate(timeout=120) for process in started]
    for process, (_, errors) in zip(started, ended, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in ended]
