"""The search in people's words: what it finds, what it shows of it, and that it stops."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from dashboard.queries.request_filters import RequestFilter
from dashboard.queries.request_texts import conversation
from dashboard.queries.text_search import SearchProgress, excerpt, search
from jobs.score import run_score
from jobs.scorers import ScoringTools
from lakehouse.inference import InferenceSource
from lakehouse.store import open_table, read_rows
from lakehouse.text_search import LoggedBodies
from metrics.scoring import Scorers
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month, use

NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)
WEEK = RequestFilter(NOON - timedelta(days=7), NOON + timedelta(days=1))


def ended(wanted: RequestFilter, text: str, **more: Any) -> SearchProgress:
    return list(search(wanted, text, **more))[-1]


def chat(prompt: Any, answer: Any) -> tuple[str, str]:
    return (
        json.dumps(
            {"messages": [{"role": "system", "content": "secret system words"}, {"role": "user", "content": prompt}]}
        ),
        json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}),
    )


def write_asked(settings: Settings, bodies: list[tuple[str | None, str | None]], apart: timedelta) -> list[str]:
    """One request for each pair of bodies, `apart` from each other, the newest first; their ids."""
    ids, logged, scored = [], [], []
    for number, (request, response) in enumerate(bodies):
        time = NOON - number * apart
        ids.append(f"asked-{number}")
        base = {
            "databricks_request_id": ids[-1],
            "request_date": time.date(),
            "request_time": time,
            "status_code": 200,
            "requester": f"person {number}",
        }
        logged.append({**base, "request": request, "response": response})
        scored.append({**base, "endpoint_name": "chatbot", "entity_name": "prod.chatbot", "entity_version": "1"})
    workspace.write_rows(settings, "inference_table", logged)
    workspace.write_rows(settings, "request_metrics", scored)
    return ids


def test_hits_are_the_prompts_and_answers_with_the_text_in_any_case(month: Month) -> None:
    wanted = RequestFilter(month.now - timedelta(days=4), month.now, versions=("prod.chatbot/2",))
    found = ended(wanted, "ROLL back to VERSION 1", most=10_000)
    said: dict[str, str] = {}
    for day in {time.date() for time in month.rows["request_time"]}:
        for batch in LoggedBodies(month.settings).of_day(day):
            said |= {row["databricks_request_id"]: row["request"] + row["response"] for row in batch.to_pylist()}
    rows = month.rows[(month.rows["request_time"] >= wanted.start) & (month.rows["entity_version"] == "2")]
    expected = [name for name in rows["databricks_request_id"] if "roll back to version 1" in said[name].lower()]
    assert expected
    assert sorted(hit.request_id for hit in found.hits) == sorted(expected)
    assert (found.days_done, found.rows_read) == (found.days, len(rows))


def test_keys_of_the_body_and_other_requests_are_not_searched(empty: Settings) -> None:
    streamed = "".join(
        f"data: {json.dumps({'choices': [{'delta': {'content': part}}]})}\n\n"
        for part in ("Never sp", "lit a wo", "rd")
    )
    ids = write_asked(
        empty,
        [
            chat('Where is the harbour? ÄRGER with "quotes"', "At the sea."),
            chat("nothing", "Also nothing"),
            (json.dumps({"dataframe_split": {"columns": ["prompt"], "data": [["a lighthouse"]]}}), streamed),
            (None, "not JSON harbour"),
        ],
        timedelta(minutes=1),
    )
    assert [hit.request_id for hit in ended(WEEK, "HARBOUR").hits] == ids[:1]
    assert [hit.request_id for hit in ended(WEEK, 'ärger with "quotes"').hits] == ids[:1]
    assert [hit.request_id for hit in ended(WEEK, "never split a word").hits] == [ids[2]]
    assert [(hit.request_id, hit.found_in) for hit in ended(WEEK, "lighthouse").hits] == [(ids[2], "prompt")]
    for no_words in ("messages", "assistant", ".*", "%", "secret system"):
        assert ended(WEEK, no_words).hits == ()
    only = RequestFilter(WEEK.start, WEEK.end, requesters=("person 1",))
    assert ended(only, "nothing").rows_read == 1
    assert ended(only, "harbour").hits == ()


def test_a_search_reads_day_by_day_says_how_far_it_is_and_stops(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = write_asked(empty, [chat(f"harbour {number}", "sea") for number in range(12)], timedelta(hours=12))
    read = []
    original = LoggedBodies.of_day

    def noted(self: LoggedBodies, day: Any) -> Any:
        read.append(day)
        return original(self, day)

    monkeypatch.setattr(LoggedBodies, "of_day", noted)
    steps = search(WEEK, "harbour")
    assert next(steps) == SearchProgress(0, 6, 0, ())
    assert read == []
    first = next(steps)
    assert read == [NOON.date()]
    assert [hit.request_id for hit in first.hits] == ids[:2]
    steps.close()
    assert len(read) == 1
    read.clear()
    few = ended(WEEK, "harbour", most=3)
    assert (len(few.hits), few.full, few.days) == (3, True, 6)
    assert len(read) == 2
    assert ended(WEEK, "harbour").days_done == 6


def test_an_excerpt_is_masked_before_it_is_cut(empty: Settings) -> None:
    long = "word " * 400
    text = f"{long}write to anna.very.long.name@example.com about the harbour{' word' * 400}"
    write_asked(empty, [chat(text, "sea")], timedelta(minutes=1))
    (hit,) = ended(WEEK, "harbour").hits
    assert "harbour" in hit.excerpt
    assert "[e-mail]" in hit.excerpt
    assert "example" not in hit.excerpt
    assert len(hit.excerpt) < 250
    assert hit.excerpt[0] == hit.excerpt[-1] == "…"
    # What masking takes out cannot be found: nobody learns who wrote an address by searching for it.
    assert ended(WEEK, "anna.very.long").hits == ()
    assert ended(WEEK, "example.com").hits == ()
    assert "\n" not in excerpt("a\nb harbour\n\nc", "harbour")


def test_a_text_of_a_megabyte_is_searched(empty: Settings) -> None:
    ids = write_asked(empty, [chat("x" * 1_000_000 + " harbour", "sea")], timedelta(minutes=1))
    assert [hit.request_id for hit in ended(WEEK, "harbour").hits] == ids


def test_tables_of_other_generations_and_rows_without_id_are_searched_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "payload"
    settings = use(monkeypatch, tmp_path / "home", INFERENCE_TABLE_URI=str(foreign))
    schema = pa.schema(
        [
            ("databricks_request_id", pa.string()),
            ("client_request_id", pa.string()),
            ("date", pa.date32()),
            ("timestamp_ms", pa.int64()),
            ("status_code", pa.int32()),
            ("execution_time_ms", pa.int64()),
            ("request", pa.string()),
            ("response", pa.string()),
            ("request_metadata", pa.map_(pa.string(), pa.string())),
        ]
    )
    rows = []
    for number, name in enumerate(("first", None, "third")):
        request, response = chat(f"The harbour of number {number}, please.", "At the sea, where else would it be?")
        time = NOON - timedelta(days=number)
        rows.append(
            {
                "databricks_request_id": name,
                "date": time.date(),
                "timestamp_ms": int(time.timestamp() * 1000) + 1,
                "status_code": 200,
                "request": request,
                "response": response,
                "request_metadata": [("endpoint_name", "chatbot"), ("model_name", "m"), ("model_version", "1")],
            }
        )
    write_deltalake(str(foreign), pa.Table.from_pylist(rows, schema=schema), partition_by=["date"])
    assert InferenceSource.open(settings).generation == 1
    run_score(settings, once=True, load=lambda _: ScoringTools(Scorers()))
    scored = read_rows(open_table(settings, "request_metrics")).to_pylist()
    assert sorted(hit.request_id for hit in ended(WEEK, "harbour of NUMBER").hits) == sorted(
        row["databricks_request_id"] for row in scored
    )
    for row in scored:
        found = conversation(row["databricks_request_id"], row["request_time"])
        assert found is not None
        assert found.answer == "At the sea, where else would it be?"
        assert [role for role, _ in found.turns] == ["system", "user"]
    assert conversation("gone", NOON) is None


def test_where_there_is_no_inference_table_nothing_is_found_or_made(empty: Settings) -> None:
    assert ended(WEEK, "harbour") == SearchProgress(0, 0, 0, ())
    assert conversation("any", NOON) is None
    assert not Path(empty.lake).exists()


def test_words_are_found_across_the_break_of_a_line(empty: Settings) -> None:
    write_asked(empty, [chat("Where is the\n  old   harbour?", "There.")], timedelta(minutes=1))
    (hit,) = ended(WEEK, "the old\nHARBOUR").hits
    assert "old harbour" in hit.excerpt
