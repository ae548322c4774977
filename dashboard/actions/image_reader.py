"""The queue of images that wait to be read: one process reads them, one at a time, for all visitors.

The process is started by the first image and ends when none has come for a while, or when one takes too long.
"""

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.errors import DashboardError
from dashboard.reading_process import KEEP, READ, read_frame, write_frame
from vision.errors import ImageRefused

_log = logging.getLogger(__name__)

MOST_WAITING = 6
"""Images that may wait beside the one that is being read; about a minute's work."""
MOST_OF_ONE = 2
"""Images of one person that may wait or be read, so that nobody fills the queue alone."""
MOST_WAITING_MEGABYTES = 300
"""How large the files that wait may be together, as they wait in the dashboard's memory."""
MOST_SECONDS = 120.0
"""How long one image may take, the start of the process included."""
_IDLE_SECONDS = 300.0
_SECRET = re.compile("^LAKEHELM_|KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
"""Names of what the process has no use for: it needs no setting, and it decodes the files of strangers."""
_ROOT = Path(__file__).resolve().parent.parent.parent


class ReaderBusy(DashboardError):
    """So many images wait that no more are taken."""


class ReaderBroke(DashboardError):
    """The process that reads images ended or took too long."""


@dataclass(frozen=True)
class ReadImage:
    """What came of an image: the copy to keep, its kind, and the reading as JSON has it, None where none was wanted."""

    image: bytes
    media_type: str
    reading: dict[str, Any] | None


class ImageJob:
    """One image, from its upload until it is read. Safe to look at from any thread.

    Args:
        image: the file.
        actor: the name of who gave it.
        wanted: tells, when its turn comes, whether to read it or only to make the copy to keep.
        then: called with what came of it, before anybody sees that it has ended; its value is the job's. Not called
            where nobody waits for it any more.
    """

    def __init__(self, image: bytes, actor: str, wanted: Callable[[], bool], then: Callable[[ReadImage], Any]) -> None:
        self.image = image
        self.actor = actor
        self.wanted = wanted
        self.then = then
        self.value: Any = None
        self.error: Exception | None = None
        self.dropped = False
        self.begun_at: float | None = None
        self._ended = threading.Event()

    @property
    def done(self) -> bool:
        """Whether it has ended, with a value or with an error."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """How long it has been read; 0 while it waits."""
        return 0.0 if self.begun_at is None else time.monotonic() - self.begun_at

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, at most so long. Returns `done`."""
        return self._ended.wait(seconds)

    def drop(self) -> None:
        """Nobody waits for it any more: it ends at once if it has not begun, and nothing of it is kept in any case."""
        self.dropped = True
        if self.begun_at is None:
            self.end()

    def end(self) -> None:
        """It has ended."""
        self.image = b""
        self._ended.set()


class ImageReader:
    """The queue and the process behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[ImageJob] = deque()
        self._at: ImageJob | None = None
        self._working: threading.Thread | None = None
        self._news = threading.Condition(self._lock)
        self._process: subprocess.Popen[bytes] | None = None

    def submit(self, job: ImageJob) -> None:
        """Put an image into the queue. Raises: ReaderBusy."""
        with self._news:
            self._waiting = deque(one for one in self._waiting if not one.dropped)
            self._refuse(job)
            self._waiting.append(job)
            if self._working is None:
                self._working = threading.Thread(target=self._work, name="image-reader", daemon=True)
                self._working.start()
            self._news.notify()

    def before(self, job: ImageJob) -> int:
        """How many images are read before this one, that which is being read included; 0 once it is its turn."""
        with self._lock:
            waiting = [one for one in self._waiting if not one.dropped]
            return waiting.index(job) + 1 if job in waiting else 0

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                # An image that was only half sent cannot be sent to its end any more.
                with suppress(OSError):
                    stream.close()

    def _refuse(self, job: ImageJob) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise ReaderBusy(f"{MOST_WAITING} images wait to be read: try again in a minute.")
        under_way = [*self._waiting, *([self._at] if self._at else [])]
        if sum(one.actor == job.actor for one in under_way) >= MOST_OF_ONE:
            raise ReaderBusy(f"{MOST_OF_ONE} images of yours wait or are being read: try again when one is done.")
        if sum(len(one.image) for one in [*self._waiting, job]) > MOST_WAITING_MEGABYTES * 2**20:
            raise ReaderBusy("The images that wait to be read are too large together: try again in a minute.")

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if not job.dropped:
                self._do(job)
            with self._lock:
                self._at = None
            job.end()

    def _next(self) -> ImageJob | None:
        """The next image, or None when none has come for so long that process and thread end."""
        with self._news:
            if not self._waiting:
                self._news.wait(_IDLE_SECONDS)
            if self._waiting:
                self._at = self._waiting.popleft()
                return self._at
            self._working = None
            self.close()
            return None

    def _do(self, job: ImageJob) -> None:
        job.begun_at = time.monotonic()
        try:
            read = self._read(job, READ if job.wanted() else KEEP)
            # Cancelled meanwhile: what was given by mistake must not be kept.
            if not job.dropped:
                job.value = job.then(read)
        # This thread has no page to fail on, and the next image is somebody else's: the job carries the failure.
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, DashboardError | ImageRefused):
                _log.exception("An image could not be read or kept.")
            job.error = error

    def _read(self, job: ImageJob, order: bytes) -> ReadImage:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        too_late = threading.Timer(MOST_SECONDS, process.kill)
        too_late.start()
        try:
            write_frame(process.stdin, order)
            write_frame(process.stdin, job.image)
            about, kept = json.loads(read_frame(process.stdout)), read_frame(process.stdout)
        except (OSError, EOFError) as error:
            late = job.seconds >= MOST_SECONDS
            self.close()
            reason = f"takes more than {MOST_SECONDS:.0f} seconds" if late else "ended the process that read it"
            raise ReaderBroke(f"This image {reason}: try it smaller, or as another export of the drawing.") from error
        finally:
            too_late.cancel()
        if "refused" in about:
            raise ImageRefused(about["refused"])
        return ReadImage(kept, about["media_type"], about["reading"])

    def _running(self) -> "subprocess.Popen[bytes]":
        """The process, started if there is none."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            command = [sys.executable, "-m", "dashboard.reading_process"]
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env={name: value for name, value in os.environ.items() if not _SECRET.search(name)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return self._process


def image_reader() -> ImageReader:
    """The queue of this dashboard."""
    found: ImageReader = _image_reader()
    return found


@st.cache_resource(show_spinner=False, on_release=ImageReader.close)
def _image_reader() -> ImageReader:
    return ImageReader()
