"""An endpoint's metrics page (Prometheus' text format), read: what each served entity did in the last minute.

Databricks and the gateway write the same names. Both count over the last minute, the latency histogram included, so
nothing here is a rate that would have to be derived from two readings.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

IN_FLIGHT = "lakehelm_requests_in_flight"
"""The gateway's own gauge: how many requests a served entity is answering now. Databricks has none like it."""

DIVERTED = "lakehelm_diverted_requests_total"
"""The gateway's own gauge: how many requests of the last minute were meant for a served entity that did not answer."""

_SAMPLE = re.compile(r"(?P<metric>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+\S+)?")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_NAME_LABELS = ("served_model_name", "served_entity_name", "served_entity")
_BUCKET = "request_latency_ms_bucket"


@dataclass(frozen=True)
class ServedEntityMetrics:
    """What one served entity did in the last minute. A figure that the endpoint does not tell is None, never 0."""

    name: str
    """The served entity's name; empty where the figures are those of the whole endpoint."""
    requests_per_minute: int | None
    errors_4xx: int | None
    """Answers of the last minute with a status of 400 to 499, asked wrongly or too often."""
    errors_5xx: int | None
    """Answers of the last minute with a status of 500 and above, failed here."""
    p50_ms: float | None
    """Median latency in milliseconds, interpolated within the bucket of the histogram."""
    p95_ms: float | None
    cpu: float | None
    """Per cent: of one processor core on the gateway, of the provisioned compute on Databricks."""
    memory: float | None
    """Per cent of the memory of the machine, or of the provisioned compute."""
    in_flight: int | None
    """Requests that are being answered now; only the gateway tells."""
    diverted: int | None
    """Requests of the last minute that were meant for it and answered by another, as it was not ready."""
    provisioned: int | None
    """Requests that can be answered at the same time; more than that wait."""


def parse(text: str) -> list[ServedEntityMetrics]:
    """What the metrics page says of each served entity, sorted by name.

    Lines of other metrics, and lines that are no samples, are passed over. Of several replicas counts are added up and
    percentages averaged.
    """
    samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for line in text.splitlines():
        found = _SAMPLE.fullmatch(line.strip())
        value = _number(found["value"]) if found else None
        if found is None or value is None:
            continue
        labels = {key: _unescaped(written) for key, written in _LABEL.findall(found["labels"] or "")}
        name = next((labels[label] for label in _NAME_LABELS if labels.get(label)), "")
        if found["metric"] != _BUCKET:
            samples[name][found["metric"]].append(value)
            continue
        edge = math.inf if labels.get("le") == "+Inf" else _number(labels.get("le", ""))
        if edge is not None:
            buckets[name][edge] += value
    return [_of_entity(name, samples[name], buckets[name]) for name in sorted({*samples, *buckets})]


def _of_entity(name: str, samples: Mapping[str, list[float]], buckets: Mapping[float, float]) -> ServedEntityMetrics:
    def added(metric: str) -> int | None:
        return round(sum(samples[metric])) if metric in samples else None

    def averaged(metric: str) -> float | None:
        return sum(samples[metric]) / len(samples[metric]) if metric in samples else None

    return ServedEntityMetrics(
        name=name,
        requests_per_minute=added("request_count_total"),
        errors_4xx=added("request_4xx_count_total"),
        errors_5xx=added("request_5xx_count_total"),
        p50_ms=_quantile(buckets, 0.5),
        p95_ms=_quantile(buckets, 0.95),
        cpu=averaged("cpu_usage_percentage"),
        memory=averaged("mem_usage_percentage"),
        in_flight=added(IN_FLIGHT),
        diverted=added(DIVERTED),
        provisioned=added("provisioned_concurrent_requests_total"),
    )


def _quantile(cumulative: Mapping[float, float], share: float) -> float | None:
    """The value below which this share lies, or None for an empty histogram.

    Values are taken to be spread evenly within their bucket; what lies above the last finite edge counts as that edge.
    """
    edges = sorted(cumulative)
    total = cumulative[edges[-1]] if edges else 0.0
    if total <= 0:
        return None
    below, lower = 0.0, 0.0
    for edge in edges:
        if cumulative[edge] >= share * total:
            if math.isinf(edge):
                break
            inside = cumulative[edge] - below
            return lower + (edge - lower) * ((share * total - below) / inside if inside > 0 else 1.0)
        below, lower = cumulative[edge], edge
    return lower


def _number(written: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(written)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _unescaped(written: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], written)
