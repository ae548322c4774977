"""Rows that are replaced, exactly once: for tables whose rows are figures of windows, which late rows change.

As with `append_once`, the commit is made on the snapshot that the caller read, and carries Delta application
transactions, so that a rival's commit makes ours fail.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.appends import conform, write_failures_told, writer_properties
from lakehouse.errors import AlreadyCommitted

if TYPE_CHECKING:
    from deltalake import DeltaTable


def replace_once(table: "DeltaTable", rows: pa.Table, positions: Mapping[str, int], where: str | None = None) -> int:
    """Write `rows` in place of those for which the SQL condition `where` holds (None: beside all), and set positions.

    positions: application id → how far it has come. None may go back, and one must go on.
    where: a condition of ours, never of somebody's words; all of `rows` must fulfil it.
    Returns: the version of the table with these rows. `table` is at that version then.
    Raises: AlreadyCommitted, if no position goes on. CommitConflict, if a rival's commit won. SchemaMismatch.
    """
    last = {app_id: table.transaction_version(app_id) for app_id in positions}
    known = {app_id: position for app_id, position in last.items() if position is not None}
    if any(positions[app_id] < position for app_id, position in known.items()) or known == dict(positions):
        raise AlreadyCommitted(f"{table.table_uri} has come to {known} already; {dict(positions)} is not after that.")
    from deltalake import CommitProperties, Transaction, write_deltalake

    transactions = [Transaction(app_id=app_id, version=position) for app_id, position in positions.items()]
    # A retry would not see what a rival has written into the windows meanwhile.
    properties = CommitProperties(app_transactions=transactions, max_commit_retries=0)
    checked = conform(rows, pa.schema(table.schema()))
    writer = writer_properties(table)
    with write_failures_told(table):
        if where is None:
            write_deltalake(table, checked, mode="append", commit_properties=properties, writer_properties=writer)
        else:
            write_deltalake(
                table,
                checked,
                mode="overwrite",
                predicate=where,
                commit_properties=properties,
                writer_properties=writer,
            )
    return int(table.version())
