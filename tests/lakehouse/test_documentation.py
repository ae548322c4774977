import pyarrow as pa
import pytest

from lakehouse.column_meanings import COLUMN_MEANINGS
from lakehouse.documentation import PAGE, sql_type, tables_page
from lakehouse.tables import TABLES


def test_the_documentation_of_the_tables_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables_page(), "run `make docs`"


def test_every_column_has_a_meaning_and_every_meaning_a_column() -> None:
    assert {name for spec in TABLES.values() for name in spec.schema.names} == set(COLUMN_MEANINGS)


def test_types_have_their_names_in_sql() -> None:
    assert sql_type(pa.map_(pa.int32(), pa.float64())) == "MAP<INT, DOUBLE>"
    assert sql_type(pa.timestamp("us", "UTC")) == "TIMESTAMP"
    with pytest.raises(ValueError, match="has no name in"):
        sql_type(pa.duration("s"))


@pytest.mark.parametrize("name", list(TABLES))
def test_no_statistics_are_kept_of_people_s_texts(name: str) -> None:
    texts = {"request", "response", "reason", "evidence", "before", "after", "error", "arguments", "text", "unscored"}
    texts |= {"prompt", "answer", "live_answer", "sentence", "note", "notes", "question", "image_name", "image"}
    texts |= {"reading"}
    assert not texts & set(TABLES[name].statistics_columns)
    # Without a list of columns the first 32 get statistics: right for our own handbook only.
    assert TABLES[name].statistics_columns or name.startswith("handbook") or not texts & set(TABLES[name].schema.names)
