import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lakehouse.errors import SchemaMismatch
from lakehouse.generations import generation_of, normalise
from lakehouse.tables import INFERENCE_ROWS, INFERENCE_TABLE
from tests.lakehouse.inference_rows import NOON, inference_rows

STRING_MAP = pa.map_(pa.string(), pa.string())
NOON_MS = int(NOON.timestamp() * 1000)

GENERATION_1 = pa.schema(
    {
        "databricks_request_id": pa.string(),
        "client_request_id": pa.string(),
        "date": pa.date32(),
        "timestamp_ms": pa.int64(),
        "status_code": pa.int32(),
        "sampling_fraction": pa.float64(),
        "execution_time_ms": pa.int64(),
        "request": pa.string(),
        "response": pa.string(),
        "request_metadata": STRING_MAP,
    }
)
GENERATION_3 = pa.schema(
    {
        "request_id": pa.string(),
        "invocation_id": pa.string(),
        "request_tags": STRING_MAP,
        "event_time": pa.timestamp("us", "UTC"),
        "status_code": pa.int32(),
        "sampling_fraction": pa.float64(),
        "latency_ms": pa.int64(),
        "time_to_first_byte_ms": pa.int64(),
        "request": pa.string(),
        "response": pa.string(),
        "destination_type": pa.string(),
        "destination_name": pa.string(),
        "destination_model": pa.string(),
        "logging_error_codes": pa.list_(pa.string()),
        "requester": pa.string(),
        "schema_version": pa.string(),
    }
)


def one(row: dict[str, Any], schema: pa.Schema) -> dict[str, Any]:
    result = normalise(pa.Table.from_pylist([row], schema=schema), generation_of(schema))
    assert result.schema == INFERENCE_ROWS
    return dict(result.to_pylist()[0])


def test_each_generation_is_told_by_its_columns() -> None:
    assert [generation_of(schema) for schema in (GENERATION_1, INFERENCE_TABLE.schema, GENERATION_3)] == [1, 2, 3]


def test_a_table_that_is_no_inference_table_is_refused_with_its_columns() -> None:
    with pytest.raises(SchemaMismatch, match="The columns birthday, id are those of no inference table"):
        generation_of(pa.schema({"id": pa.int32(), "birthday": pa.date32()}))


def test_generation_1_has_its_version_in_the_row() -> None:
    metadata = {"model_name": "prod.chatbot", "model_version": "7", "endpoint_name": "chatbot"}
    row = one(
        {
            "databricks_request_id": "a",
            "date": date(2026, 1, 1),
            "timestamp_ms": NOON_MS,
            "execution_time_ms": 12,
            "request_metadata": metadata,
        },
        GENERATION_1,
    )
    assert (row["request_time"], row["request_date"], row["execution_duration_ms"]) == (NOON, date(2026, 1, 1), 12)
    assert (row["endpoint_name"], row["entity_name"], row["entity_version"]) == ("chatbot", "prod.chatbot", "7")


def test_generation_2_is_kept_as_it_is() -> None:
    rows = inference_rows(["a"], requester="me", logging_error_codes=["MAX_REQUEST_SIZE_EXCEEDED"])
    assert normalise(rows, 2).select(INFERENCE_TABLE.schema.names) == rows


def test_generation_3_has_its_version_in_its_tags_or_in_the_destination() -> None:
    base = {"request_id": "a", "event_time": NOON, "latency_ms": 9, "destination_name": "route"}
    tagged = one(
        {**base, "destination_model": "m", "request_tags": {"model_version": "4", "model_name": "n"}}, GENERATION_3
    )
    assert (tagged["entity_name"], tagged["entity_version"], tagged["endpoint_name"]) == ("n", "4", "route")
    untagged = one({**base, "destination_model": "gpt-9-2026"}, GENERATION_3)
    assert (untagged["entity_name"], untagged["entity_version"]) == ("gpt-9-2026", "gpt-9-2026")
    assert (untagged["request_date"], untagged["execution_duration_ms"]) == (date(2026, 1, 1), 9)


def test_a_schema_of_next_year_is_read_by_what_is_known_of_it() -> None:
    schema = pa.schema([*INFERENCE_TABLE.schema, pa.field("cost_center", pa.struct({"id": pa.int64()}))])
    schema = schema.remove(schema.get_field_index("sampling_fraction"))
    row = one({"databricks_request_id": "a", "request_time": NOON, "cost_center": {"id": 3}}, schema)
    assert row["sampling_fraction"] is None
    assert "cost_center" not in row


def test_columns_of_other_types_are_understood_where_their_meaning_is_clear() -> None:
    changed = {
        "status_code": pa.int64(),
        "request": pa.struct({"messages": pa.list_(pa.string())}),
        "logging_error_codes": pa.string(),
        "request_time": pa.timestamp("ns"),
        "execution_duration_ms": pa.float64(),
        "response": pa.string_view(),
        "served_entity_id": pa.dictionary(pa.int32(), pa.string()),
    }
    schema = pa.schema([pa.field(f.name, changed.get(f.name, f.type)) for f in INFERENCE_TABLE.schema])
    row = one(
        {
            "databricks_request_id": "a",
            "status_code": 429,
            "request": {"messages": ["hé"]},
            "logging_error_codes": "MAX_RESPONSE_SIZE_EXCEEDED",
            "request_time": datetime(2026, 1, 1, 12),
            "execution_duration_ms": 12.0,
            "response": "text",
            "served_entity_id": "s",
        },
        schema,
    )
    assert json.loads(row["request"]) == {"messages": ["hé"]}
    assert row["logging_error_codes"] == ["MAX_RESPONSE_SIZE_EXCEEDED"]
    assert (row["status_code"], row["request_time"], row["execution_duration_ms"]) == (429, NOON, 12)
    assert (row["response"], row["served_entity_id"]) == ("text", "s")


def test_a_value_that_cannot_be_understood_is_null_and_named_and_takes_no_other_with_it() -> None:
    changed = {"status_code": pa.string(), "execution_duration_ms": pa.float64(), "request": pa.binary()}
    schema = pa.schema([pa.field(f.name, changed.get(f.name, f.type)) for f in INFERENCE_TABLE.schema])
    rows = [
        {"status_code": "200", "execution_duration_ms": 12.4, "request": '"é"'.encode()},
        {"status_code": "teapot", "execution_duration_ms": float("nan"), "request": b'"\xff"'},
        {"status_code": "9e99", "logging_error_codes": ["MAX_REQUEST_SIZE_EXCEEDED"]},
    ]
    read = normalise(pa.Table.from_pylist(rows, schema=schema), 2)
    assert read["status_code"].to_pylist() == [200, None, None]
    assert read["execution_duration_ms"].to_pylist() == [12, None, None]
    assert read["request"].to_pylist() == ['"é"', '"\ufffd"', None]
    assert read["logging_error_codes"].to_pylist() == [
        None,
        ["UNREADABLE_STATUS_CODE"],
        ["MAX_REQUEST_SIZE_EXCEEDED", "UNREADABLE_STATUS_CODE"],
    ]


@pytest.mark.parametrize("wrong", [-1, NOON_MS * 1000, 2**62, None])
def test_a_time_in_the_wrong_unit_becomes_midnight_of_the_row_s_date(wrong: int | None) -> None:
    row = one({"databricks_request_id": "a", "date": date(2026, 1, 1), "timestamp_ms": wrong}, GENERATION_1)
    assert row["request_time"] == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_clock_that_is_off_by_hours_or_years_is_left_as_it_is() -> None:
    ahead = datetime(2031, 5, 1, 3, tzinfo=UTC)
    row = one(
        {"databricks_request_id": "a", "request_date": date(2026, 1, 1), "request_time": ahead}, INFERENCE_TABLE.schema
    )
    assert (row["request_time"], row["request_date"]) == (ahead, date(2026, 1, 1))


_INT64 = st.integers(-(2**63), 2**63 - 1)


@hypothesis_settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "timestamp_ms": st.none() | _INT64,
                "date": st.none() | st.integers(-(2**31), 2**31 - 1),
                "execution_time_ms": st.none() | _INT64,
                "request": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
            }
        ),
        max_size=4,
    )
)
def test_no_row_whatever_is_lost_or_fails_and_every_time_can_be_shown(rows: list[dict[str, Any]]) -> None:
    columns = {
        "timestamp_ms": pa.array([row["timestamp_ms"] for row in rows], pa.int64()),
        "date": pa.array([row["date"] for row in rows], pa.int32()).cast(pa.date32()),
        "execution_time_ms": pa.array([row["execution_time_ms"] for row in rows], pa.int64()),
        "request": pa.array([row["request"] for row in rows], pa.string()),
        "response": pa.nulls(len(rows), pa.string()),
    }
    result = normalise(pa.table(columns), 1)
    assert result["request"].to_pylist() == [row["request"] for row in rows]
    for row in result.to_pylist():
        assert (row["request_time"] is None) == (row["request_date"] is None)
        assert row["request_time"] is None or 1970 <= row["request_time"].year < 2200
