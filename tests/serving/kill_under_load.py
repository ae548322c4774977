"""Asks a gateway from many threads while it is killed again and again, and remembers every answer that was given."""

import http.client
import json
import random
import threading
import time

from tests.serving.gateway_process import GatewayProcess


class Askers:
    """`acknowledged` maps the request id of every answer read to the end to the question's own id."""

    def __init__(self, gateway: GatewayProcess, endpoint: str, threads: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self.statuses: set[int] = set()
        self._gateway = gateway
        self._endpoint = endpoint
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            own_id = f"{number}-{turn}"
            streamed = {"stream": True} if turn % 5 == 0 else {}
            try:
                status, headers, body = self._gateway.ask(
                    self._endpoint, f"question {own_id}", client_request_id=own_id, **streamed
                )
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)  # the gateway is down: this request was never acknowledged
                continue
            complete = not streamed or status != 200 or body.endswith(b"data: [DONE]\n\n")
            if "x-request-id" in headers and complete:
                self.acknowledged[headers["x-request-id"]] = own_id
                self.statuses.add(status)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def assert_nothing_lost_and_nothing_twice(gateway: GatewayProcess, acknowledged: dict[str, str]) -> None:
    rows = gateway.rows()
    ids = [row["databricks_request_id"] for row in rows]
    assert len(ids) == len(set(ids)), "a request stands in the inference table twice"
    own_ids = {row["databricks_request_id"]: row["client_request_id"] for row in rows}
    lost = set(acknowledged) - set(own_ids)
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged requests are not in the inference table"
    assert {request_id: own_ids[request_id] for request_id in acknowledged} == acknowledged
    for row in rows:
        if row["status_code"] == 200:
            question = json.loads(row["request"])["input"][0]["content"]
            assert question in row["response"]
    assert not list((gateway.settings.home / "gateway" / "spool").glob("*/*.segment"))


def kill_again_and_again(gateway: GatewayProcess, endpoint: str, kills: int, seed: int, threads: int = 4) -> Askers:
    """Kill and restart the gateway at random moments under load, then stop it in the ordinary way."""
    moments = random.Random(seed)
    askers = Askers(gateway, endpoint, threads)
    try:
        for _ in range(kills):
            gateway.wait_until_ready(endpoint)
            before = len(askers.acknowledged)
            time.sleep(moments.uniform(0.1, 1.5))
            while len(askers.acknowledged) == before:
                time.sleep(0.01)
            gateway.kill()
            gateway.start()
        gateway.wait_until_ready(endpoint)
    finally:
        askers.stop()
    assert gateway.stop() == 0
    return askers
