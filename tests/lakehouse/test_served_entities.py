from datetime import timedelta
from typing import Any

import pyarrow as pa

from lakehouse.generations import normalise
from lakehouse.served_entities import ServedEntities
from lakehouse.tables import SERVED_ENTITIES
from tests.lakehouse.inference_rows import NOON, inference_rows

HOUR = timedelta(hours=1)


def entry(served_entity_id: str, version: str, hours: int) -> dict[str, Any]:
    return {
        "served_entity_id": served_entity_id,
        "endpoint_name": "chatbot",
        "entity_name": "prod.chatbot",
        "entity_version": version,
        "change_time": NOON + hours * HOUR,
    }


def versions_at(entries: list[dict[str, Any]], hours: list[int], served_entity_id: str = "s") -> list[str | None]:
    known = ServedEntities.from_rows(pa.Table.from_pylist(entries, schema=SERVED_ENTITIES.schema))
    rows = pa.concat_tables(
        inference_rows([str(hour)], request_time=NOON + hour * HOUR, served_entity_id=served_entity_id)
        for hour in hours
    )
    return list(known.fill_in(normalise(rows, 2))["entity_version"].to_pylist())


def test_a_row_gets_the_version_that_was_served_when_it_was_asked() -> None:
    entries = [entry("s", "2", 10), entry("s", "1", 0), entry("other", "9", 5)]
    assert versions_at(entries, [0, 9, 10, 11]) == ["1", "1", "2", "2"]


def test_a_row_from_before_the_first_entry_gets_the_first() -> None:
    assert versions_at([entry("s", "1", 0), entry("s", "2", 1)], [-5]) == ["1"]


def test_a_served_entity_that_nobody_knows_leaves_the_version_open() -> None:
    assert versions_at([entry("s", "1", 0)], [0], served_entity_id="unknown") == [None]
    assert versions_at([], [0]) == [None]


def test_what_the_row_says_itself_comes_first() -> None:
    rows = normalise(inference_rows(["a", "b"], served_entity_id="s"), 2)
    place = rows.schema.get_field_index("entity_version")
    rows = rows.set_column(place, rows.schema.field(place), pa.array(["7", None], pa.string()))
    known = ServedEntities.from_rows(pa.Table.from_pylist([entry("s", "1", 0)], schema=SERVED_ENTITIES.schema))
    assert known.fill_in(rows)["entity_version"].to_pylist() == ["7", "1"]


def test_rows_without_a_served_entity_are_left_alone() -> None:
    known = ServedEntities.from_rows(pa.Table.from_pylist([entry("s", "1", 0)], schema=SERVED_ENTITIES.schema))
    rows = normalise(inference_rows(["a"]), 2)
    assert known.fill_in(rows)["entity_name"].to_pylist() == [None]
    assert known.fill_in(rows.slice(0, 0)).num_rows == 0
