"""What is spooled reaches the Delta tables exactly once, whatever is tried again."""

import asyncio
import json
import shutil
from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from lakehouse.errors import LakehouseError
from serving.delivery import LARGEST_PAYLOAD, deliver_segments, encode_exchange, record_changes
from serving.endpoint_config import ConfigChange
from serving.spool import Spool
from settings import Settings

TIME = datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)


def _record(request_id: str, **changes) -> bytes:
    fields = {
        "request_id": request_id,
        "client_request_id": None,
        "request_time": TIME,
        "status_code": 200,
        "seconds": 0.0126,
        "request": b'{"input":[]}',
        "response": b'{"output":[]}',
        "served_entity_id": "entity",
        "requester": "local",
    }
    return encode_exchange(**{**fields, **changes})


def _spooled(folder, *records: bytes):
    async def append() -> None:
        await asyncio.gather(*(spool.append(record) for record in records))

    spool = Spool(folder)
    asyncio.run(append())
    spool.close()
    return spool.take_closed()


def _rows(settings, table="inference_table"):
    return DeltaTable(f"{settings.lake}/{table}").to_pyarrow_table().to_pylist()


@pytest.fixture
def workspace(tmp_path):
    return Settings(home=tmp_path / "workspace")


def test_a_delivered_row_says_what_was_asked_when_and_how_it_went(workspace, tmp_path):
    segments = _spooled(tmp_path / "spool", _record("a", client_request_id="mine", requester="Łukasz"))
    assert deliver_segments(workspace, segments) == 1
    (row,) = _rows(workspace)
    assert row == {
        "databricks_request_id": "a",
        "request_date": TIME.date(),
        "client_request_id": "mine",
        "request_time": TIME,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": 13,
        "request": '{"input":[]}',
        "response": '{"output":[]}',
        "logging_error_codes": [],
        "served_entity_id": "entity",
        "requester": "Łukasz",
    }
    assert not segments[0].path.exists()


def test_a_crash_between_commit_and_removal_doubles_nothing(workspace, tmp_path):
    (segment,) = _spooled(tmp_path / "spool", _record("a"), _record("b"))
    kept = shutil.copy(segment.path, tmp_path / "kept")
    deliver_segments(workspace, [segment])
    shutil.move(kept, segment.path)
    assert deliver_segments(workspace, [segment]) == 0
    assert sorted(row["databricks_request_id"] for row in _rows(workspace)) == ["a", "b"]
    assert not segment.path.exists()


def test_segments_of_two_spools_with_the_same_number_are_both_delivered(workspace, tmp_path):
    segments = [*_spooled(tmp_path / "spool", _record("a")), *_spooled(tmp_path / "spool", _record("b"))]
    assert [segment.number for segment in segments] == [1, 1]
    assert deliver_segments(workspace, segments) == 2


def test_a_segment_with_nothing_but_a_torn_record_is_removed(workspace, tmp_path):
    (segment,) = _spooled(tmp_path / "spool", _record("a"))
    segment.path.write_bytes(segment.path.read_bytes()[:-1])
    assert deliver_segments(workspace, [segment]) == 0
    assert not segment.path.exists()


def test_bodies_above_one_mebibyte_are_null_with_an_error_code(workspace, tmp_path):
    large = b"x" * (LARGEST_PAYLOAD + 1)
    just = b"x" * LARGEST_PAYLOAD
    segments = _spooled(
        tmp_path / "spool", _record("both", request=large, response=large), _record("fits", request=just)
    )
    deliver_segments(workspace, segments)
    rows = {row["databricks_request_id"]: row for row in _rows(workspace)}
    assert (rows["both"]["request"], rows["both"]["response"]) == (None, None)
    assert rows["both"]["logging_error_codes"] == ["MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED"]
    assert len(rows["fits"]["request"]) == LARGEST_PAYLOAD
    assert rows["fits"]["logging_error_codes"] == []


def test_texts_that_are_no_text_do_not_stop_the_others(workspace, tmp_path):
    records = [
        _record("bytes", request=b"\xff\xfe\x00", response=b""),
        _record("surrogate", client_request_id=json.loads('"\\ud800"')),
        _record("control", request="\x00\x07\u202e🤖".encode()),
    ]
    assert deliver_segments(workspace, _spooled(tmp_path / "spool", *records)) == 3
    rows = {row["databricks_request_id"]: row for row in _rows(workspace)}
    assert rows["bytes"]["request"] == "\ufffd\ufffd\x00"
    assert rows["surrogate"]["client_request_id"] == "?"
    assert rows["control"]["request"] == "\x00\x07\u202e🤖"


def test_a_lake_that_cannot_be_written_loses_no_segment(tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = Settings(home=tmp_path, lake_uri=str(tmp_path / "file" / "lake"))
    segments = _spooled(tmp_path / "spool", _record("a"))
    with pytest.raises((LakehouseError, OSError)):
        deliver_segments(blocked, segments)
    open_again = Settings(home=tmp_path)
    assert deliver_segments(open_again, segments) == 1


def test_the_gateway_writes_its_own_table_also_where_the_job_reads_that_of_others(tmp_path):
    settings = Settings(home=tmp_path, inference_table_uri=str(tmp_path / "of_others"))
    deliver_segments(settings, _spooled(tmp_path / "spool", _record("a")))
    assert len(_rows(settings)) == 1
    assert not (tmp_path / "of_others").exists()


def test_a_change_of_configuration_is_recorded_once_however_often_it_is_given(workspace):
    entities = tuple(
        {"served_entity_id": f"id{n}", "name": f"chatbot-{n}", "entity_name": "prod.chatbot", "entity_version": str(n)}
        for n in (1, 2)
    )
    made = ConfigChange("endpoint", "chatbot", 1, 1_000, entities[:1])
    changed = ConfigChange("endpoint", "chatbot", 2, 2_000, entities)
    deleted = ConfigChange("endpoint", "chatbot", 3, 3_000, entities, deleted=True)
    record_changes(workspace, [made])
    record_changes(workspace, [made, changed])
    record_changes(workspace, [deleted])
    rows = sorted(_rows(workspace, "served_entities"), key=lambda row: (row["change_time"], row["served_entity_id"]))
    assert [(row["endpoint_config_version"], row["entity_version"]) for row in rows] == [
        (1, "1"),
        (2, "1"),
        (2, "2"),
        (3, "1"),
        (3, "2"),
    ]
    assert [row["endpoint_delete_time"] is not None for row in rows] == [False, False, False, True, True]
