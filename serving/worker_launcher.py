"""The gateway's hold on the fork server: started when first needed, and again when it has died."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from serving.fork_server import ENVIRONMENT
from serving.worker import WorkerOrder

logger = logging.getLogger(__name__)

FORK_SERVER = (sys.executable, "-m", "serving.fork_server")
_NOT_FOR_MODELS = (
    "LAKEHELM_GATEWAY_TOKEN",
    "LAKEHELM_TOKEN",
    "LAKEHELM_STORAGE_OPTIONS",
    "LAKEHELM_SECRETS_DIR",
)
"""Our own secrets: code that came with a model has no business with them."""
_PROJECT = Path(__file__).resolve().parents[1]


class WorkerLauncher:
    """Hands orders to the fork server.

    Args:
        log_path: where the fork server writes.
        command: how the fork server is started.
    """

    def __init__(self, log_path: Path, command: tuple[str, ...] = FORK_SERVER) -> None:
        self._log_path = log_path
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start the fork server, unless it runs, so that its imports are done before they are needed."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_MODELS}
            path = os.pathsep.join(part for part in (str(_PROJECT), os.environ.get("PYTHONPATH", "")) if part)
            with self._log_path.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env={**environment, **ENVIRONMENT, "PYTHONPATH": path},
                    # Ctrl-C in a terminal is for the gateway: workers may finish their requests.
                    start_new_session=True,
                )

    async def launch(self, order: WorkerOrder) -> None:
        """Have one worker started. It reports to the control socket by itself. Raises OSError if it cannot be."""
        await self.start()
        pipe = self._process.stdin if self._process is not None else None
        if pipe is None:
            raise BrokenPipeError("The fork server has no input.")
        pipe.write(order.to_json().encode() + b"\n")
        await pipe.drain()

    async def ended(self) -> None:
        """Return when the fork server that runs now has ended."""
        if self._process is not None:
            await self._process.wait()

    @property
    def process_id(self) -> int | None:
        """The fork server's process, or None while there is none."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def stop(self) -> None:
        """End the fork server. Workers end by their own connection to the gateway."""
        if self._process is None or self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), timeout=2)
        except TimeoutError:  # it is still importing
            self._process.kill()
            await self._process.wait()
