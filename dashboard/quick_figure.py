"""A figure that goes to the browser as it was given, without plotly's copies of it."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

_SENT_AS = {
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}
"""What plotly calls the numbers that it takes as bytes."""
_SMALLER = ("int8", "int16", "int32")


class QuickFigure(go.Figure):  # type: ignore[misc]
    """A figure of traces and a layout that are right as they stand: what plotly would make of them is only made for who
    looks into the figure.

    Plotly copies each dictionary and looks at each value twice before it sends them, which takes more time than all
    else that a page does.
    """

    def __init__(self, traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> None:
        # Past plotly's own `__setattr__`, which wants a figure that is made already.
        self.__dict__["_given"] = (traces, layout)

    def to_dict(self) -> dict[str, Any]:
        """The figure as plotly sends it: arrays of numbers as their bytes. Nobody may change it."""
        if "_made" in self.__dict__:
            # Whoever looked into it may have changed it.
            made: dict[str, Any] = super().to_dict()
            return made
        traces, layout = self.__dict__["_given"]
        return {"data": [_sent(trace) for trace in traces], "layout": _sent(layout)}

    def __reduce__(self) -> tuple[Any, ...]:
        return QuickFigure, self.__dict__["_given"]

    def __getattr__(self, name: str) -> Any:
        if "_made" in self.__dict__:
            raise AttributeError(name)
        self.__dict__["_made"] = True
        traces, layout = self.__dict__["_given"]
        super().__init__(data=list(traces), layout=dict(layout), _validate=False)
        return getattr(self, name)


def _sent(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _bytes_of(value)
    if isinstance(value, dict):
        return {key: _sent(one) for key, one in value.items()}
    # Lists of single values, the long ones, are as they are to be; others hold dictionaries.
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        return [_sent(one) for one in value]
    return value


def _bytes_of(values: np.ndarray[Any, Any]) -> Any:
    """An array as its bytes, which keep what is no number; texts and numbers that are too large as they are."""
    if values.dtype == np.int64 and values.size:
        low, high = int(values.min()), int(values.max())
        fits = next((name for name in _SMALLER if np.iinfo(name).min <= low and high <= np.iinfo(name).max), None)
        values = values if fits is None else values.astype(fits)
    sent_as = _SENT_AS.get(values.dtype.name)
    if sent_as is None or not values.size:
        return values
    told = {"dtype": sent_as, "bdata": base64.b64encode(values.tobytes()).decode("ascii")}
    return told if values.ndim == 1 else {**told, "shape": str(values.shape)[1:-1]}
