"""What a process is doing right now, as a small JSON file that pages read.

A status is not a record: it is overwritten, may be lost, and nothing depends on it but what a person sees, or what a
process would otherwise find out again, as the pace of scoring. Records go to Delta tables.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any

from settings import Settings


def write_status(settings: Settings, name: str, status: dict[str, Any]) -> None:
    """Replace the status called `name` (a fixed word of ours, never user text). Adds `updated_at` (ISO 8601, UTC)."""
    folder = settings.home / "status"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.json"
    # One temporary name a process: two writers never see each other's half-written file.
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps({**status, "updated_at": datetime.now(UTC).isoformat()}), encoding="utf-8")
    temporary.replace(target)


def read_status(settings: Settings, name: str) -> dict[str, Any] | None:
    """The status called `name`, or None if there is none or it cannot be read as JSON."""
    try:
        status = json.loads((settings.home / "status" / f"{name}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return status if isinstance(status, dict) else None
