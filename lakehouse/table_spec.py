"""What describes a table: its name, meaning, columns and layout."""

from dataclasses import dataclass, field

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
STRING_MAP = pa.map_(pa.string(), pa.string())

KEPT_A_MONTH = {
    "delta.logRetentionDuration": "interval 60 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
}
"""Of tables that a job reads commit by commit, which may be away this long, and of those whose past the pages show.

For the rollups of 10 million requests a month that is about 2 GB of replaced files, a week would be 0.4 GB: each night
`compact` writes the files anew that are still small, 30 to 60 MB of a table.
"""


@dataclass(frozen=True)
class TableSpec:
    """What a table holds and how it is laid out."""

    name: str
    meaning: str
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()
    statistics_columns: tuple[str, ...] = ()
    """Columns whose minimum and maximum stand in the Delta log. Never one with people's words: a prefix is copied."""
    change_data_feed: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    row_group_rows: int = 131_072
    """Rows that a reader of a file must hold at once: few, where a row carries people's texts."""
    adds_up: bool = False
    """Rows are partial sums: those that are told by the same things may stand as one row, which merging makes them."""


def columns(**kinds: pa.DataType) -> pa.Schema:
    """A schema of nullable columns, in the order they are named."""
    return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])
