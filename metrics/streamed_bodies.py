"""Streamed answers as they are logged: server-sent events, JSON lines, or a list of chunks; joined to one body."""

import re
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from metrics.body_texts import content_text
from metrics.reported_usage import merged_usage

Event = dict[str, Any]

_DATA_LINE = re.compile(r"^data:[ ]?(.*)$", re.MULTILINE)


def stream_events(body: Any, decode: Callable[[str], Any]) -> list[Event]:
    """The events of a streamed response; empty where it is none. `decode` gives a text's JSON value, or None."""
    if isinstance(body, str):
        data = _DATA_LINE.findall(body)
        lines = (line for line in data or body.splitlines() if line.lstrip().startswith("{"))
        decoded = map(decode, lines)
        # In a stream without `data:` every line but a cut-off last one is JSON. One that is not ends the search: a
        # body of a million odd lines would take a minute.
        values = list(decoded if data else takewhile(lambda value: value is not None, decoded))
        events = [value for value in values if isinstance(value, dict)]
        # Lines that happen to be JSON (a body that was cut off) are no stream.
        return events if data or any(_is_chunk(event) for event in events) else []
    if isinstance(body, dict) and isinstance(body.get("events"), list):
        # The gateway's record of a stream whose events are of no known kind; a pyfunc model streams bare texts.
        pieces = body["events"]
        return [
            {"delta": {"content": piece}} if isinstance(piece, str) else piece for piece in pieces if _is_event(piece)
        ]
    if isinstance(body, list) and body and all(isinstance(event, dict) and _is_chunk(event) for event in body):
        return body
    if isinstance(body, dict) and _is_chunk(body) and not isinstance(body.get("messages"), list):
        return [body]
    return []


def joined_stream(events: list[Event]) -> Event:
    """One response body with the whole text, the usage and the model of a stream.

    A Responses stream says its text up to three times (delta by delta, item by item, and at the end); the most
    complete telling is taken.
    """
    joined: Event = {}
    usages = []
    for event in events:
        for holder in (event, event.get("response")):
            if isinstance(holder, dict):
                joined.update({key: holder[key] for key in ("model", "error", "error_code") if holder.get(key)})
                usages.append(holder.get("usage"))
    joined["usage"] = merged_usage(usages)
    completed = [event["response"] for event in events if isinstance(event.get("response"), dict)]
    outputs = [response["output"] for response in completed if isinstance(response.get("output"), list)]
    items = [
        event["item"] for event in events if event.get("type") == "response.output_item.done" and event.get("item")
    ]
    pieces = [piece for event in events if (piece := _piece(event)) is not None]
    if outputs and outputs[-1]:
        joined["output"] = outputs[-1]
    elif items and any(isinstance(item, dict) and item.get("type", "message") == "message" for item in items):
        joined["output"] = items
    elif pieces:
        joined["choices"] = [{"message": {"content": "".join(pieces)}}]
    elif len(events) == 1:
        return events[0]
    elif not joined.get("error") and not joined.get("error_code"):
        joined["choices"] = [{"message": {"tool_calls": _has_tool_calls(events)}}]
    return joined


def _is_event(piece: Any) -> bool:
    return isinstance(piece, str | dict)


def _is_chunk(event: Event) -> bool:
    """Whether a body is one event of a stream, by the field that only events have."""
    kind = event.get("type")
    if "delta" in event or (isinstance(kind, str) and kind.startswith("response.")):
        return True
    if event.get("object") == "chat.completion.chunk":
        return True
    choices = event.get("choices")
    return isinstance(choices, list) and any(isinstance(choice, dict) and "delta" in choice for choice in choices)


def _piece(event: Event) -> str | None:
    """The text that one event adds, of the first choice."""
    if event.get("type") in (None, "response.output_text.delta", "response.refusal.delta", "chunk"):
        delta = event.get("delta")
        if isinstance(delta, str):
            return delta
        if isinstance(delta, dict):
            return content_text(delta.get("content"), between="")
    choices = event.get("choices")
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
            delta = choice.get("delta")
            holder = delta if isinstance(delta, dict) else choice
            content = holder.get("content", holder.get("text"))
            return content_text(content, between="")
    return None


def _has_tool_calls(events: list[Event]) -> bool:
    for event in events:
        choices = event.get("choices")
        deltas = (
            [choice.get("delta") for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        )
        if any(isinstance(delta, dict) and delta.get("tool_calls") for delta in deltas):
            return True
    return False
