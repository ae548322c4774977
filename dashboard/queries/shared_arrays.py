"""Arrays that are read once and that all visitors share: those that were asked for last, within a bound of memory."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np
import streamlit as st
from cachetools import LRUCache

from dashboard.queries.kept import require_told_apart
from dashboard.queries.lake import Snapshot, Span

P = ParamSpec("P")
R = TypeVar("R")

_MOST_BYTES = 96 * 2**20
"""Of all arrays together."""
_NEARLY = 0.8
_A_VALUE = 64
"""Bytes that a single value counts with."""
_OF_ITS_TIME = re.compile(r"table_id='([^']*)', version=(-?\d+)")
"""What tells a snapshot from an earlier one of the same table, in its `repr`."""


class _Result(NamedTuple):
    value: Any
    size: int


class SharedArrays:
    """Results by the words of what was asked. A result of an earlier snapshot goes when that of a later one comes."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._results: LRUCache[str, _Result] = LRUCache(most_bytes, getsizeof=lambda result: result.size)
        self._newest: dict[str, str] = {}
        """By what was asked for of whichever snapshot: the words of the result that is kept."""
        self._being_read: dict[str, threading.Event] = {}

    def get(self, words: str, read: Callable[[], R]) -> R:
        """The result that `words` stand for; `read` is asked where there is none, by one thread at a time."""
        return self.get_each({"": words}, lambda _: {"": read()})[""]

    def get_each(self, words: Mapping[str, str], read: Callable[[tuple[str, ...]], Mapping[str, R]]) -> dict[str, R]:
        """The results that each of `words` stands for, by name. `read` is asked for all that lack and that no other
        thread is reading, by their names; for those of other threads this one waits."""
        with self._lock:
            held = self._held(words)
            lacking = [name for name in words if name not in held]
            theirs = {name: self._being_read[words[name]] for name in lacking if words[name] in self._being_read}
            own, done = tuple(name for name in lacking if name not in theirs), threading.Event()
            self._being_read |= {words[name]: done for name in own}
        try:
            if own:
                for name, value in read(own).items():
                    self._keep(words[name], _Result(value, bytes_of(value)))
                    held[name] = value
        finally:
            with self._lock:
                for name in own:
                    del self._being_read[words[name]]
            done.set()
        # Only once nobody waits for this thread any more, so that no two wait for each other.
        for reading in theirs.values():
            reading.wait()
        # What the others could not read, or not keep, is read now.
        return held | (self.get_each({name: words[name] for name in theirs}, read) if theirs else {})

    def _held(self, words: Mapping[str, str]) -> dict[str, Any]:
        found = {name: self._results.get(one) for name, one in words.items()}
        return {name: result.value for name, result in found.items() if result is not None}

    @property
    def held_bytes(self) -> int:
        """What all results take together."""
        return int(self._results.currsize)

    @property
    def is_nearly_full(self) -> bool:
        """Whether a few results more would push others out."""
        return bool(self._results.currsize > _NEARLY * self._results.maxsize)

    def _keep(self, words: str, result: _Result) -> None:
        about = _OF_ITS_TIME.sub("", words)
        with self._lock:
            if is_older(self._newest.get(about, ""), words):
                self._results.pop(self._newest[about], None)
            # What is larger than all that may be kept is read each time.
            if result.size <= self._results.maxsize:
                self._results[words] = result
                self._newest = {one: held for one, held in self._newest.items() if held in self._results}
                if not is_older(words, self._newest.get(about, "")):
                    self._newest[about] = words


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Makes all callers share what a function gives for the same arguments, which `repr` has to tell apart.

    Nobody may write to it. A snapshot counts as its table and version.
    Raises: TypeError (the function that is made), for an argument that `repr` does not tell apart.
    """

    @wraps(function)
    def asked(*positional: P.args, **named: P.kwargs) -> R:
        words = f"{function.__module__}.{function.__qualname__}{positional!r}{named!r}"
        store: SharedArrays = _store()

        def read() -> R:
            for argument in (*positional, *named.values()):
                require_told_apart(argument)
            return function(*positional, **named)

        return store.get(words, read)

    return asked


def shared_each(
    function: Callable[Concatenate[Sequence[str], P], Mapping[str, R]],
) -> Callable[Concatenate[Sequence[str], P], dict[str, R]]:
    """The same as `shared` for a function that gives a result for each of several names, which come first: all callers
    share the result of each name, and those that lack are asked for together.
    """

    @wraps(function)
    def asked(names: Sequence[str], /, *positional: P.args, **named: P.kwargs) -> dict[str, R]:
        about = f"{function.__module__}.{function.__qualname__}{positional!r}{named!r}"
        store: SharedArrays = _store()

        def read(lacking: tuple[str, ...]) -> Mapping[str, R]:
            for argument in (*positional, *named.values()):
                require_told_apart(argument)
            return function(lacking, *positional, **named)

        return store.get_each({name: f"{about}{name}" for name in names}, read)

    return asked


def is_nearly_full() -> bool:
    """Whether what is read ahead now would push out what was read before."""
    store: SharedArrays = _store()
    return store.is_nearly_full


def is_older(words: str, others: str) -> bool:
    """Whether what was asked for is of earlier snapshots than the same of `others`, or of tables that were made anew
    since. Somebody may look back at the one while the other is of now."""
    both = list(zip(_OF_ITS_TIME.findall(words), _OF_ITS_TIME.findall(others), strict=False))
    anew = any(one[0] != other[0] for one, other in both)
    return anew or (bool(both) and all(int(one[1]) <= int(other[1]) for one, other in both))


def read_at_once(snapshot: Snapshot, span: Span, length: timedelta) -> Span:
    """What is read for a span of time: the last `length` of a snapshot where the span begins in it, so that other spans
    find theirs in the same arrays; else the span itself, as of tables that are not on this machine."""
    if not snapshot.files or not snapshot.is_local or snapshot.newest.year == datetime.max.year:
        return span
    last = snapshot.newest.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    # No row is later: what the span has after it is nothing.
    return (last - length, last) if last - length <= span[0] else span


def bytes_of(value: Any) -> int:
    """About how many bytes the arrays in a value take, with those in tuples, lists, dictionaries and dataclasses."""
    if isinstance(value, np.ndarray):
        # A view of one number, as often as needed, takes no more than that.
        return _A_VALUE + (value.nbytes if any(value.strides) else 0)
    if isinstance(value, str):
        return _A_VALUE + len(value)
    if isinstance(value, dict):
        return _A_VALUE + sum(bytes_of(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple):
        return _A_VALUE + sum(map(bytes_of, value))
    if is_dataclass(value) and not isinstance(value, type):
        return _A_VALUE + sum(bytes_of(getattr(value, one.name)) for one in fields(value))
    return _A_VALUE


@st.cache_resource(show_spinner=False)
def _store() -> SharedArrays:
    return SharedArrays()
