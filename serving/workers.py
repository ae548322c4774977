"""The model workers as the gateway sees them: started, watched, started again when they die, and stopped when idle."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Literal

import aiohttp

from serving.worker import WorkerOrder
from serving.worker_launcher import WorkerLauncher
from settings import Settings

logger = logging.getLogger(__name__)

State = Literal["starting", "ready", "restarting", "failed", "stopped"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
_STOP_SECONDS = 5.0
_LONGEST_FOLDER = 85
_LARGEST_LOG = 5 * 2**20


class WorkerUnavailable(Exception):
    """The worker cannot answer now, or died while it answered."""


class Worker:
    """One model version in one process at a time. It lives as long as it is wanted, through any number of processes."""

    def __init__(self, worker_id: str, model_uri: str, log_path: Path) -> None:
        self.worker_id = worker_id
        self.model_uri = model_uri
        self.log_path = log_path
        self.state: State = "starting"
        self.message = ""
        self.process_id: int | None = None
        self.in_flight = 0
        self.restarts = 0
        self.session: aiohttp.ClientSession | None = None
        self.settled = asyncio.Event()
        """Set when the first start has ended, well or not."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.wanted = True
        self.supervisor: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Count a request in. Every `begin` has its `end`."""
        self.in_flight += 1
        self.idle.clear()

    def end(self) -> None:
        """Count a request out."""
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()


class _Process:
    """One process of a worker: what it reports over its control connection."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None


class Workers:
    """All workers of this gateway."""

    def __init__(self, settings: Settings, launcher: WorkerLauncher) -> None:
        self._settings = settings
        self._launcher = launcher
        self._folder = _socket_folder(settings.home)
        self._control_path = self._folder / "control"
        self._control: asyncio.Server | None = None
        self._processes: dict[str, _Process] = {}
        self._number = 0

    async def open(self) -> None:
        """Listen for workers and start importing what they need."""
        self._control = await asyncio.start_unix_server(self._hear, self._control_path)
        await self._launcher.start()

    def start(self, name: str, model_uri: str, *, keep_trying: bool) -> Worker:
        """Start a worker and watch it from now on.

        Args:
            name: for the log file (only letters, digits, `_`, `-` and `.`).
            keep_trying: start it again even if its first start fails (a version that served before), instead of
                ending as `failed` (a version that is tried for the first time).
        """
        self._number += 1
        log_path = self._settings.home / "logs" / f"worker-{name}.log"
        if log_path.exists() and log_path.stat().st_size > _LARGEST_LOG:
            log_path.replace(log_path.with_suffix(".log.1"))
        worker = Worker(f"w{self._number}", model_uri, log_path)
        worker.supervisor = asyncio.create_task(self._supervise(worker, keep_trying))
        return worker

    async def stop(self, worker: Worker, drain_seconds: float) -> None:
        """Let the worker finish what it has, then end it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.idle.wait(), timeout=drain_seconds)
        if worker.in_flight:
            logger.warning("%s still had %d requests when its time was up.", worker.model_uri, worker.in_flight)
        worker.wanted = False
        if worker.supervisor is not None:
            worker.supervisor.cancel()
            await asyncio.gather(worker.supervisor, return_exceptions=True)
        worker.state = "stopped"

    async def close(self) -> None:
        """End the fork server and the folder of sockets. Stop the workers first."""
        if self._control is not None:
            self._control.close()
        await self._launcher.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _supervise(self, worker: Worker, keep_trying: bool) -> None:
        pause = _FIRST_PAUSE_SECONDS
        attempt = 0
        while worker.wanted:
            attempt += 1
            process_name = f"{worker.worker_id}.{attempt}"
            started = time.monotonic()
            problem = await self._one_life(worker, process_name)
            lived = time.monotonic() - started
            if worker.state == "starting" and not keep_trying:
                worker.state, worker.message = "failed", problem
                worker.settled.set()
                return
            worker.restarts += 1
            worker.state = "restarting" if worker.state in ("ready", "restarting") else "starting"
            worker.message = f"{problem} It is started again (number {worker.restarts})."
            worker.settled.set()
            logger.warning("%s", worker.message)
            pause = _FIRST_PAUSE_SECONDS if lived > _HEALTHY_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _one_life(self, worker: Worker, process_name: str) -> str:
        """Run one process from its start to its end. Returns how it ended, as a sentence."""
        worker.process_id = None
        process = self._processes[process_name] = _Process()
        socket_path = self._folder / process_name
        order = WorkerOrder(
            worker_id=process_name,
            model_uri=worker.model_uri,
            tracking_uri=self._settings.tracking_uri,
            registry_uri=self._settings.registry_uri,
            socket_path=str(socket_path),
            control_path=str(self._control_path),
            log_path=str(worker.log_path),
        )
        limit = self._settings.worker_start_seconds
        try:
            _tell_progress(worker, "launched")
            await self._launcher.launch(order)
            problem = await asyncio.wait_for(self._until_ready(worker, process), timeout=limit)
            if problem:
                return problem
            connector = aiohttp.UnixConnector(path=str(socket_path), limit=0, keepalive_timeout=60)
            async with aiohttp.ClientSession(connector=connector) as session:
                worker.session, worker.state, worker.message = session, "ready", ""
                worker.settled.set()
                await process.gone.wait()
                worker.session = None
            return f"The worker of {worker.model_uri} ended unexpectedly (process {worker.process_id})."
        except TimeoutError:
            return f"The worker of {worker.model_uri} was not ready within {limit:g} seconds."
        except OSError as error:
            return f"The worker of {worker.model_uri} cannot be started: {error}."
        finally:
            worker.session = None
            del self._processes[process_name]
            await self._end(worker, process)
            socket_path.unlink(missing_ok=True)

    async def _until_ready(self, worker: Worker, process: _Process) -> str:
        """Returns "" when the worker is ready, else why it will not be."""
        fork_server_ended = asyncio.create_task(self._launcher.ended())
        gone = asyncio.create_task(process.gone.wait())
        said = asyncio.create_task(process.said.get())
        try:
            while True:
                watched = {said, gone} if worker.process_id else {said, gone, fork_server_ended}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if not said.done():
                    which = "worker" if gone.done() else "fork server"
                    return f"The {which} of {worker.model_uri} ended while it was starting; its log may say why."
                word = said.result()
                worker.process_id = int(word["process_id"])
                if word["state"] == "ready":
                    return ""
                if word["state"] == "failed":
                    return word["message"]
                _tell_progress(worker, word["state"])
                said = asyncio.create_task(process.said.get())
        finally:
            for task in (fork_server_ended, gone, said):
                task.cancel()

    async def _end(self, worker: Worker, process: _Process) -> None:
        """Ask a process to stop, and kill it if it does not."""
        if process.writer is None or process.gone.is_set():
            return
        try:
            process.writer.write(b"stop\n")
            await asyncio.wait_for(process.gone.wait(), timeout=_STOP_SECONDS)
        except TimeoutError:
            # Its connection is still open, so the process with that number is still that one.
            if worker.process_id is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process_id, signal.SIGKILL)
        finally:
            process.writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what one worker process says until it ends."""
        process: _Process | None = None
        try:
            while line := await reader.readline():
                said = json.loads(line)
                process = self._processes.get(said["worker_id"])
                if process is None:  # nobody waits for it any more
                    return
                process.writer = writer
                process.said.put_nowait(said)
        except ConnectionError:
            logger.debug("A worker's control connection was reset.")
        finally:
            if process is not None:
                process.gone.set()
            writer.close()


def _tell_progress(worker: Worker, state: str) -> None:
    """Say how far a first start is. Of a later one, why it became necessary is worth more."""
    if worker.restarts == 0:
        worker.message = {
            "launched": f"A process for {worker.model_uri} is being started.",
            "starting": f"Process {worker.process_id} loads {worker.model_uri}.",
            "warming": f"Process {worker.process_id} has loaded {worker.model_uri} and answers its example once.",
        }.get(state, "")


def _socket_folder(home: Path) -> Path:
    """An empty folder for sockets that only this user may enter."""
    folder = home / "gateway" / "sockets"
    # A socket's path is at most 107 bytes (103 on macOS), and a workspace may stand deep.
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        return Path(tempfile.mkdtemp(prefix="lakehelm-"))
    shutil.rmtree(folder, ignore_errors=True)  # what a killed gateway left
    folder.mkdir(parents=True, mode=0o700)
    return folder
