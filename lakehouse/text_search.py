"""The logged bodies of requests, a batch at a time: for a search in people's words, and for one request on a page.

Only dates and times go into what Delta's kernel is asked; ids and words are compared here, in Python.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.change_data import present_batches
from lakehouse.errors import TableMissing, UnreadableTable
from lakehouse.generations import Generation, columns_read, date_column, generation_of, normalise
from lakehouse.inference import on_dates
from lakehouse.request_ids import content_hash_in, content_hashes, has_no_id
from lakehouse.store import open_uri, storage_options, table_uri
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

BODY_COLUMNS = ("databricks_request_id", "request", "response", "logging_error_codes")
"""The columns of `LoggedBodies`; a row that came without an id has `logged_name` of the one that it was given."""

_NEAR = timedelta(seconds=1)
_TIME_COLUMNS: dict[Generation, str] = {1: "timestamp_ms", 2: "request_time", 3: "event_time"}


def logged_name(request_id: str) -> str:
    """What a request is called in `LoggedBodies`: its id, but for one without an id the part that its content gives."""
    digest = content_hash_in(request_id)
    return f"null-{digest}" if digest else request_id


class LoggedBodies:
    """The bodies in one snapshot of the inference table, whoever writes it; a table that is not there has none."""

    def __init__(self, settings: Settings) -> None:
        """Raises: UnreadableTable, SchemaMismatch (no inference table)."""
        uri = table_uri(settings, "inference_table")
        self._table: DeltaTable | None = None
        try:
            self._table = open_uri(uri, storage_options(settings, uri))
        except TableMissing:
            return
        self._schema = pa.schema(self._table.schema())
        self._generation: Generation = generation_of(self._schema)

    def of_day(self, day: date) -> Iterator[pa.Table]:
        """The rows of a UTC date, and those without one, some thousand at a time; columns `BODY_COLUMNS`.

        Raises: HistoryGone, UnreadableTable.
        """
        if self._table is not None:
            yield from self._read(self._table, on_dates(self._generation, [day]))

    def of_request(self, request_id: str, time: datetime) -> dict[str, Any] | None:
        """The row of one request, with `BODY_COLUMNS`, or None where it is no more.

        Looks near its time first, which reads little, then through its day and the days beside it: a table of others
        may be laid out by a date of another time zone. Raises: HistoryGone, UnreadableTable.
        """
        if self._table is None:
            return None
        name = logged_name(request_id)
        try:
            found = self._named(name, self._read(self._table, self._near(time)))
        except UnreadableTable:
            # The time may have a type that is not compared with a time; its day has not.
            found = None
        for days in (0, -1, 1):
            found = found or self._named(name, self.of_day((time + timedelta(days=days)).date()))
        return found

    def _near(self, time: datetime) -> str:
        """A condition for the kernel: a few seconds around a time. It holds typed values, no text."""
        first, last = (time.astimezone(UTC).replace(microsecond=0) + way * _NEAR for way in (-1, 2))
        column = _TIME_COLUMNS[self._generation]
        ends = [
            str(int(end.timestamp() * 1000)) if self._generation == 1 else f"TIMESTAMP '{end:%Y-%m-%dT%H:%M:%SZ}'"
            for end in (first, last)
        ]
        spans = [f"{column} >= {ends[0]} AND {column} <= {ends[1]}"]
        date_named = date_column(self._generation)
        if date_named is not None:
            days = ", ".join(f"DATE '{day.isoformat()}'" for day in sorted({first.date(), last.date()}))
            spans.append(f"{date_named} IN ({days})")
        return " AND ".join(spans)

    def _read(self, table: "DeltaTable", where: str) -> Iterator[pa.Table]:
        for batch in present_batches(table, columns_read(self._schema, self._generation), where):
            rows = normalise(batch, self._generation)
            yield _named_rows(rows).select(list(BODY_COLUMNS))

    def _named(self, name: str, batches: Iterator[pa.Table]) -> dict[str, Any] | None:
        for batch in batches:
            rows = batch.filter(pc.equal(batch["databricks_request_id"], name)).to_pylist()
            if rows:
                return dict(rows[0])
        return None


def _named_rows(rows: pa.Table) -> pa.Table:
    nameless = has_no_id(rows)
    if not pc.any(nameless).as_py():
        return rows
    names = rows.column("databricks_request_id").to_pylist()
    hashes = iter(content_hashes(rows.filter(nameless)))
    named = [f"null-{next(hashes)}" if empty else name for name, empty in zip(names, nameless.to_pylist(), strict=True)]
    place = rows.schema.get_field_index("databricks_request_id")
    return rows.set_column(place, rows.schema.field(place), pa.array(named, pa.string()))
