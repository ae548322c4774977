"""Findings of drift as pages know them: rows of `drift_findings`, read with what their evidence may hold."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_WINDOWS_TOGETHER = 12
"""Windows before a finding's own whose requests may be its examples."""
MOST_EXAMPLES = 10
"""Example requests of one finding whose words are read."""


@dataclass(frozen=True)
class Histogram:
    """A distribution beside the one that it was compared with: how many values fell into each bin.

    edges: one more than bins, rising; empty for categories, which have `labels`, one a bin.
    """

    edges: tuple[float, ...]
    labels: tuple[str, ...]
    now: tuple[float, ...]
    compared: tuple[float, ...]


@dataclass(frozen=True)
class Finding:
    """One column of one slice that differed in one window of time. `value` and `value_compared` are in its own unit.

    endpoint_name, slice_key: empty where it is of everything. Numbers that were not given are NaN.
    """

    finding_id: str
    judged_at: datetime
    window_start: datetime
    window_end: datetime
    granularity: str
    endpoint_name: str
    slice_key: str
    slice_value: str
    column_name: str
    drift_type: str
    n: int
    n_compared: int
    value: float
    value_compared: float
    effect: float
    effect_name: str
    p_value: float
    q_value: float
    windows_in_a_row: int
    confirmed: bool
    sentence: str
    evidence: dict[str, Any]

    @property
    def about(self) -> tuple[str, str, str, str, str, str]:
        """What it is of: findings of later windows with the same are the same drift, going on."""
        return (
            self.endpoint_name,
            self.column_name,
            self.slice_key,
            self.slice_value,
            self.granularity,
            self.drift_type,
        )

    @property
    def histogram(self) -> Histogram | None:
        """Both distributions; None where the evidence has none that can be drawn."""
        return _histogram(self.evidence.get("histogram"))

    @property
    def examples(self) -> tuple[str, ...]:
        """Ids of requests that show it, at most `MOST_EXAMPLES`."""
        found = self.evidence.get("examples")
        ids = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
        return tuple(dict.fromkeys(ids))[:MOST_EXAMPLES]

    @property
    def terms(self) -> tuple[str, ...]:
        """Words that prompts have now and had not before, the most telling first."""
        found = self.evidence.get("terms")
        words = [one[0] if isinstance(one, list) and one else one for one in found] if isinstance(found, list) else []
        return tuple(word for word in words if isinstance(word, str))

    @property
    def is_share(self) -> bool:
        """Whether its values are shares, 0 to 1."""
        return self.evidence.get("unit") == "share"

    @property
    def test(self) -> str:
        """The name of the statistical test; empty where none is told."""
        return str(self.evidence.get("test") or "")

    @property
    def power(self) -> float:
        """How likely the test was to find a shift that matters, 0 to 1; NaN where it is not told."""
        return _number(self.evidence.get("power"))

    @property
    def reference(self) -> str:
        """What it was compared with, in words; empty where they are not told."""
        told = self.evidence.get("reference")
        return told if isinstance(told, str) else ""

    @property
    def measured(self) -> str:
        """The column that the values are of: that of another one where its own has too few."""
        told = self.evidence.get("measured")
        return told if isinstance(told, str) and told else self.column_name

    @property
    def seen_since(self) -> datetime:
        """From when on its requests may be: a judgement takes the windows before its own into account."""
        return self.window_start - _WINDOWS_TOGETHER * (self.window_end - self.window_start)

    @property
    def compared_windows(self) -> tuple[tuple[datetime, datetime], ...]:
        """The windows that it was compared with, pooled, oldest first."""
        found = self.evidence.get("window_cmp")
        pairs = found if isinstance(found, list) and found and isinstance(found[0], list) else [found]
        read = [_window(pair) for pair in pairs]
        return tuple(sorted(pair for pair in read if pair is not None))


@dataclass(frozen=True)
class Drift:
    """The findings of one thing in the chosen time, the newest first, and whether it still goes on."""

    findings: tuple[Finding, ...]
    ongoing: bool

    @property
    def newest(self) -> Finding:
        """The finding that stands for it: the newest that was confirmed, else the newest."""
        return next((one for one in self.findings if one.confirmed), self.findings[0])

    @property
    def confirmed(self) -> bool:
        """Whether somebody should have been told in this time."""
        return any(one.confirmed for one in self.findings)


def finding_of(row: Mapping[str, Any]) -> Finding:
    """The finding that a row of `drift_findings` tells of."""

    def text(name: str) -> str:
        return str(row.get(name) or "")

    return Finding(
        finding_id=text("finding_id"),
        judged_at=row.get("judged_at") or row["window_end"],
        window_start=row["window_start"],
        window_end=row["window_end"],
        granularity=text("granularity"),
        endpoint_name=text("endpoint_name"),
        slice_key=text("slice_key"),
        slice_value=text("slice_value"),
        column_name=text("column_name"),
        drift_type=text("drift_type"),
        n=int(row.get("n") or 0),
        n_compared=int(row.get("n_compared") or 0),
        value=_number(row.get("value")),
        value_compared=_number(row.get("value_compared")),
        effect=_number(row.get("effect")),
        effect_name=text("effect_name"),
        p_value=_number(row.get("p_value")),
        q_value=_number(row.get("q_value")),
        windows_in_a_row=int(row.get("windows_in_a_row") or 0),
        confirmed=bool(row.get("confirmed")),
        sentence=text("sentence"),
        evidence=_object(row.get("evidence")),
    )


def _histogram(found: object) -> Histogram | None:
    """A histogram as evidence has it, which another release may have written in another shape."""
    if not isinstance(found, dict):
        return None
    now, compared, edges = (_numbers(found.get(name)) for name in ("now", "compared", "edges"))
    labels = tuple(str(label) for label in found["labels"]) if isinstance(found.get("labels"), list) else ()
    if not now or len(now) != len(compared) or (len(edges) != len(now) + 1 and len(labels) != len(now)):
        return None
    return Histogram(edges if len(edges) == len(now) + 1 else (), labels, now, compared)


def _numbers(found: object) -> tuple[float, ...]:
    values = [_number(one) for one in found] if isinstance(found, list) else []
    return tuple(values) if all(math.isfinite(value) for value in values) else ()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _window(found: object) -> tuple[datetime, datetime] | None:
    if not isinstance(found, list) or len(found) != 2:
        return None
    try:
        start, end = (datetime.fromisoformat(str(one)) for one in found)
    except ValueError:
        return None
    return (start, end) if start.tzinfo and end.tzinfo else None


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
