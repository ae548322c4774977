"""An endpoint's metrics in Prometheus' text format, with the names that Databricks documents.

Everything is over the last minute, the latency histogram included, as on Databricks: never `rate()` any of it.
`serving.endpoint_metrics` reads this text.
"""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from serving.endpoint_metrics import DIVERTED, IN_FLIGHT

LATENCY_BUCKETS_MS = (
    *(1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1000, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000, 30000, 60000),
)
_WINDOW_SECONDS = 60


@dataclass
class _Second:
    """What was answered within one second."""

    second: int
    statuses: Counter[int] = field(default_factory=Counter)
    """Status class (4 for 4xx) → answers."""
    buckets: Counter[int] = field(default_factory=Counter)
    """Index of the latency bucket → answers."""
    sum_ms: float = 0.0
    diverted: int = 0


class RequestCounters:
    """What one served entity answered: in the last minute, kept by the second, and in all since the gateway began.

    answered: status class (4 for 4xx) → answers. spread: answers by latency bucket, the last has what is slower than
    all of them. seconds: the sum of all latencies. diverted: requests that were meant for it and answered by another.
    """

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque()
        self.answered: Counter[int] = Counter()
        self.spread = [0] * (len(LATENCY_BUCKETS_MS) + 1)
        self.seconds = 0.0
        self.diverted = 0

    def count(self, status_code: int, seconds: float) -> None:
        """Count one answer."""
        latest, bucket = self._latest(), bisect_left(LATENCY_BUCKETS_MS, seconds * 1000)
        latest.statuses[status_code // 100] += 1
        latest.buckets[bucket] += 1
        latest.sum_ms += seconds * 1000
        self.answered[status_code // 100] += 1
        self.spread[bucket] += 1
        self.seconds += seconds

    def count_diverted(self) -> None:
        """Count one request that was meant for this entity and is answered by another."""
        self._latest().diverted += 1
        self.diverted += 1

    def last_minute(self, status_class: int | None = None) -> int:
        """How many answers had a status of this class (4 for 4xx); all of them for None."""
        self._forget(int(time.monotonic()))
        return sum(
            second.statuses.total() if status_class is None else second.statuses[status_class]
            for second in self._seconds
        )

    def diverted_last_minute(self) -> int:
        """How many requests that were meant for this entity were answered by another."""
        self._forget(int(time.monotonic()))
        return sum(second.diverted for second in self._seconds)

    def histogram(self, labels: str) -> list[str]:
        """The lines of the latency histogram."""
        self._forget(int(time.monotonic()))
        lines, total = [], 0
        for number, edge in enumerate((*LATENCY_BUCKETS_MS, "+Inf")):
            total += sum(second.buckets[number] for second in self._seconds)
            lines.append(f'request_latency_ms_bucket{{{labels},le="{edge}"}} {total}')
        sum_ms = sum(second.sum_ms for second in self._seconds)
        return [
            *lines,
            f"request_latency_ms_sum{{{labels}}} {sum_ms:.3f}",
            f"request_latency_ms_count{{{labels}}} {total}",
        ]

    def _latest(self) -> _Second:
        now = int(time.monotonic())
        self._forget(now)
        if not self._seconds or self._seconds[-1].second != now:
            self._seconds.append(_Second(now))
        return self._seconds[-1]

    def _forget(self, now: int) -> None:
        while self._seconds and self._seconds[0].second <= now - _WINDOW_SECONDS:
            self._seconds.popleft()


@dataclass(frozen=True)
class EntityMetrics:
    """What is shown of one served entity. Percentages are of one processor core, and of the machine's memory."""

    served_model_name: str
    counters: RequestCounters
    in_flight: int
    provisioned: int
    """How many requests it can answer at the same time."""
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
        "provisioned_concurrent_requests_total": [(labels, str(entity.provisioned)) for labels, entity in shown],
        DIVERTED: [(labels, str(entity.counters.diverted_last_minute())) for labels, entity in shown],
        IN_FLIGHT: [(labels, str(entity.in_flight)) for labels, entity in shown],
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
