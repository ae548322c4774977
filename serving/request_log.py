"""The way of a request into the inference table: spooled before its answer leaves, delivered every few seconds."""

import asyncio
import contextlib
import logging
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse.errors import LakehouseError
from lakehouse.status import write_status
from serving.delivery import deliver_segments, record_changes
from serving.endpoint_config import EndpointStore
from serving.spool import Segment, Spool, remove_empty_spool, segments_of_dead_spools
from settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogState:
    """How far delivery is. `problem`: why requests wait; empty if they need not."""

    delivered: int
    waiting_segments: int
    problem: str


class RequestLog:
    """The spool of this gateway and the task that empties it into the lake.

    Args:
        settings: where spool and tables stand, and how often to deliver.
        store: the changes of configuration that are recorded before the rows that refer to them.
    """

    def __init__(self, settings: Settings, store: EndpointStore) -> None:
        self._settings = settings
        self._store = store
        self._root = settings.home / "gateway" / "spool"
        self._spool = Spool(self._root)
        self._undelivered: list[Segment] = segments_of_dead_spools(self._root, self._spool.spool_id)
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._delivered = 0
        self._problem = ""

    def start(self) -> None:
        """Begin to deliver; what earlier gateways left comes first."""
        self._wake.set()
        self._task = asyncio.create_task(self._deliver_for_ever())

    async def append(self, record: bytes) -> None:
        """Return when the record is on disk. Raises SpoolError."""
        await self._spool.append(record)

    @property
    def state(self) -> LogState:
        """How many requests of this gateway were delivered, and what waits."""
        return LogState(self._delivered, len(self._undelivered), self._problem.partition("\n")[0])

    def hurry(self) -> None:
        """Deliver now rather than at the next time."""
        self._wake.set()

    async def stop(self) -> None:
        """Close the spool and deliver what is in it. What cannot be delivered is left for the next start."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task  # never cancelled: its thread would go on, and race with the last delivery
        await asyncio.to_thread(self._spool.close)
        await self.flush()
        self._spool.remove_if_empty()

    async def flush(self) -> bool:
        """Deliver everything that is spooled. Returns whether all of it stands in the tables now."""
        async with self._flushing:
            await asyncio.to_thread(self._spool.roll)
            self._undelivered += self._spool.take_closed()
            changes = list(self._store.unrecorded)
            if not changes and not self._undelivered:
                return True
            started = time.perf_counter()
            try:
                await asyncio.to_thread(record_changes, self._settings, changes)
                self._store.forget(changes)
                delivered = await asyncio.to_thread(deliver_segments, self._settings, list(self._undelivered))
            # Whatever it is, the next try may go better; deliveries that ended for good would go unnoticed.
            except Exception as error:  # noqa: BLE001
                self._keep(_said_of(error))
                return False
            for spool_id in {segment.spool_id for segment in self._undelivered} - {self._spool.spool_id}:
                remove_empty_spool(self._root / spool_id)
            self._undelivered, self._problem = [], ""
            self._delivered += delivered
            logger.info("Delivered %d requests in %.2f s.", delivered, time.perf_counter() - started)
            self._write_status()
            return True

    async def _deliver_for_ever(self) -> None:
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=self._settings.gateway_flush_seconds)
            self._wake.clear()
            await self.flush()

    def _keep(self, problem: str) -> None:
        """Leave what is not delivered for the next try, and say why once."""
        if problem != self._problem:
            logger.error("Requests wait in the spool: %s", problem)
        self._problem = problem
        self._undelivered = [segment for segment in self._undelivered if segment.path.exists()]
        self._write_status()

    def _write_status(self) -> None:
        state = self.state
        status = {
            "delivered_requests": state.delivered,
            "waiting_segments": state.waiting_segments,
            "delivered_at": datetime.now(UTC).isoformat() if not state.problem else None,
            "problem": state.problem,
        }
        with contextlib.suppress(OSError):  # only what a page shows; the spool itself has reported a full disk
            write_status(self._settings, "gateway", status)


def _said_of(error: Exception) -> str:
    """An error as it is logged: one that we did not expect could quote a row, so it gets its kind and place only."""
    if isinstance(error, (LakehouseError, OSError)):
        return str(error)
    return f"{type(error).__name__}; the gateway's log says where.\n{''.join(traceback.format_tb(error.__traceback__))}"
