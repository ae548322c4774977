"""The clients of the models that may be asked about an image are loaded in the background: it takes seconds."""

import logging
import threading

from settings import get_settings
from vision.ask import load_clients

_log = logging.getLogger(__name__)
_starting = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Begin, unless it has begun in this process or there is no model to ask. Never waits."""
    global _thread
    if not get_settings().vision_model_names:
        return
    with _starting:
        if _thread is None:
            _thread = threading.Thread(target=_load, name="model-clients-loading", daemon=True)
            _thread.start()


def _load() -> None:
    try:
        load_clients(get_settings())
    # Whatever it is: this thread has no page, and who asks a model gets the sentence.
    except Exception:  # noqa: BLE001
        _log.exception("The clients of the models were not loaded ahead.")
