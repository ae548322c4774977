"""Results of queries that are kept between reruns, for as long as their function is asked the same."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from functools import wraps
from numbers import Number
from typing import Any, ParamSpec, TypeVar

import streamlit as st

P = ParamSpec("P")
R = TypeVar("R")

_TOLD_APART = (str, bytes, Number, date, timedelta, type(None))


def kept(
    *, max_entries: int, ttl: float | None = None, copied: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`st.cache_data` for functions whose arguments `repr` tells apart: texts, numbers, times, and frozen dataclasses,
    tuples, lists and dictionaries of them.

    A snapshot counts as its table and version. Streamlit looks into every argument and at the function's signature for
    each call, which takes up to a millisecond: a page makes dozens.
    max_entries: results that are kept, the last ones. ttl: for how many seconds; None: until others come. copied:
    whether every call gets a copy of its own; else all get the same, which nobody may change, by `st.cache_resource`.
    Raises: TypeError (the function that is made), for any other argument.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        def by_words(words: str, _positional: tuple[Any, ...], _named: dict[str, Any]) -> R:
            for argument in (*_positional, *_named.values()):
                require_told_apart(argument)
            return function(*_positional, **_named)

        # Streamlit knows a function by its module, name and source, the last of which is the same for all of these.
        by_words.__module__ = function.__module__
        by_words.__qualname__ = f"{function.__qualname__} {hash(function.__code__)}"
        cache: Any = st.cache_data if copied else st.cache_resource
        held = cache(max_entries=max_entries, ttl=ttl, show_spinner=False)(by_words)

        @wraps(function)
        def asked(*positional: P.args, **named: P.kwargs) -> R:
            # By name: else Streamlit looks their names up.
            found: R = held(words=repr((positional, named)), _positional=positional, _named=named)
            return found

        return asked

    return decorate


def require_told_apart(argument: object) -> None:
    """Raises: TypeError, if `repr` may say the same of this argument and of another."""
    if isinstance(argument, list | tuple):
        inside: list[object] = list(argument)
    elif isinstance(argument, dict):
        inside = [*argument, *argument.values()]
    elif is_dataclass(argument) and not isinstance(argument, type):
        inside = [getattr(argument, one.name) for one in fields(argument) if one.repr]
    elif isinstance(argument, _TOLD_APART):
        return
    else:
        raise TypeError(f"A result cannot be kept by a {type(argument).__name__}.")
    for one in inside:
        require_told_apart(one)
