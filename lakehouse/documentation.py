"""Writes `docs/tables.md` from the schemas: `python -m lakehouse.documentation`."""

from pathlib import Path

import pyarrow as pa

from lakehouse.column_meanings import COLUMN_MEANINGS
from lakehouse.generations import RENAMED_COLUMNS, TAG_COLUMNS
from lakehouse.table_spec import TableSpec
from lakehouse.tables import INFERENCE_ROWS, TABLES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tables.md"

_SIMPLE_TYPES = {
    pa.string(): "STRING",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BINARY",
    pa.date32(): "DATE",
}


def tables_page() -> str:
    """The text of `docs/tables.md`."""
    parts = [
        "# Tables",
        "Generated from the specifications in `lakehouse/` by `make docs`. Every table is a Delta table in the lake "
        "(`LAKEHELM_LAKE_URI`, by default `lake/` in the workspace folder) and is created when it is first used. "
        "A `TIMESTAMP` is UTC with microseconds.",
        *(_table_section(spec) for spec in TABLES.values()),
        _generations_section(),
    ]
    return "\n\n".join(parts) + "\n"


def sql_type(kind: pa.DataType) -> str:
    """The name of a column type in Delta and Spark SQL, as `MAP<STRING, DOUBLE>`."""
    if kind in _SIMPLE_TYPES:
        return _SIMPLE_TYPES[kind]
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP"
    if pa.types.is_list(kind):
        return f"ARRAY<{sql_type(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"MAP<{sql_type(kind.key_type)}, {sql_type(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"STRUCT<{', '.join(f'{field.name}: {sql_type(field.type)}' for field in kind)}>"
    raise ValueError(f"The type {kind} has no name in {PAGE.name}; add it to lakehouse/documentation.py.")


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(tables_page(), encoding="utf-8")


def _table_section(spec: TableSpec) -> str:
    facts = []
    if spec.partition_by:
        facts.append(f"Partitioned by {_names(spec.partition_by)}.")
    if spec.statistics_columns:
        facts.append(f"Statistics in the log for {_names(spec.statistics_columns)}.")
    if spec.change_data_feed:
        facts.append("Has a change data feed.")
    facts += [f"`{name}` = {value}." for name, value in spec.properties.items()]
    rows = [
        f"| `{field.name}` | `{sql_type(field.type)}` | {COLUMN_MEANINGS[field.name].replace('|', '/')} |"
        for field in spec.schema
    ]
    table = "\n".join(["| column | type | meaning |", "|---|---|---|", *rows])
    return "\n\n".join(part for part in (f"## {spec.name}", spec.meaning, " ".join(facts), table) if part)


def _generations_section() -> str:
    rows = []
    for name in INFERENCE_ROWS.names:
        if all(name not in renamed for renamed in RENAMED_COLUMNS.values()):
            continue
        sources = [f"`{RENAMED_COLUMNS[generation].get(name, name)}`" for generation in (1, 2, 3)]
        rows.append(f"| `{name}` | {' | '.join(sources)} |")
    return "\n\n".join(
        [
            "## Inference tables of other systems",
            "`LAKEHELM_INFERENCE_TABLE_URI` may point to an inference table that Databricks writes. Three generations "
            "are told apart by their columns and read as one; unknown columns are left out, missing ones become null. "
            f"The version comes from the row's tags in generation 1 (`{TAG_COLUMNS[1]}`), from `served_entities` as it "
            f"stood at the row's time in generation 2, and from `{TAG_COLUMNS[3]}` or `destination_model` in "
            "generation 3. Deletion vectors and v2 checkpoints are understood; a table with column mapping or type "
            "widening is refused with a sentence. Rows that were rewritten in place need the change data feed to be "
            "told from new ones.",
            "Columns whose names differ:",
            "\n".join(
                ["| read as | generation 1 | generation 2 | generation 3 |", "|---|---|---|---|", *rows],
            ),
        ]
    )


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


if __name__ == "__main__":
    main()
