"""Server-sent events: cutting a stream into events, and joining a streamed answer into the body it amounts to."""

import json
from typing import Any

DONE = b"[DONE]"


class EventCutter:
    """Cuts a byte stream into whole events (each with its blank line), whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that are complete now."""
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        return [event + b"\n\n" for event in events if event.strip()]


def data_of(event: bytes) -> bytes:
    """The data of an event, its lines joined."""
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


def joined(events: list[bytes]) -> bytes:
    """The body that a streamed answer amounts to, as JSON.

    Understands the events of a ResponsesAgent (`response.completed`, `response.output_item.done`), of chat completions
    (`choices[].delta`) and of a ChatAgent (`delta`). Events of another kind are kept as a list.
    """
    bodies = [_json(data_of(event)) for event in events if data_of(event) != DONE]
    found = [body for body in bodies if isinstance(body, dict)]
    answer = _responses(found) or _chat_completion(found) or _chat_agent(found) or {"events": bodies}
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def _responses(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    completed = [event["response"] for event in events if event.get("type") == "response.completed"]
    if completed and isinstance(completed[-1], dict) and completed[-1].get("output"):
        return dict(completed[-1])
    items = [event.get("item") for event in events if event.get("type") == "response.output_item.done"]
    if not items:
        text = "".join(str(e.get("delta") or "") for e in events if e.get("type") == "response.output_text.delta")
        if not text:
            return None
        items = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
    usage = [event["usage"] for event in events if event.get("usage")]
    if completed and isinstance(completed[-1], dict) and completed[-1].get("usage"):
        usage.append(completed[-1]["usage"])
    return {"output": items, **({"usage": usage[-1]} if usage else {})}


def _chat_completion(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    choices = [choice for event in events for choice in event.get("choices") or [] if isinstance(choice, dict)]
    if not choices:
        return None
    text = "".join(str((choice.get("delta") or {}).get("content") or "") for choice in choices)
    usage = [event["usage"] for event in events if event.get("usage")]
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        **({"usage": usage[-1]} if usage else {}),
    }


def _chat_agent(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    deltas = [event["delta"] for event in events if isinstance(event.get("delta"), dict)]
    if not deltas:
        return None
    text = "".join(str(delta.get("content") or "") for delta in deltas)
    return {"messages": [{"role": "assistant", "content": text}]}
