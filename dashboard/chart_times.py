"""Times of charts as text in the time zone of the page."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np


def shown_times(times: Any, zone: str) -> np.ndarray[Any, np.dtype[np.str_]]:
    """Times (milliseconds since 1970, UTC) as they read in `zone`, as `2026-07-01T14:00:00`.

    As text, because plotly shows numbers in the browser's zone, whatever was done to them before. As an array of text
    they are still many times quicker to send than datetimes. Not to be written to: the charts of a page share them.
    """
    return _shown(np.asarray(times, dtype="datetime64[ms]").tobytes(), zone)


@lru_cache(maxsize=64)
def _shown(times: bytes, zone: str) -> np.ndarray[Any, np.dtype[np.str_]]:
    import pandas as pd

    stamps = pd.DatetimeIndex(np.frombuffer(times, dtype="datetime64[ms]")).tz_localize("UTC").tz_convert(zone)
    shown = np.datetime_as_string(stamps.tz_localize(None).to_numpy().astype("datetime64[s]"))
    shown.flags.writeable = False
    return shown


def shown_time(time: int, zone: str) -> str:
    """One time (milliseconds since 1970, UTC) as people read it in `zone`: 02 Jul 14:00."""
    return f"{time_of(time).astimezone(ZoneInfo(zone)):%d %b %H:%M}"


def time_of(milliseconds: float) -> datetime:
    """A time of a chart (milliseconds since 1970) as UTC."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
