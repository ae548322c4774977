"""The gateway's process: one for each workspace, on 127.0.0.1 only."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import uvicorn

from serving.api import Api
from serving.errors import CannotServe
from serving.gateway import Gateway
from serving.gateway_token import read_or_make_gateway_token
from serving.worker_launcher import FORK_SERVER
from serving.workspace_id import workspace_id
from settings import Settings

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"


def run_gateway(settings: Settings, fork_server: tuple[str, ...] = FORK_SERVER) -> None:
    """Serve until SIGTERM or Ctrl-C; then answer what runs, deliver what is spooled, and return.

    Raises: CannotServe, if another gateway serves this workspace or the port is taken.
    """
    with lock_workspace(settings.home), _listen(settings) as listener:
        _log_to(settings.home / "logs" / "gateway.log")
        api = Api(Gateway(settings, fork_server), read_or_make_gateway_token(settings))
        config = uvicorn.Config(
            api,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            access_log=False,  # it would be the only place where each request costs a write
            log_config=None,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(settings.gateway_drain_seconds)),
        )
        server = uvicorn.Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn raises the signal again when it has ended; an orderly end is no death by signal.
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        print(f"The gateway of {settings.home} listens at {settings.gateway_url}.", flush=True)
        server.run(sockets=[listener])


@contextlib.contextmanager
def lock_workspace(home: Path) -> Iterator[None]:
    """Hold the workspace's gateway lock. The system releases it when the process ends, however it ends.

    Raises: CannotServe, if another process holds it.
    """
    folder = home / "gateway"
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CannotServe(
                f"A gateway (process {holder}) serves the workspace {home} already: use that one, or stop it first."
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, settings.gateway_port))
            listener.listen(2048)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotServe(f"Port {settings.gateway_port} cannot be opened: {error.strerror}.") from error
            raise CannotServe(
                f"Port {settings.gateway_port} on {_HOST} is taken by {_holder(settings)}: "
                "stop that, or set LAKEHELM_GATEWAY_PORT to a free port."
            ) from error
        yield listener
    finally:
        listener.close()


def _holder(settings: Settings) -> str:
    """Who answers at the port, in words."""
    connection = HTTPConnection(_HOST, settings.gateway_port, timeout=1)
    try:
        connection.request("GET", "/health")
        health = json.loads(connection.getresponse().read(4096))
        if isinstance(health, dict) and "workspace" in health:
            same = health["workspace"] == workspace_id(settings.home)
            which = "this workspace" if same else "another workspace"
            return f"the gateway of {which} (process {health.get('process_id')})"
    except (OSError, HTTPException, ValueError):
        return "another program"
    finally:
        connection.close()
    return "another program"


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
