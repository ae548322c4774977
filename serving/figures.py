"""Figures for other people's monitoring, and how Prometheus reads them.

A family is one figure with all of its samples. Names follow Prometheus' habits: base units, `_total` for counters.
Source: Prometheus' text exposition format, version 0.0.4.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One value and what it is of."""

    value: float
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Distribution:
    """How values were spread since the process began.

    edges: upper ends of the buckets, rising, without infinity. counts: values in each bucket, one more than edges: the
    last has what lies above. total: the sum of the values.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A figure: its name, what it means, and its samples. A counter counts from the start of its process on."""

    name: str
    about: str
    kind: Literal["gauge", "counter", "histogram"]
    samples: Sequence[Sample] = ()
    distributions: Sequence[Distribution] = ()


def gauge(name: str, about: str, samples: Iterable[Sample]) -> Family:
    """A figure that goes up and down."""
    return Family(name, about, "gauge", tuple(samples))


def counter(name: str, about: str, samples: Iterable[Sample]) -> Family:
    """A figure that only rises, until its process begins anew. `name` ends with `_total`."""
    return Family(name, about, "counter", tuple(samples))


def prometheus_text(families: Iterable[Family]) -> str:
    """The families as Prometheus scrapes them; one without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples and not family.distributions:
            continue
        lines += [f"# HELP {family.name} {_escaped_help(family.about)}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{_labels(one.labels)} {_number(one.value)}" for one in family.samples]
        for one in family.distributions:
            lines += _distribution_lines(family.name, one)
    return "".join(f"{line}\n" for line in lines)


def _distribution_lines(name: str, one: Distribution) -> list[str]:
    lines, below = [], 0
    for edge, count in zip((*one.edges, math.inf), one.counts, strict=True):
        below += count
        lines.append(f"{name}_bucket{_labels({**one.labels, 'le': _number(edge)})} {below}")
    return [
        *lines,
        f"{name}_sum{_labels(one.labels)} {_number(one.total)}",
        f"{name}_count{_labels(one.labels)} {below}",
    ]


def _labels(labels: Labels) -> str:
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{written}}}" if written else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
