"""Where tables stand, and how they are opened, created and read.

Our own tables are created when they are first opened, with the schema of `lakehouse.tables`. Tables of others are
only ever opened.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import HistoryGone, LakehouseError, TableMissing, UnreadableTable
from lakehouse.table_spec import TableSpec
from lakehouse.tables import TABLES
from settings import Settings

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

_CHECKPOINT_COMMITS = "20"
"""Opening a table replays the commits since its last checkpoint (about 0.3 ms each); small appends are our habit."""

_COLOUR = r"(?:\x1b\[\d+m)?"
_CAUSE = re.compile(rf"^\s*{_COLOUR}↳{_COLOUR}\s*(.*\S)", re.MULTILINE)
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"?')


def table_uri(settings: Settings, name: str) -> str:
    """The address of the table called `name`: from the settings for a table of others, else in the lake."""
    if is_foreign(settings, name):
        return settings.inference_table_uri if name == "inference_table" else settings.served_entities_uri
    if name not in TABLES:
        raise LakehouseError(f"There is no table called {name!r}; the tables are {', '.join(TABLES)}.")
    return f"{settings.lake}/{name}"


def storage_options(settings: Settings, uri: str) -> dict[str, str]:
    """The options with which the table at an address is opened: those of the settings, and for a table of Unity Catalog
    (`uc://…`) also host and token. Holds secrets.
    """
    if not uri.startswith("uc://") or not settings.on_databricks:
        return settings.storage_options
    catalog = {"databricks_host": settings.host, "databricks_token": settings.token.get_secret_value()}
    return {**catalog, **settings.storage_options}


def is_foreign(settings: Settings, name: str) -> bool:
    """Whether another system writes the table called `name`, so that we never create or change it."""
    return bool(
        (name == "inference_table" and settings.inference_table_uri)
        or (name == "served_entities" and settings.served_entities_uri)
    )


def open_table(settings: Settings, name: str) -> "DeltaTable":
    """The newest snapshot of a table, to be written to. One of ours is created when it is missing; two processes may
    do so at once.

    A table of an older release gets the columns that were added since; a table of others never does.
    Raises: TableMissing for a table of others, UnreadableTable.
    """
    table = open_to_read(settings, name)
    if is_foreign(settings, name):
        return table
    return _with_all_columns(table, TABLES[name], storage_options(settings, table_uri(settings, name)))


def open_to_read(settings: Settings, name: str) -> "DeltaTable":
    """The newest snapshot of a table, as it is: `read_rows` gives nulls for columns that an older release lacks.

    One of ours that is missing is created, empty. Raises: TableMissing for a table of others, UnreadableTable.
    """
    uri = table_uri(settings, name)
    options = storage_options(settings, uri)
    if is_foreign(settings, name):
        return open_uri(uri, options)
    try:
        return open_uri(uri, options)
    except TableMissing:
        return _create(uri, TABLES[name], options)


def open_uri(uri: str, options: dict[str, str] | None = None, version: int | None = None) -> "DeltaTable":
    """The newest snapshot, or that of `version`, of the table at an address (a path, an object store's or `uc://…`).

    Raises: TableMissing, UnreadableTable; HistoryGone for a version that is no more.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri, version=version, storage_options=options or None)
    except (DeltaError, OSError, ValueError) as error:
        if version is not None and DeltaTable.is_deltatable(uri, storage_options=options or None):
            raise HistoryGone(f"Version {version} of the table at {uri} is no more: {first_line(error)}") from error
        if isinstance(error, TableNotFoundError):
            raise TableMissing(f"There is no Delta table at {uri}; check the address in the settings.") from error
        raise UnreadableTable(f"The table at {uri} cannot be opened: {first_line(error)}") from error


def table_id(table: "DeltaTable") -> str:
    """The id that a table keeps for life, whatever its address. Part of every exactly-once application id."""
    return str(table.metadata().id)


def read_rows(
    table: "DeltaTable", columns: Iterable[str] | None = None, where: "ds.Expression | None" = None
) -> pa.Table:
    """Rows of one of our own tables. A filter skips files by the statistics of the log.

    A column that was added to the table's schema since it was written is null.
    Raises: UnreadableTable, where a file of the snapshot was vacuumed meanwhile, for example.
    """
    spec = TABLES.get(table.metadata().name or "")
    try:
        dataset = table.to_pyarrow_dataset()
        added = [field for field in spec.schema if field.name not in dataset.schema.names] if spec else []
        if added:
            dataset = dataset.replace_schema(pa.schema([*dataset.schema, *added]))
        return dataset.to_table(columns=list(columns) if columns is not None else None, filter=where)
    except OSError as error:
        raise UnreadableTable(f"The table at {table.table_uri} cannot be read: {first_line(error)}") from error


def batches_of_dates(
    table: "DeltaTable", columns: Iterable[str], dates: list[str] | None, where: "ds.Expression | None" = None
) -> Iterator[pa.RecordBatch]:
    """Rows of one of our own tables, some thousand at a time: those of some `request_date`s, or of all (None).

    dates: as partition values of the log: `2026-05-04`, '' for none.
    Raises: UnreadableTable, if a file of the snapshot is gone.
    """
    # The log's pruning does not find the partition without a date, so with it nothing is pruned by the log.
    pruning = None if dates is None or "" in dates else [("request_date", "in", dates)]
    if dates is not None and "" in dates:
        days = [date.fromisoformat(day) for day in dates if day]
        chosen = pc.field("request_date").is_null() | pc.field("request_date").isin(days)
        where = chosen if where is None else where & chosen
    try:
        dataset = table.to_pyarrow_dataset(file_pruning_predicate=pruning)
        yield from dataset.scanner(columns=list(columns), filter=where).to_batches()
    except OSError as error:
        raise UnreadableTable(f"The table at {table.table_uri} cannot be read: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message as a sentence, for messages that people read.

    An object store's error says only at the end of a chain of further lines what was wrong; that end is added, without
    what it quotes, which may be a secret of the settings.
    """
    text = str(error).strip()
    lines = text.splitlines() or [type(error).__name__]
    causes = [cause for cause in _CAUSE.findall(text) if not cause.startswith("<")]
    reason = f": {_QUOTED.sub('…', causes[-1])}" if causes else ""
    return (lines[0].strip() + reason).strip().rstrip(".") + "."


def _create(uri: str, spec: TableSpec, options: dict[str, str]) -> "DeltaTable":
    from deltalake import CommitProperties, DeltaTable
    from deltalake.exceptions import CommitFailedError, DeltaError

    configuration = {"delta.checkpointInterval": _CHECKPOINT_COMMITS, **spec.properties}
    if spec.statistics_columns:
        configuration["delta.dataSkippingStatsColumns"] = ",".join(spec.statistics_columns)
    if spec.change_data_feed:
        configuration["delta.enableChangeDataFeed"] = "true"
    try:
        return DeltaTable.create(
            uri,
            schema=spec.schema,
            partition_by=list(spec.partition_by) or None,
            name=spec.name,
            description=spec.meaning,
            configuration=configuration,
            # A retry would commit a second creation behind a rival's, and the table would change its id.
            commit_properties=CommitProperties(max_commit_retries=0),
            storage_options=options or None,
        )
    except (CommitFailedError, DeltaError, OSError) as error:
        # Most likely another process created it between our look and our write: then it can be opened now.
        try:
            return open_uri(uri, options)
        except TableMissing:
            raise UnreadableTable(f"The table at {uri} cannot be created: {first_line(error)}") from error


def _with_all_columns(table: "DeltaTable", spec: TableSpec, options: dict[str, str]) -> "DeltaTable":
    from deltalake import Schema
    from deltalake.exceptions import CommitFailedError, DeltaError

    present = {field.name for field in table.schema().fields}
    missing = [field for field in spec.schema if field.name not in present]
    if not missing:
        return table
    try:
        table.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
    except (CommitFailedError, DeltaError) as error:
        # Another process may have added them first; a fresh snapshot shows.
        table = open_uri(table.table_uri, options)
        if not {field.name for field in missing} <= {field.name for field in table.schema().fields}:
            raise UnreadableTable(
                f"The table at {table.table_uri} lacks the columns {', '.join(f.name for f in missing)}, "
                f"and they cannot be added: {first_line(error)}"
            ) from error
    return table
