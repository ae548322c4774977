"""Looking in the background: a page shows what was seen last and never waits for a gateway or a registry."""

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from dashboard.errors import DashboardError
from lakehouse.errors import LakehouseError
from registry.errors import RegistryError
from serving.errors import ServingError
from vision.errors import VisionError

_log = logging.getLogger(__name__)
T = TypeVar("T")

_KEEP_LOOKING_SECONDS = 60.0
"""How long a watch goes on after the last page that looked."""
EXPECTED = (DashboardError, LakehouseError, RegistryError, ServingError, VisionError)
"""Failures whose message is a sentence for a person."""


class LookFailed(DashboardError):
    """A watch failed in a way that nobody foresaw; the dashboard's log says where."""


@dataclass(frozen=True)
class Seen(Generic[T]):
    """What a watch saw last."""

    looking: bool = True
    """Whether nothing has been seen yet since somebody began to look; `value` may be older."""
    value: T | None = None
    seen_at: datetime | None = None
    """When `value` was seen."""
    error: Exception | None = None
    """Why the last look failed; `value` is then what was seen before."""


class Watch(Generic[T]):
    """Looks again and again, in a thread of its own, as long as somebody asks what it has seen.

    Args:
        name: of the thread.
        look: what to do each time; may take long and may fail.
        every_seconds: the pause between two looks, which may depend on what was seen.
        keep_seconds: how long to go on after the last time that somebody asked.
    """

    def __init__(
        self,
        name: str,
        look: Callable[[], T],
        every_seconds: float | Callable[[T | None], float],
        keep_seconds: float = _KEEP_LOOKING_SECONDS,
    ) -> None:
        self._name = name
        self._look = look
        self._every_seconds = every_seconds
        self._keep_seconds = keep_seconds
        self._seen: Seen[T] = Seen()
        self._asked = 0.0
        self._generation = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        _WATCHES.add(self)

    def seen(self) -> Seen[T]:
        """The last that was seen; never waits."""
        with self._lock:
            self._asked = time.monotonic()
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                # Nobody has looked for a while: what was seen then may not hold any more.
                self._seen = replace(self._seen, looking=True, error=None)
                self._thread = threading.Thread(target=self._run, name=f"watch-{self._name}", daemon=True)
                self._thread.start()
            return self._seen

    def look_again(self) -> None:
        """Look now, and take what was seen for old until then."""
        with self._lock:
            self._generation += 1
            self._seen = replace(self._seen, looking=True)
        self._wake.set()

    def close(self) -> None:
        """Look no more, so that the process can end cleanly."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while time.monotonic() - self._asked < self._keep_seconds and not self._closed:
            self._wake.clear()
            generation = self._generation
            seen = self._looked()
            with self._lock:
                # What was begun before a change is not what is there after it.
                if generation == self._generation:
                    self._seen = seen
            every = self._every_seconds
            self._wake.wait(every(seen.value) if callable(every) else every)

    def _looked(self) -> Seen[T]:
        last = self._seen
        try:
            return Seen(False, self._look(), datetime.now(UTC))
        except EXPECTED as error:
            return replace(last, looking=False, error=error)
        # Whatever it is: this thread has no page to fail on, so the page is told.
        except Exception as error:  # noqa: BLE001
            _log.exception("Looking failed: %s", self._name)
            sentence = f"This could not be looked at ({type(error).__name__}). The dashboard's log says why."
            return replace(last, looking=False, error=LookFailed(sentence))


_WATCHES: "weakref.WeakSet[Watch[Any]]" = weakref.WeakSet()
"""Every watch of this process, so that all look again after a change."""


def look_again() -> None:
    """After a change: whatever is being watched is looked at again at once."""
    for watch in list(_WATCHES):
        watch.look_again()


@atexit.register
def close_all() -> None:
    """End every watch, so that the process can end cleanly."""
    for watch in list(_WATCHES):
        watch.close()
