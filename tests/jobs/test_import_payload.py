import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobs import import_payload as module
from jobs.errors import JobError
from jobs.import_payload import bodies, import_payload, main
from lakehouse.inference import InferenceSource
from lakehouse.store import open_table, read_rows
from metrics.bodies import parse_exchange
from settings import Settings

START = datetime(2026, 3, 1, tzinfo=UTC)
CHAT = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "corpus" / "chat"


def write(folder: Path, *entries: Any, name: str = "log.jsonl") -> Path:
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def inference_rows(settings: Settings) -> list[dict[str, Any]]:
    source = InferenceSource.open(settings)
    rows: list[dict[str, Any]] = source.read(0, source.version).to_pylist()
    return sorted(rows, key=lambda row: (row["request_time"], row["client_request_id"]))


def exchange(line: dict[str, Any] | str) -> tuple[str | None, str | None]:
    read = parse_exchange(*bodies(line if isinstance(line, str) else json.dumps(line)))
    return read.prompt, read.response


def test_lines_become_traffic_of_the_version_and_a_repeat_adds_nothing(settings: Settings, tmp_path: Path) -> None:
    file = write(tmp_path, *({"prompt": f"p{i}", "response": f"r{i}", "model": "m"} for i in range(4)))
    before = datetime.now(UTC)
    assert import_payload(settings, file, "prod.assistant", "1") == 4
    rows = inference_rows(settings)
    assert [row["client_request_id"] for row in rows] == [f"log-{i}" for i in range(4)]
    assert {(row["endpoint_name"], row["entity_name"], row["entity_version"]) for row in rows} == {
        ("assistant", "prod.assistant", "1")
    }
    times = [row["request_time"] for row in rows]
    assert [later - time for time, later in pairwise(times)] == [timedelta(seconds=1)] * 3
    assert before - timedelta(seconds=5) <= times[-1] <= datetime.now(UTC)
    versions = [open_table(settings, name).version() for name in ("inference_table", "served_entities")]
    assert import_payload(settings, file, "prod.assistant", "1") == 0
    assert len(inference_rows(settings)) == 4
    assert open_table(settings, "inference_table").version() == versions[0]
    names = read_rows(open_table(settings, "served_entities"))["served_entity_name"].to_pylist()
    assert set(names) == {"assistant-1"}


def test_the_same_log_is_another_version_s_traffic_too(settings: Settings, tmp_path: Path) -> None:
    file = write(tmp_path, {"prompt": "p", "response": "r"})
    assert [import_payload(settings, file, "prod.assistant", version, start=START) for version in "12"] == [1, 1]
    assert sorted(row["entity_version"] for row in inference_rows(settings)) == ["1", "2"]


def test_lines_that_were_added_to_a_log_are_the_only_ones_that_come_in(settings: Settings, tmp_path: Path) -> None:
    lines = [{"prompt": f"p{i}", "response": f"r{i}"} for i in range(3)]
    import_payload(settings, write(tmp_path, *lines[:2]), "m", "1", start=START)
    assert import_payload(settings, write(tmp_path, *lines), "m", "1", start=START) == 1
    assert len(inference_rows(settings)) == 3


def test_an_import_that_was_killed_goes_on_where_it_was(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, *({"prompt": f"p{i}", "response": f"r{i}"} for i in range(6)))
    monkeypatch.setattr(module, "COMMIT_BYTES", 60)
    append_once = module.append_once
    commits = []

    def killed_at_the_second_commit(*arguments: Any, **options: Any) -> int:
        if commits:
            raise KeyboardInterrupt
        commits.append(append_once(*arguments, **options))
        return commits[-1]

    with monkeypatch.context() as patch:
        patch.setattr(module, "append_once", killed_at_the_second_commit)
        with pytest.raises(KeyboardInterrupt):
            import_payload(settings, file, "m", "1", start=START)
    there = len(inference_rows(settings))
    assert 0 < there < 6
    assert import_payload(settings, file, "m", "1", start=START) == 6 - there
    assert len({row["databricks_request_id"] for row in inference_rows(settings)}) == 6


def test_of_a_conversation_the_last_assistant_turn_is_the_response() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    answered = [*turns, {"role": "assistant", "content": "d"}]
    assert exchange({"messages": answered}) == ("c", "d")
    assert exchange({"messages": turns, "chosen": "good", "rejected": "bad"}) == ("c", "good")
    assert bodies(json.dumps({"messages": turns}))[1] is None
    assert exchange({"prompt": "hello", "response": None}) == ("hello", None)


@pytest.mark.parametrize("line", ["{", "no json", "17", "[1]", "{}", '{"messages": []}', '{"messages": [1]}'])
def test_a_line_that_is_no_conversation_is_kept_as_it_is(settings: Settings, tmp_path: Path, line: str) -> None:
    assert bodies(line) == (line, None)
    file = write(tmp_path, {"prompt": "p", "response": "r"}, "", line)
    assert import_payload(settings, file, "m", "1", start=START) == 2
    assert inference_rows(settings)[1]["request"] == line
    assert inference_rows(settings)[1]["client_request_id"] == "log-2"


@pytest.mark.parametrize("prompt", ["1" * 5000, *("[" * depth + "]" * depth for depth in range(900, 1000, 5))])
def test_json_that_python_cannot_follow_is_kept_as_it_is(prompt: str) -> None:
    line = f'{{"prompt": {prompt}, "response": "r"}}'
    request, response = bodies(line)
    assert (request, response) == (line, None) or json.loads(request)["messages"][0]["content"] == json.loads(prompt)


def test_a_byte_order_mark_before_the_first_line_is_not_part_of_it(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "windows.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"prompt": "p", "response": "r"}\r\n')
    assert import_payload(settings, file, "m", "1", start=START) == 1
    (row,) = inference_rows(settings)
    read = parse_exchange(row["request"], row["response"])
    assert (read.prompt, read.response) == ("p", "r")


def test_bytes_that_are_no_text_and_lone_surrogates_come_in(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_bytes(b'{"prompt": "\xff\xfe", "response": "r"}\n{"prompt": "\\ud800", "response": "\\u0000"}\r\n')
    assert import_payload(settings, file, "m", "1", start=START) == 2


def test_nothing_is_imported_into_another_system_s_table(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "theirs"))
    with pytest.raises(JobError, match="LAKEHELM_INFERENCE_TABLE_URI"):
        import_payload(settings, write(tmp_path, {"prompt": "p"}), "m", "1")


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_a_missing_or_empty_file_is_named(settings: Settings, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "chat.jsonl"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(JobError, match=r"chat\.jsonl"):
        import_payload(settings, file, "m", "1")


def test_the_command_takes_endpoint_and_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "get_settings", lambda: settings)
    file = write(tmp_path, {"prompt": "p", "response": "r"})
    arguments = [str(file), "--model", "m.x", "--version", "3", "--endpoint", "e", "--start", "2026-01-02T03:04:05"]
    assert main(arguments) == 0
    (row,) = inference_rows(settings)
    assert (row["endpoint_name"], row["request_time"]) == ("e", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert capsys.readouterr().out == "New rows in the inference table as m.x 3, from log.jsonl: 1.\n"


@pytest.mark.skipif(not CHAT.exists(), reason="the corpus is not there")
def test_real_chat_logs_come_in_whole(settings: Settings) -> None:
    counts = {
        name: import_payload(settings, CHAT / f"{name}.jsonl", "prod.assistant", version, start=START)
        for name, version in (("gpt-3.5-turbo-0301", "1"), ("gpt-3.5-turbo-0613", "2"), ("hh_harmless", "3"))
    }
    assert counts == {"gpt-3.5-turbo-0301": 805, "gpt-3.5-turbo-0613": 805, "hh_harmless": 1000}
    without = [
        row["client_request_id"]
        for row in inference_rows(settings)
        if parse_exchange(row["request"], row["response"]).response is None
    ]
    assert without == []
