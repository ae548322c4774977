"""A model worker: one process that has one model version loaded and answers for it on a UNIX socket.

`python -m serving.worker '<order as JSON>'` runs one; mostly the fork server does. A worker holds a connection to its
gateway: over it the worker says `starting`, `ready` or `failed`, and the gateway says `stop`. When the connection
breaks, the other side is gone: a worker never outlives its gateway, and the gateway learns at once that a worker died.
"""

import asyncio
import json
import logging
import os
import random
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Reply:
    """An answer of a model: HTTP status and JSON body."""

    status: int
    body: bytes


class Refused(Exception):
    """A model does not answer this body, and says why in the shape of an answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class LoadedModel(Protocol):
    """A model version in memory. What is not `Refused` but raised is a fault of the model (500)."""

    def warm_up(self) -> None:
        """Answer once, so that the first person does not wait for what is built at the first call."""

    def answer(self, body: bytes) -> Reply:
        """The answer to a request's JSON body."""

    def stream(self, body: bytes) -> Iterator[bytes]:
        """The events of a streamed answer, each as JSON."""


@dataclass(frozen=True)
class WorkerOrder:
    """What a worker is to do. All paths are absolute."""

    worker_id: str
    model_uri: str
    tracking_uri: str
    registry_uri: str
    socket_path: str
    control_path: str
    log_path: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> "WorkerOrder":
        """The order that `to_json` wrote."""
        return WorkerOrder(**json.loads(line))


Loader = Callable[[WorkerOrder], LoadedModel]


def load_mlflow_model(order: WorkerOrder) -> LoadedModel:
    """The loader of real workers."""
    from serving.mlflow_model import MlflowModel

    return MlflowModel(order.model_uri, order.tracking_uri, order.registry_uri)


def run_worker(order: WorkerOrder, load: Loader = load_mlflow_model) -> int:
    """Load, warm up, serve until the gateway says stop or goes away. Returns the exit code."""
    _write_output_to(Path(order.log_path))
    random.seed()
    control = _Control(order)
    control.say("starting")
    try:
        model = load(order)
        control.say("warming")
        model.warm_up()
    except Exception as error:  # noqa: BLE001 - whatever a model raises is why this version does not start
        traceback.print_exc()
        control.say("failed", f"{order.model_uri} cannot be served: {type(error).__name__}: {_first_line(error)}")
        return 1
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(order.socket_path)
    listener.listen(2048)
    asyncio.run(_serve(model, listener, control))
    return 0


async def _serve(model: LoadedModel, listener: socket.socket, control: "_Control") -> None:
    import uvicorn

    from serving.model_server import ModelServer

    config = uvicorn.Config(
        ModelServer(model),
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        # The gateway lets idle connections go first; one that we closed while it is reused would be a lost request.
        timeout_keep_alive=24 * 3600,
    )
    server = uvicorn.Server(config)
    control.serve(server)
    control.say("ready")
    await server.serve(sockets=[listener])


class _Control:
    """The connection to the gateway."""

    def __init__(self, order: WorkerOrder) -> None:
        self._order = order
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(order.control_path)
        self._server: object | None = None
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def say(self, state: str, message: str = "") -> None:
        line = {"worker_id": self._order.worker_id, "process_id": os.getpid(), "state": state, "message": message}
        self._socket.sendall(json.dumps(line).encode() + b"\n")

    def serve(self, server: object) -> None:
        self._server = server

    def _listen(self) -> None:
        try:
            word = self._socket.recv(64)
        except OSError:
            word = b""
        if word and self._server is not None:
            # uvicorn's own way to end: no new connections, the requests that run are finished.
            self._server.should_exit = True  # type: ignore[attr-defined]
        else:
            os._exit(0)  # the gateway is gone, or does not want us any more before we are ready


def _write_output_to(log_path: Path) -> None:
    log_path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0][:500]


if __name__ == "__main__":
    sys.exit(run_worker(WorkerOrder.from_json(sys.argv[1])))
