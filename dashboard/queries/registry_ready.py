"""MLflow is imported in the background: it takes seconds, and no page should be the one that waits for them."""

import logging
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dashboard.errors import DashboardError
from dashboard.garbage_collection import leave_what_is_imported_alone
from settings import Settings, get_settings

_log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"
_ready = threading.Event()
_starting = threading.Lock()
_thread: threading.Thread | None = None
_problem = ""


class RegistryStarting(DashboardError):
    """The registry's client is being imported; a moment later it can be asked."""


@dataclass(frozen=True)
class RegistryState:
    """Whether the registry can be asked: `starting` (its client is being imported), `ready`, `failed`, or `empty`.

    `empty`: there is no registry yet, and looking must not be what makes one.
    """

    state: Literal["starting", "ready", "empty", "failed"]
    message: str = ""
    """Why it failed, as a sentence."""


def start() -> None:
    """Begin the import unless it has begun, or there is no registry in this workspace yet. Never waits."""
    global _thread
    if _ready.is_set() or not registry_exists(get_settings()):
        return
    with _starting:
        # A failed import is tried once only: the next one would fail in the same way.
        if _thread is None:
            _thread = threading.Thread(target=_import, name="registry-import", daemon=True)
            _thread.start()


def registry_state() -> RegistryState:
    """Whether the registry can be asked; never waits. Asking also begins the import."""
    if not registry_exists(get_settings()):
        return RegistryState("empty")
    start()
    if _problem:
        return RegistryState("failed", _problem)
    return RegistryState("ready" if _ready.is_set() else "starting")


def wait_until_ready(seconds: float = 60.0) -> None:
    """For threads in the background: return when the registry can be asked.

    Raises: RegistryStarting, if it cannot after `seconds`.
    """
    start()
    if not _ready.wait(seconds):
        raise RegistryStarting(_problem or "The registry's client is starting: look again in a moment.")


def registry_exists(settings: Settings) -> bool:
    """Whether there is a registry to ask: a server, or a database file of MLflow's that is complete.

    Asking MLflow for a database that is not there would make it, beside whoever is making it at that moment.
    """
    if not settings.registry_uri.startswith(_SQLITE):
        return True
    file = Path(settings.registry_uri.removeprefix(_SQLITE))
    if not file.is_file():
        return False
    try:
        database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
        try:
            # MLflow's own last step: which state of its tables the file has.
            return database.execute("SELECT 1 FROM alembic_version").fetchone() is not None
        finally:
            database.close()
    except sqlite3.Error as error:
        # Locked: somebody writes into it just now, so it is there.
        return "locked" in str(error)


def _import() -> None:
    global _problem
    try:
        from registry.versions import client

        client(get_settings())
        # Each of these is imported when it is first used, which would be somebody's first look at a version.
        import mlflow.models
        import mlflow.store.artifact.artifact_repository_registry  # noqa: F401
    # Whatever it is: this thread has no page to fail on, so the pages are told.
    except Exception as error:  # noqa: BLE001
        _log.exception("MLflow could not be imported.")
        _problem = f"The registry's client could not be loaded: {error}"
    else:
        _ready.set()
        leave_what_is_imported_alone()
