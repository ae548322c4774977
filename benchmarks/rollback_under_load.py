"""Promotion, canary, abort and rollbacks through `registry.changes`, while eight clients ask without a pause.

A real gateway with the tests' echo models, a real registry, a real ledger; the clients are a process of their own.
`ours` is the 95th percentile of a rollback to a warm standby as its person waits for it: plan, ledger, switch, probe,
aliases, outcome. `peer` is the promise of one second. `traffic_moved_p95_s` is the part after which no request goes to
the old version any more, told by the clients' own log. Exits with 1 if a request failed or the split was not kept.
"""

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from lakehouse.ledger import changes
from registry.changes import plan_promotion, plan_rollback, plan_split
from registry.plans import ChangePlan, ChangeReport
from serving.endpoint_metrics import parse
from serving.gateway_token import read_gateway_token
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

SECONDS = 60.0
CLIENTS = 8
ROLLBACKS = 20
CANARY_PERCENT = 10
CANARY_ANSWERS = 2_000
PROMISED_SECONDS = 1.0
NAME = "bench"


@dataclass(frozen=True)
class Asked:
    """One request: when it was sent (clock of this machine, seconds), and who answered. `problem` is why it failed."""

    sent: float
    served: str
    problem: str = ""


@dataclass(frozen=True)
class Moved:
    """A rollback: when it was asked for, which version lost the traffic, and what the report says."""

    begun: float
    ended: float
    old: str
    report: ChangeReport


def ask_until(port: int, token: str, stop: float, clients: int) -> list[Asked]:
    """Everything that so many clients at once were answered until the clock says `stop`."""
    found: list[Asked] = []
    threads = [threading.Thread(target=_client, args=(port, token, stop, found)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _client(port: int, token: str, stop: float, found: list[Asked]) -> None:
    headers = {"authorization": f"Bearer {token}"}
    body = json.dumps({"input": [{"role": "user", "content": "hello"}]})
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    while (sent := time.time()) < stop:
        try:
            connection.request("POST", f"/serving-endpoints/{NAME}/invocations", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            found.append(Asked(sent, "", type(error).__name__))
            connection.close()
            continue
        served = answer.headers["served-model-name"] or ""
        version = served.rpartition("-")[2]
        right = f"models:/echo.{NAME}/{version} heard hello" in text
        problem = "" if answer.status == 200 and right else f"{answer.status}: {text[:200]}"
        found.append(Asked(sent, served, problem))


def rehearse(production: EchoProduction, stop: float) -> tuple[list[Moved], tuple[float, float]]:
    """All the changes, one after the other, until `stop`.

    Returns: the rollbacks, and the time in which the canary had its share.
    """
    settings, client = production.settings, production.client

    def do(plan: Callable[[], ChangePlan]) -> Moved:
        begun = time.time()
        made = plan()
        report = production.do(made, reason="a rehearsal")
        old = max(made.before.traffic, key=made.before.traffic.__getitem__)
        return Moved(begun, time.time(), old, report)

    do(lambda: plan_promotion(settings, client, "3"))
    canary = do(lambda: plan_promotion(settings, client, "4", share=CANARY_PERCENT)).ended
    while _canary_answers(production) < CANARY_ANSWERS * CANARY_PERCENT / 100 + 10 and time.time() < canary + 30:
        time.sleep(0.2)
    aborted = time.time()
    do(lambda: plan_split(settings, client, {}, action="abort"))
    moved: list[Moved] = []
    versions = ("4", "3")  # 3 has the traffic, and what the abort took it from is warm
    while len(moved) < ROLLBACKS or time.time() < stop - 2:
        target = versions[len(moved) % 2]
        moved.append(do(partial(plan_rollback, settings, client, to_version=target)))
        time.sleep(0.2)
    return moved, (canary, aborted)


def _canary_answers(production: EchoProduction) -> int:
    """How many requests the canary has answered; it is less than a minute old."""
    shown = parse(production.client.metrics_text(NAME))
    return sum(entity.requests_per_minute or 0 for entity in shown if entity.name == f"{NAME}-4")


def p95(values: list[float]) -> float:
    """The 95th percentile, by the nearest rank."""
    return sorted(values)[-(-len(values) * 95 // 100) - 1]


def until_moved(moved: Moved, asked: list[Asked]) -> float:
    """Seconds from the click until the last request was sent that the old version still answered."""
    late = [one.sent for one in asked if moved.begun <= one.sent <= moved.ended and one.served == f"{NAME}-{moved.old}"]
    return max(late, default=moved.begun) - moved.begun


def measure(seconds: float = SECONDS) -> dict[str, Any]:
    """The benchmark's line."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        gateway = GatewayProcess(Path(folder))
        try:
            production = echo_production(gateway.settings, NAME)
            token, port = read_gateway_token(gateway.settings), gateway.settings.gateway_port
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
                other.submit(ask_until, port, token, 0.0, 1).result()  # it has imported everything
                begun = time.time()
                asking = other.submit(ask_until, port, token, begun + seconds, CLIENTS)
                moved, (canary, aborted) = rehearse(production, begun + seconds)
                ended = time.time()
                asked = asking.result()
            outcomes = Counter(str(change.outcome) for change in changes(production.settings, limit=10_000))
        finally:
            gateway.stop()
    under_load = [one for one in moved if one.ended < begun + seconds]
    shares = Counter(one.served for one in asked if canary < one.sent < aborted)
    waited = [one.ended - one.begun for one in under_load]
    return {
        "bench": "rollback to a warm standby under load, p95 s",
        "ours": round(p95(waited), 3),
        "peer": PROMISED_SECONDS,
        "ratio": round(p95(waited) / PROMISED_SECONDS, 3),
        "p50_s": round(statistics.median(waited), 3),
        "traffic_moved_p95_s": round(p95([until_moved(one, asked) for one in under_load]), 3),
        "endpoint_switch_p95_s": round(p95([one.report.switch_seconds for one in under_load]), 3),
        "rollbacks": len(under_load),
        "requests": len(asked),
        "failed_requests": sum(1 for one in asked if one.problem),
        "problems": sorted({one.problem for one in asked if one.problem})[:5],
        "canary_percent": round(100 * shares[f"{NAME}-4"] / max(1, shares.total()), 3),
        "canary_answers": shares.total(),
        "clients": CLIENTS,
        "seconds": round(min(ended - begun, seconds), 1),
        "ledger": dict(outcomes),
    }


def main() -> int:
    """Print the line. Returns 1 if what must hold did not."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # it would tell of every copy
    line = measure()
    print(json.dumps(line))
    kept = line["canary_answers"] >= CANARY_ANSWERS and abs(line["canary_percent"] - CANARY_PERCENT) <= 2
    return 0 if line["failed_requests"] == 0 and kept else 1


if __name__ == "__main__":
    sys.exit(main())
