"""Work under way that somebody clicked for, in a thread of its own: closing the page does not stop it halfway.

A switch to a warm version is done before the click's answer is drawn; one that has to start a version takes longer,
and the page shows how long it has been at it.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from dashboard.errors import DashboardError
from dashboard.queries.watch import EXPECTED

_log = logging.getLogger(__name__)
T = TypeVar("T")

_MOST_AT_ONCE = 32
_places = threading.BoundedSemaphore(_MOST_AT_ONCE)


class TooMuchAtOnce(DashboardError):
    """So much is under way that no more is begun."""


class WorkBroke(DashboardError):
    """Work failed in a way that nobody foresaw; the dashboard's log says where."""


class Running(Generic[T]):
    """One piece of work, from the click on. Safe to read from any thread.

    Args:
        name: what it is, in a few words.
        work: what to do; may take long and may fail.
        then: called when it has ended, before anybody sees that it has.
        counted: whether it takes one of the places that changes share; work that its own beginner counts takes none.

    Raises: TooMuchAtOnce.
    """

    def __init__(
        self, name: str, work: Callable[[], T], then: Callable[[], None] | None = None, *, counted: bool = True
    ) -> None:
        if counted and not _places.acquire(blocking=False):
            raise TooMuchAtOnce(f"{_MOST_AT_ONCE} changes and questions are under way: wait until some have ended.")
        self.name = name
        self.value: T | None = None
        self.error: Exception | None = None
        self._counted = counted
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work, then), name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, with a value or with an error."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._started

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, at most so long. Returns `done`."""
        return self._ended.wait(seconds)

    def result(self) -> T:
        """Wait for the value. Raises: what the work raised, or WorkBroke."""
        self.wait()
        if self.error is not None:
            raise self.error
        if self.value is None:
            raise WorkBroke(f"{self.name} ended without a result.")
        return self.value

    def _run(self, work: Callable[[], T], then: Callable[[], None] | None) -> None:
        try:
            self.value = work()
        except EXPECTED as error:
            self.error = error
        # Nobody else would hear of it: this thread has no page.
        except Exception as error:  # noqa: BLE001
            _log.exception("%s failed.", self.name)
            self.error = WorkBroke(
                f"It failed in a way that nobody foresaw ({type(error).__name__}); the dashboard's log says where, and "
                "the ledger how far a change came."
            )
        finally:
            if self._counted:
                _places.release()
            if then is not None:
                then()
            self._ended.set()
