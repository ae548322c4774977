"""What can go wrong with a table. Every message is one sentence: which table, what is wrong, what to do next."""


class LakehouseError(Exception):
    """Any failure of the lakehouse that a person should read."""


class TableMissing(LakehouseError):
    """No Delta table stands at the address."""


class UnreadableTable(LakehouseError):
    """A table is there, but it cannot be opened or uses a feature that no reader here understands."""


class RowsMixed(UnreadableTable):
    """A commit rewrote rows, and without a change data feed nobody can tell its new rows from the old ones."""


class SchemaMismatch(LakehouseError):
    """Rows do not fit the schema of their table, or a table has none of the schemas that are known."""


class AlreadyCommitted(LakehouseError):
    """This source version and chunk, or a later one, stands in the table already: there is nothing to do."""


class CommitConflict(LakehouseError):
    """Another writer committed first. Nothing was written: open the table again and look what is left to do."""


class HistoryGone(LakehouseError):
    """Commits that a reader still needs were cleaned up or vacuumed."""
