"""Which logged prompts an evaluation asks again."""

import json
from datetime import timedelta
from typing import Any

from jobs.replay import LoggedPrompt, last_prompts
from lakehouse.appends import append
from settings import Settings
from tests.jobs.request_rows import NOON, chat_request, chat_response, inference_row

COPIED = ("databricks_request_id", "request_date", "request_time", "status_code", "execution_duration_ms")


def log(settings: Settings, *rows: dict[str, Any], version: str = "1") -> None:
    """Log requests and their rows of `request_metrics`."""
    append(settings, "inference_table", list(rows))
    scored = [
        {**{name: row[name] for name in COPIED}, "entity_name": "prod.chatbot", "entity_version": version}
        for row in rows
    ]
    append(settings, "request_metrics", scored)


def asked(number: int, prompt: str, minutes_ago: float = 0.0, **columns: Any) -> dict[str, Any]:
    time = NOON - timedelta(minutes=minutes_ago)
    return inference_row(f"r{number}", request_time=time, **{"request": chat_request(prompt), **columns})


def found(settings: Settings, count: int) -> list[LoggedPrompt]:
    return last_prompts(settings, "prod.chatbot", "1", count, now=NOON)


def test_the_newest_distinct_prompts_come_first(settings: Settings) -> None:
    log(
        settings,
        asked(1, "old", 60 * 24 * 40),
        asked(2, "twice", 60 * 24 * 3),
        asked(3, "new", 5),
        asked(4, "twice", 1),
    )
    assert [(one.prompt, one.request_id) for one in found(settings, 10)] == [
        ("twice", "r4"),
        ("new", "r3"),
        ("old", "r1"),
    ]
    assert [one.request_id for one in found(settings, 2)] == ["r4", "r3"]
    assert found(settings, 0) == []
    newest = found(settings, 1)[0]
    assert newest.answer.startswith("Run the command that starts it")
    assert newest.metrics["execution_duration_ms"] == 120


def test_two_conversations_that_end_alike_are_two_prompts(settings: Settings) -> None:
    def conversation(first: str) -> str:
        turns = [("user", first), ("assistant", "Well."), ("user", "And then?")]
        return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})

    log(settings, asked(1, "", request=conversation("Start?")), asked(2, "", request=conversation("Stop?")))
    assert [one.prompt for one in found(settings, 5)] == ["And then?", "And then?"]


def test_only_what_the_live_version_answered_is_asked_again(settings: Settings) -> None:
    log(settings, asked(1, "of another version"), version="2")
    log(
        settings,
        asked(2, "failed", status_code=500),
        asked(3, "not logged", response=None),
        asked(4, "no text", response=chat_response("")),
        asked(5, "unreadable", request="{"),
        asked(6, "fine"),
    )
    assert [one.prompt for one in found(settings, 5)] == ["fine"]


def test_what_has_not_been_scored_yet_waits(settings: Settings) -> None:
    append(settings, "inference_table", [asked(1, "just now")])
    assert found(settings, 5) == []
