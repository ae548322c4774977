"""`score_cache` read with DuckDB, which decodes the scores only near the rows that are wanted."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from lakehouse.appends import conform
from lakehouse.errors import UnreadableTable
from lakehouse.score_cache_table import SCORE_CACHE
from lakehouse.store import first_line
from settings import Settings

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable


def rows_of_texts(settings: Settings, table: "DeltaTable", keys: Iterable[bytes], columns: Sequence[str]) -> pa.Table:
    """The rows that a snapshot of `score_cache` has of some texts (by `text_key`), with these of its columns.

    In no promised order, and several rows for a text that was scored or seen in several runs.
    Raises: UnreadableTable.
    """
    schema = pa.schema([SCORE_CACHE.schema.field(name) for name in columns])
    if not table.file_uris():
        return schema.empty_table()
    wanted = pa.table({"text_key": pa.array(keys, pa.binary())})
    try:
        found = _matching(settings, table, wanted, schema, alike=True)
    except UnreadableTable:
        found = None
    if found is None:
        # Files of an older release, perhaps, which had fewer columns: that takes a look into every file.
        found = _matching(settings, table, wanted, schema, alike=False)
    return conform(found, schema)


def _matching(
    settings: Settings, table: "DeltaTable", wanted: pa.Table, schema: pa.Schema, *, alike: bool
) -> pa.Table | None:
    """The rows of `wanted` with the columns of `schema`; None where the first file has fewer parts in one of them.

    With `alike` DuckDB would leave those parts out of every other file, too.
    """
    # The columns are names of ours.
    columns = ", ".join(schema.names)
    with cached_scores(settings, table, alike) as database:
        database.register("wanted", wanted)
        database.register("expected", schema.empty_table())
        found = database.sql(f"SELECT {columns} FROM this SEMI JOIN wanted USING (text_key)")  # noqa: S608
        whole = found.types == database.sql(f"SELECT {columns} FROM expected").types  # noqa: S608
        return found.to_arrow_table() if whole or not alike else None


@contextmanager
def cached_scores(
    settings: Settings, table: "DeltaTable", alike: bool = False
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB in which a snapshot of `score_cache` that has rows is called `this`.

    alike: all files have the columns of the first, so that DuckDB need not open each of them to find out.
    Raises: UnreadableTable also for what fails inside of the block.
    """
    import duckdb
    from deltalake.exceptions import DeltaError

    # A name in a query is a table, never a variable of this program.
    bounds = {"memory_limit": settings.duckdb_memory, "threads": settings.cores, "python_enable_replacements": False}
    database = duckdb.connect(config=bounds)
    try:
        database.execute("SET TimeZone = 'UTC'")
        files = [unquote(file) for file in table.file_uris()]
        if all(file.startswith("/") for file in files):
            database.read_parquet(files, union_by_name=not alike).create_view("this")
        else:
            # DuckDB has no object-store reader of its own here: Arrow reads, with the storage options of the settings.
            database.register("this", table.to_pyarrow_dataset())
        yield database
    except (duckdb.Error, DeltaError, OSError) as error:
        raise UnreadableTable(f"The table at {table.table_uri} cannot be read: {first_line(error)}") from error
    finally:
        database.close()
