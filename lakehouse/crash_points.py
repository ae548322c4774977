"""Where a process may be killed on purpose, so that a test can show that nothing is lost.

`LAKEHELM_KILL_AT=append:2` makes the process end itself with SIGKILL when the stage `append` is done for the second
time. Without the variable nothing happens.
"""

import os
import signal
from collections import Counter

VARIABLE = "LAKEHELM_KILL_AT"

_passed: Counter[str] = Counter()


def crash_point(stage: str) -> None:
    """Say that `stage` is done; ends this process with SIGKILL if the environment asks for it here."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    _passed[stage] += 1
    name, _, nth = wanted.partition(":")
    if name == stage and _passed[stage] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
