"""A lock that the operating system drops when its holder dies, so that two processes do not do the same work at once.

It only saves work. What keeps the tables right is compare-and-set, also between machines that share no lock.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import StillAtWork
from settings import Settings

_LOOK_AGAIN_SECONDS = 0.25


@contextmanager
def one_at_a_time(settings: Settings, name: str, wait_seconds: float) -> Iterator[None]:
    """Hold the workspace's lock called `name` (a fixed word of ours), after waiting for it at most `wait_seconds`.

    Raises: StillAtWork, if another process holds it for longer.
    """
    folder = settings.home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    with (folder / f"{name}.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise StillAtWork(
                        f"Another process of the workspace {settings.home} is running {name}; "
                        "wait until it ends, or end it."
                    ) from None
                time.sleep(_LOOK_AGAIN_SECONDS)
        yield
