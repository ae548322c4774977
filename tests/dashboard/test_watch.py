"""What is watched in the background: never waited for, never older than a change, never a failed page."""

import threading
import time
from collections.abc import Callable

from dashboard.queries.watch import LookFailed, Watch
from serving.errors import ServingError


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


def test_what_was_begun_before_a_change_is_not_shown_after_it() -> None:
    values, begun, go_on = iter(["before", "after"]), threading.Event(), threading.Event()

    def look() -> str:
        value = next(values)
        begun.set()
        assert go_on.wait(5)
        return value

    watch = Watch("test", look, 60.0)
    assert watch.seen().looking
    assert begun.wait(5)
    watch.look_again()
    go_on.set()
    until(lambda: not watch.seen().looking)
    assert watch.seen().value == "after"
    watch.close()


def test_a_failure_keeps_what_was_seen_before_and_says_why() -> None:
    answers = iter([1, ServingError("Nothing answers."), ZeroDivisionError("a mistake of ours")])

    def look() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = Watch("test", look, 60.0)
    watch.seen()
    until(lambda: watch.seen().value == 1)
    first = watch.seen().seen_at
    watch.look_again()
    until(lambda: watch.seen().error is not None)
    found = watch.seen()
    assert (found.value, found.seen_at, str(found.error), found.looking) == (1, first, "Nothing answers.", False)
    watch.look_again()
    until(lambda: isinstance(watch.seen().error, LookFailed))
    assert "a mistake of ours" not in str(watch.seen().error)
    watch.close()


def test_nobody_looks_when_nobody_asks() -> None:
    looks: list[int] = []
    watch = Watch("test", lambda: looks.append(1), 0.01, keep_seconds=0.05)
    watch.seen()
    time.sleep(0.4)
    ended = len(looks)
    time.sleep(0.1)
    assert len(looks) == ended
    assert watch.seen().looking
    until(lambda: len(looks) > ended)
    watch.close()
