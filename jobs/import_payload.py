"""`python -m jobs import-payload FILE.jsonl --model NAME --version N`: a chat log becomes a version's traffic.

Each line is a JSON object with `prompt` and `response`, or with `messages` (and `chosen`, where the last turn is the
user's). A line that is something else is kept as it is: the metrics job counts it with its reason.
"""

import hashlib
import json
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.deduplication import ids_found
from jobs.errors import JobError
from lakehouse.appends import append, append_once, from_records, position
from lakehouse.store import is_foreign, open_table, read_rows
from lakehouse.tables import INFERENCE_TABLE
from settings import Settings, get_settings

SECONDS_APART = 1
COMMIT_BYTES = 32 * 1024 * 1024
"""A commit takes lines until they are this large together, so that a log of any size fits in memory."""
_NAMESPACE = uuid.UUID("5f0f7a52-6d3a-4d55-9a0e-3f8d4a3f2c10")
"""Ids are derived from it; a repeat must make the same ones."""


@dataclass(frozen=True)
class Import:
    """What is imported, and as whose traffic."""

    file: Path
    model: str
    version: str
    endpoint: str
    start: datetime

    @property
    def served_entity_id(self) -> str:
        """The same for every import of this version into this endpoint."""
        return uuid.uuid5(_NAMESPACE, json.dumps([self.endpoint, self.model, self.version])).hex

    @property
    def app_id(self) -> str:
        """Two imports of the same file at the same time conflict by it, so that no line is added twice."""
        key = json.dumps([self.endpoint, self.model, self.version, self.file.stem])
        return f"import-payload:{uuid.uuid5(_NAMESPACE, key).hex}"


def import_payload(
    settings: Settings,
    file: Path,
    model: str,
    version: str,
    *,
    endpoint: str | None = None,
    start: datetime | None = None,
) -> int:
    """Append the lines of `file` that are not in the inference table yet. A repeat adds nothing.

    `endpoint` is the last part of the model's name unless given. Requests are one second apart from `start` on; without
    it the last one is now.

    Returns: rows added.
    Raises: JobError, if the file cannot be read, is empty, or the inference table is another system's.
    """
    _check(settings, file, model, version)
    lines = _count_lines(file)
    if start is None:
        start = datetime.now(UTC) - timedelta(seconds=SECONDS_APART * (lines - 1))
    task = Import(file, model, version, endpoint or model.split(".")[-1], start.astimezone(UTC))
    _add_served_entity(settings, task)
    table = open_table(settings, INFERENCE_TABLE.name)
    added = 0
    for records in _batches(task):
        ids = pa.array([record["databricks_request_id"] for record in records])
        known = set(ids_found(table, ids).to_pylist())
        new = [record for record in records if record["databricks_request_id"] not in known]
        if new:
            last = position(table, task.app_id)
            append_once(
                table,
                from_records(new, INFERENCE_TABLE.schema),
                app_id=task.app_id,
                source_version=last[0] + 1 if last else 0,
                details={"imported_as": f"{task.endpoint} {model} {version}"},
            )
        added += len(new)
    return added


def _check(settings: Settings, file: Path, model: str, version: str) -> None:
    if is_foreign(settings, "inference_table") or is_foreign(settings, "served_entities"):
        raise JobError(
            "The inference table is another system's (LAKEHELM_INFERENCE_TABLE_URI or LAKEHELM_SERVED_ENTITIES_URI is "
            "set), so nothing is imported into it; unset them to import into the workspace's own table."
        )
    if not file.is_file():
        raise JobError(f"There is no file {file}; give the path of a .jsonl file.")
    if not model.strip() or not version.strip():
        raise JobError("The model's name and its version must not be empty.")


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        count = sum(1 for line in lines if line.strip())
    if count == 0:
        raise JobError(f"{file} is empty; a chat log has one JSON object a line.")
    return count


def _batches(task: Import) -> Iterator[list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    size = 0
    time = task.start
    with task.file.open("rb") as lines:
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            records.append(_record(task, number, line.strip(), time))
            time += timedelta(seconds=SECONDS_APART)
            size += len(line)
            if size >= COMMIT_BYTES:
                yield records
                records, size = [], 0
    if records:
        yield records


def _record(task: Import, number: int, line: bytes, time: datetime) -> dict[str, Any]:
    # The content is part of the id: the same name in another folder is another conversation.
    key = [task.endpoint, task.model, task.version, task.file.stem, number, hashlib.sha256(line).hexdigest()]
    # `utf-8-sig`: the byte order mark that Windows programs put before the first line is not part of it.
    request, response = bodies(line.decode("utf-8-sig", "replace"))
    return {
        "databricks_request_id": str(uuid.uuid5(_NAMESPACE, json.dumps(key))),
        "client_request_id": f"{task.file.stem}-{number}",
        "request_date": time.date(),
        "request_time": time,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": None,
        "request": request,
        "response": response,
        "logging_error_codes": [],
        "served_entity_id": task.served_entity_id,
        "requester": "import",
    }


def bodies(line: str) -> tuple[str, str | None]:
    """The request and the response body (OpenAI chat shape) of a line of a chat log.

    A line that is no conversation is its own request body, without a response; nothing is thrown away.
    """
    try:
        return _bodies_of(json.loads(line), line)
    except (ValueError, RecursionError):
        # No JSON; a number of thousands of digits, which Python refuses; or brackets nested too deeply.
        return line, None


def _bodies_of(entry: Any, line: str) -> tuple[str, str | None]:
    if not isinstance(entry, dict):
        return line, None
    messages, answer = _conversation(entry)
    if messages is None:
        return line, None
    request = json.dumps({"messages": messages})
    if answer is None:
        return request, None
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    response: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
    if isinstance(entry.get("model"), str):
        response["model"] = entry["model"]
    if isinstance(entry.get("usage"), dict):
        response["usage"] = entry["usage"]
    return request, json.dumps(response)


def _conversation(entry: dict[str, Any]) -> tuple[list[Any] | None, Any]:
    """(what was said before the answer, the answer or None)."""
    messages = entry.get("messages")
    if isinstance(messages, list) and messages and all(isinstance(message, dict) for message in messages):
        if messages[-1].get("role") == "assistant":
            return messages[:-1], messages[-1].get("content")
        return messages, entry.get("chosen")
    if "prompt" in entry:
        return [{"role": "user", "content": entry["prompt"]}], entry.get("response")
    return None, None


def _add_served_entity(settings: Settings, task: Import) -> None:
    """One row says which version the served entity is, from before the first of its requests."""
    table = open_table(settings, "served_entities")
    rows = read_rows(table, ["change_time"], pc.field("served_entity_id") == task.served_entity_id)
    if any(time is not None and time <= task.start for time in rows["change_time"].to_pylist()):
        return
    append(
        settings,
        "served_entities",
        [
            {
                "served_entity_id": task.served_entity_id,
                "endpoint_name": task.endpoint,
                "served_entity_name": f"{task.endpoint}-{task.version}",
                "entity_name": task.model,
                "entity_version": task.version,
                "endpoint_config_version": 1,
                "change_time": task.start,
            }
        ],
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def main(arguments: list[str]) -> int:
    """`python -m jobs import-payload FILE --model NAME --version N [--endpoint NAME] [--start TIME]`."""
    parser = ArgumentParser(prog="python -m jobs import-payload", description="A chat log as a version's traffic.")
    parser.add_argument("file", type=Path, help="one JSON object a line: prompt and response, or messages")
    parser.add_argument("--model", required=True, help="registered model, as prod.assistant")
    parser.add_argument("--version", required=True, help="model version that gave the answers")
    parser.add_argument("--endpoint", help="serving endpoint; the last part of the model's name unless given")
    parser.add_argument(
        "--start", type=_time, help="time of the first request (ISO 8601; UTC unless it says otherwise)"
    )
    options = parser.parse_args(arguments)
    added = import_payload(
        get_settings(), options.file, options.model, options.version, endpoint=options.endpoint, start=options.start
    )
    print(f"New rows in the inference table as {options.model} {options.version}, from {options.file.name}: {added:,}.")
    return 0
