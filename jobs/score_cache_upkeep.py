"""`score_cache` in order: one row of each text, sorted by its key, and no more texts than the setting says.

deltalake's own writer keeps no order, so the one file is written here and takes the place of the snapshot's files.
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.score_cache_rows import cached_scores
from lakehouse.appends import conform
from lakehouse.commits import file_system
from lakehouse.errors import CommitConflict, LakehouseError
from lakehouse.merging import FEW_FILES
from lakehouse.score_cache_table import SCORE_CACHE
from lakehouse.store import first_line, open_table
from settings import Settings

if TYPE_CHECKING:
    import duckdb
    from deltalake import DeltaTable

_RANGES = 16
"""The texts are taken by the first digit of their key, a sixteenth at a time, so that memory stays bounded."""


def tidy_score_cache(settings: Settings) -> int:
    """Make one row of each text and drop the texts that were unused for longest. Returns how many texts were dropped.

    Does nothing while there are few files, and no more rows than texts may be kept. Rows that are appended meanwhile
    are kept.
    Raises: CommitConflict, if another upkeep ran meanwhile; nothing was changed then. LakehouseError.
    """
    table = open_table(settings, SCORE_CACHE.name)
    rows = pa.table(table.get_add_actions())["num_records"].to_pylist()
    if not rows or (len(rows) <= FEW_FILES and sum(rows) <= settings.score_cache_texts):
        return 0
    path = f"part-{uuid.uuid4()}.zstd.parquet"
    with cached_scores(settings, table) as database:
        dropped = _choose(database, settings.score_cache_texts)
        kept = _write(table, path, _merged(database))
    _replace_files(table, path, kept)
    return dropped


def _choose(database: "duckdb.DuckDBPyConnection", most: int) -> int:
    """Put the texts that stay into the table `kept`. Returns how many do not."""
    database.execute("CREATE TEMP TABLE texts AS SELECT text_key, max(used_at) AS used_at FROM this GROUP BY text_key")
    database.execute("CREATE TEMP TABLE kept AS FROM texts ORDER BY used_at DESC, text_key LIMIT $most", {"most": most})
    counts = database.execute("SELECT (SELECT count(*) FROM texts) - (SELECT count(*) FROM kept)").fetchall()
    return int(counts[0][0])


def _merged(database: "duckdb.DuckDBPyConnection") -> Iterator[pa.Table]:
    """One row of each kept text, in the order of the keys: of each kind of score the newest that it has."""
    scores = [name for name in SCORE_CACHE.schema.names if name not in ("text_key", "used_at")]
    newest = ", ".join(f"arg_max({name}, this.used_at) AS {name}" for name in scores)
    # The columns are names of ours.
    query = (
        f"SELECT text_key, max(kept.used_at) AS used_at, {newest} FROM this JOIN kept USING (text_key) "  # noqa: S608
        "WHERE text_key >= $first AND ($past IS NULL OR text_key < $past) GROUP BY text_key ORDER BY text_key"
    )
    for number in range(_RANGES):
        past = bytes([(number + 1) * 16]) if number + 1 < _RANGES else None
        found = database.sql(query, params={"first": bytes([number * 16]), "past": past})
        yield conform(found.to_arrow_table(), SCORE_CACHE.schema)


def _write(table: "DeltaTable", path: str, parts: Iterator[pa.Table]) -> int:
    """Write the parts into one file. Returns how many rows it has."""
    rows = 0
    with (
        file_system(table).open_output_stream(path) as sink,
        pq.ParquetWriter(sink, SCORE_CACHE.schema, compression="zstd") as writer,
    ):
        for part in parts:
            writer.write_table(part, row_group_size=SCORE_CACHE.row_group_rows)
            rows += part.num_rows
    return rows


def _replace_files(table: "DeltaTable", path: str, rows: int) -> None:
    """Let the file take the place of all files of the snapshot. One that no commit names is left to the next vacuum."""
    from deltalake.exceptions import CommitFailedError, DeltaError
    from deltalake.transaction import AddAction

    size = file_system(table).get_file_info(path).size
    statistics = json.dumps({"numRecords": rows, "minValues": {}, "maxValues": {}, "nullCount": {}})
    added = AddAction(path, size, {}, int(time.time() * 1000), data_change=True, stats=statistics)
    try:
        table.create_write_transaction([added], mode="overwrite", schema=table.schema())
    except CommitFailedError as error:
        raise CommitConflict(
            f"Another process put the table at {table.table_uri} in order meanwhile, and nothing was done here."
        ) from error
    except (DeltaError, OSError) as error:
        raise LakehouseError(f"The table at {table.table_uri} cannot be written: {first_line(error)}") from error
