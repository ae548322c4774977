"""Arrays that all visitors share: read once, replaced by those of a newer snapshot, bounded."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray

from dashboard.queries.lake import Snapshot
from dashboard.queries.shared_arrays import SharedArrays, bytes_of, shared

SNAPSHOT = Snapshot("metrics_hour", "/lake/metrics_hour", "a table", 7)


@dataclass(frozen=True)
class Held:
    values: NDArray[np.float64]
    names: tuple[str, ...] = ()


def reader() -> tuple[Callable[[Snapshot, str], Held], list[tuple[Snapshot, str]]]:
    asked: list[tuple[Snapshot, str]] = []

    @shared
    def read(snapshot: Snapshot, endpoint: str) -> Held:
        asked.append((snapshot, endpoint))
        return Held(np.zeros(len(asked)))

    st.cache_resource.clear()
    return read, asked


def test_everybody_gets_the_same_arrays() -> None:
    read, asked = reader()
    first = read(SNAPSHOT, "chatbot")
    assert read(SNAPSHOT, "chatbot") is first
    assert read(SNAPSHOT, "search") is not first
    assert asked == [(SNAPSHOT, "chatbot"), (SNAPSHOT, "search")]


def test_a_newer_snapshot_replaces_the_arrays_of_an_older_one() -> None:
    store = SharedArrays()
    versions = [replace(SNAPSHOT, version=version) for version in (7, 8, 8)] + [replace(SNAPSHOT, table_id="anew")]
    for version in versions:
        store.get(repr((version, "chatbot")), lambda: np.zeros(1000))
        store.get(repr((version, "search")), lambda: np.zeros(1000))
        assert store.held_bytes == 2 * bytes_of(np.zeros(1000))


def test_who_looks_back_and_who_looks_at_now_do_not_take_from_each_other() -> None:
    store, asked = SharedArrays(), []
    now, earlier = (repr((replace(SNAPSHOT, version=version), "chatbot")) for version in (8, 5))

    def ask(words: str) -> None:
        store.get(words, lambda: asked.append(words))

    for words in (now, earlier, now, earlier, now):
        ask(words)
    assert asked == [now, earlier]


def test_an_argument_that_its_words_do_not_tell_is_refused() -> None:
    @shared
    def read(values: object) -> object:
        return values

    with pytest.raises(TypeError, match="cannot be kept by a ndarray"):
        read(np.zeros(3))


def test_what_was_asked_for_last_is_kept() -> None:
    store = SharedArrays(3 * bytes_of(np.zeros(1000)))
    asked: list[str] = []

    def ask(words: str, size: int = 1000) -> None:
        def read() -> NDArray[np.float64]:
            asked.append(words)
            return np.zeros(size)

        store.get(words, read)

    for words in ("a", "b", "c", "a", "d", "a", "c", "b"):
        ask(words)
    assert asked == ["a", "b", "c", "d", "b"]
    for _ in range(2):
        ask("too large", 4000)
    assert asked[-2:] == ["too large", "too large"]


def test_two_that_ask_at_once_wait_for_one_reading() -> None:
    store, began, go_on = SharedArrays(), threading.Event(), threading.Event()
    asked: list[str] = []

    def slowly() -> int:
        asked.append("read")
        began.set()
        assert go_on.wait(20)
        return 5

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(store.get("a", slowly))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert began.wait(20)
    # Others are not kept waiting meanwhile.
    assert store.get("b", lambda: 6) == 6
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (found, asked) == ([5] * 4, ["read"])


def test_a_failure_is_not_kept() -> None:
    store = SharedArrays()
    with pytest.raises(ZeroDivisionError):
        store.get("a", lambda: 1 // 0)
    assert store.get("a", lambda: 7) == 7


def test_bytes_are_those_of_all_arrays_inside() -> None:
    values = np.zeros(1000)
    assert 8000 <= bytes_of(values) < 8200
    assert 16_000 <= bytes_of(Held(values, ("a",))) + bytes_of({"b": [values]}) < 16_800
    assert bytes_of(np.broadcast_to(np.float64(1.0), 1_000_000)) < 200


def test_each_of_several_names_is_read_once_whoever_asks_for_it_with_which_others() -> None:
    store, read, lock = SharedArrays(), [], threading.Lock()
    begin = threading.Barrier(8)
    found: list[dict[str, str]] = []

    def slowly(names: tuple[str, ...]) -> dict[str, str]:
        with lock:
            read.extend(names)
        threading.Event().wait(0.01)
        return {name: name.upper() for name in names}

    def ask(place: int) -> None:
        begin.wait()
        asked = [str((place + offset) % 8) + "x" for offset in range(4)]
        found.append(store.get_each({name: name for name in asked}, slowly))

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(read) == [f"{place}x" for place in range(8)]
    assert len(found) == 8
    assert all(len(one) == 4 and all(value == name.upper() for name, value in one.items()) for one in found)


def test_who_waited_for_another_that_failed_reads_by_itself() -> None:
    store, reading, going_on = SharedArrays(), threading.Event(), threading.Event()

    def fails(names: tuple[str, ...]) -> dict[str, str]:
        reading.set()
        going_on.wait(10)
        raise OSError("the disk is gone")

    def ask() -> None:
        with pytest.raises(OSError, match="the disk is gone"):
            store.get_each({"a": "a", "b": "b"}, fails)

    other = threading.Thread(target=ask)
    other.start()
    reading.wait(10)
    threading.Timer(0.05, going_on.set).start()
    assert store.get_each({"b": "b", "c": "c"}, lambda names: dict.fromkeys(names, "read")) == {
        "b": "read",
        "c": "read",
    }
    other.join(10)
    assert store.get_each({"a": "a"}, lambda names: dict.fromkeys(names, "later")) == {"a": "later"}
