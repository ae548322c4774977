"""Whether a process that wrote a row still lives, so that what it began can still end."""

import socket
from datetime import datetime


def process_is_gone(process_id: int | None, host: str | None, began: datetime) -> bool:
    """Whether the process with this number on this host, which lived at `began` (with a time zone), lives no more.

    Another machine's process cannot be looked at from here, and counts as living; so does one without a number.
    """
    if process_id is None or host != socket.gethostname():
        return False
    import psutil

    try:
        process = psutil.Process(process_id)
        begun = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False  # It exists, under another user.
    # The number may have been given to a younger process since; a second of tolerance for rounded clocks.
    return bool(begun > began.timestamp() + 1.0)
