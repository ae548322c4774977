"""An endpoint's metrics in Prometheus' text format, with the names that Databricks documents.

Counts are gauges over the last minute, as on Databricks: never `rate()` them. The latency histogram is cumulative
since the gateway started.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

_LATENCY_BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000)
_WINDOW_SECONDS = 60.0


class RequestCounters:
    """What one served entity has answered."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque()
        self._buckets = [0] * (len(_LATENCY_BUCKETS_MS) + 1)
        self._sum_ms = 0.0

    def count(self, status_code: int, seconds: float) -> None:
        """Count one answer."""
        now = time.monotonic()
        self._recent.append((now, status_code))
        self._forget(now)
        self._buckets[bisect_left(_LATENCY_BUCKETS_MS, seconds * 1000)] += 1
        self._sum_ms += seconds * 1000

    def last_minute(self, status_class: int | None = None) -> int:
        """How many answers of the last minute had a status of this class (4 for 4xx); all of them for None."""
        self._forget(time.monotonic())
        return sum(1 for _, status in self._recent if status_class is None or status // 100 == status_class)

    def histogram(self, labels: str) -> list[str]:
        """The lines of the latency histogram."""
        lines, total = [], 0
        for edge, number in zip((*_LATENCY_BUCKETS_MS, "+Inf"), self._buckets, strict=True):
            total += number
            lines.append(f'request_latency_ms_bucket{{{labels},le="{edge}"}} {total}')
        lines += [f"request_latency_ms_sum{{{labels}}} {self._sum_ms:.3f}"]
        return [*lines, f"request_latency_ms_count{{{labels}}} {total}"]

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - _WINDOW_SECONDS:
            self._recent.popleft()


@dataclass(frozen=True)
class EntityMetrics:
    """What is shown of one served entity. Percentages are of one processor core, and of the machine's memory."""

    served_model_name: str
    counters: RequestCounters
    in_flight: int
    cpu_percentage: float
    memory_percentage: float


def exposition(endpoint_name: str, entities: Iterable[EntityMetrics]) -> str:
    """The text of `GET …/metrics`. Names hold no character that the format would have to escape."""
    shown = [
        (f'endpoint_name="{endpoint_name}",served_model_name="{entity.served_model_name}"', entity)
        for entity in entities
    ]
    gauges = {
        "cpu_usage_percentage": [(labels, f"{entity.cpu_percentage:.2f}") for labels, entity in shown],
        "mem_usage_percentage": [(labels, f"{entity.memory_percentage:.3f}") for labels, entity in shown],
        "provisioned_concurrent_requests_total": [(labels, str(entity.in_flight)) for labels, entity in shown],
        "request_count_total": [(labels, str(entity.counters.last_minute())) for labels, entity in shown],
        "request_4xx_count_total": [(labels, str(entity.counters.last_minute(4))) for labels, entity in shown],
        "request_5xx_count_total": [(labels, str(entity.counters.last_minute(5))) for labels, entity in shown],
    }
    lines: list[str] = []
    for name, values in gauges.items():
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{{{labels}}} {value}" for labels, value in values]
    lines.append("# TYPE request_latency_ms histogram")
    for labels, entity in shown:
        lines += entity.counters.histogram(labels)
    return "\n".join(lines) + "\n"
