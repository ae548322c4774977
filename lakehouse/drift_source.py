"""The profile and drift tables of a Databricks monitor, read as if they were ours.

Databricks writes them with deletion vectors and with the model id column called as in the table that is watched. So
they are read through Delta's kernel, and what a monitor does not have is null.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from lakehouse.change_data import present_batches
from lakehouse.drift_tables import DRIFT_METRICS, PROFILE_METRICS
from lakehouse.errors import SchemaMismatch
from lakehouse.store import open_uri, storage_options, table_id
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

Kind = Literal["profile_metrics", "drift_metrics"]
SPECS = {"profile_metrics": PROFILE_METRICS, "drift_metrics": DRIFT_METRICS}
MODEL_ID = "entity_version"
"""What we call the model id column; a monitor calls it as the watched table does."""
ALL_MODELS = "*"
_NEEDED = ("window", "granularity", "column_name")
_LIKELY_MODEL_IDS = ("model_version", "model_id", "served_entity_id", "entity_name", "model_name")


@dataclass(frozen=True)
class MonitorTable:
    """A table of a monitor as one snapshot. `missing`: columns of ours that it lacks; they are null.

    model_id_column: what it calls the model id; empty for a monitor that has none, whose rows are of all models.
    """

    kind: Kind
    table: "DeltaTable"
    model_id_column: str
    missing: tuple[str, ...]

    @property
    def key(self) -> str:
        """The same as long as the table has the same rows: what a cached result may depend on."""
        return f"{table_id(self.table)}|{self.table.version()}"

    def rows(self, start: datetime, end: datetime, columns: Sequence[str] = ()) -> pa.Table:
        """The windows that begin in a time (`end` not included), with our columns: those asked for, or all.

        Raises: UnreadableTable, HistoryGone. SchemaMismatch, if a column that is asked for is none of ours.
        """
        schema = SPECS[self.kind].schema
        unknown = [name for name in columns if name not in schema.names]
        if unknown:
            raise SchemaMismatch(f"The tables of a monitor have no columns called {', '.join(unknown)}.")
        wanted = [schema.field(name) for name in columns or schema.names]
        theirs = {name: self.model_id_column if name == MODEL_ID else name for name in (field.name for field in wanted)}
        there = {ours: name for ours, name in theirs.items() if name and ours not in self.missing}
        since, until = (f"TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'" for moment in (start, end))
        condition = f"\"window\"['start'] >= {since} AND \"window\"['start'] < {until}"
        # At least one column: a batch without any knows no number of rows.
        parts = [
            pa.Table.from_arrays(
                [_as_ours(batch, there.get(field.name), field) for field in wanted], schema=pa.schema(wanted)
            )
            for batch in present_batches(self.table, list({"granularity", *there.values()}), condition)
        ]
        return pa.concat_tables([pa.schema(wanted).empty_table(), *parts])


def has_monitor(settings: Settings) -> bool:
    """Whether the pages read the tables of a Databricks monitor instead of ours (`drift_tables` in the settings)."""
    return bool(settings.drift_tables)


def open_monitor(settings: Settings, kind: Kind) -> MonitorTable:
    """The newest snapshot of the profile or the drift table that the settings name.

    Raises: TableMissing, UnreadableTable. SchemaMismatch, if it is no such table.
    """
    uri = f"{settings.drift_tables}_{kind}"
    table = open_uri(uri, storage_options(settings, uri))
    names = [field.name for field in table.schema().fields]
    absent = [name for name in _NEEDED if name not in names]
    if absent:
        raise SchemaMismatch(
            f"The table at {uri} has no column {', '.join(absent)}, so it is no table of a monitor; check "
            "LAKEHELM_DRIFT_TABLES, which is the address before _profile_metrics and _drift_metrics."
        )
    model_id = _model_id_column(pa.schema(table.schema()), SPECS[kind].schema.names)
    missing = [name for name in SPECS[kind].schema.names if name not in names and name != MODEL_ID]
    return MonitorTable(kind, table, model_id, (*missing, *([] if model_id else [MODEL_ID])))


def _model_id_column(schema: pa.Schema, ours: Iterable[str]) -> str:
    """A monitor's own column of texts: ours, else one with a likely name, else the first that is none of ours."""
    if MODEL_ID in schema.names:
        return MODEL_ID
    own = [field.name for field in schema if field.name not in set(ours) and _is_text(field.type)]
    likely = [name for name in _LIKELY_MODEL_IDS if name in own]
    return (likely or own or [""])[0]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _as_ours(rows: pa.Table, name: str | None, field: pa.Field) -> pa.ChunkedArray:
    """A column with our type; null where the monitor has no such column, or one that means something else."""
    if name is None:
        absent = ALL_MODELS if field.name == MODEL_ID else None
        return pa.chunked_array([pa.array([absent] * rows.num_rows, field.type)])
    column = rows[name]
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type, safe=False)
    except pa.ArrowException:
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
