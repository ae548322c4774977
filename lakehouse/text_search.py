"""The logged bodies of requests, a batch at a time: for a search in people's words, and for one request on a page.

Only dates and times go into what Delta's kernel is asked; ids and words are compared here, in Python.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.change_data import present_batches
from lakehouse.errors import TableMissing
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

    def of_time(self, start: datetime, end: datetime) -> Iterator[pa.Table]:
        """The rows of some minutes or hours (UTC, to the second), `end` not always left out; columns `BODY_COLUMNS`.

        Rows that a table of others dates by another time zone than UTC may be missing. Raises: HistoryGone,
        UnreadableTable.
        """
        if self._table is not None:
            yield from self._read(self._table, self._between(start, end, dated=True))

    def of_requests(self, wanted: Sequence[tuple[str, datetime]]) -> dict[str, dict[str, Any]]:
        """The rows of some requests (id and time), with `BODY_COLUMNS`, by id; one that is no more is left out.

        Each is looked for near its time, which reads little: first on its date, then on any, as a table of others may
        be laid out by a date of another time zone. Raises: HistoryGone, UnreadableTable.
        """
        found: dict[str, dict[str, Any]] = {}
        for request_id, time in wanted:
            for dated in (True, False):
                row = self._named(logged_name(request_id), self._near(time, dated))
                if row is not None:
                    found[request_id] = row
                    break
        return found

    def _near(self, time: datetime, dated: bool) -> str:
        """A condition for the kernel: a few seconds around a time. It holds typed values, no text."""
        first, last = (time.astimezone(UTC).replace(microsecond=0) + way * _NEAR for way in (-1, 2))
        return self._between(first, last, dated)

    def _between(self, first: datetime, last: datetime, dated: bool) -> str:
        """A condition for the kernel: a time. It holds typed values, no text."""
        first, last = first.astimezone(UTC), last.astimezone(UTC)
        column, date_named = _TIME_COLUMNS[self._generation], date_column(self._generation)
        span = f"{column} >= {self._literal(first)} AND {column} <= {self._literal(last)}"
        if not dated or date_named is None:
            return span
        count = (last.date() - first.date()).days + 1
        days = ", ".join(f"DATE '{(first.date() + timedelta(days=day)).isoformat()}'" for day in range(count))
        return f"{span} AND {date_named} IN ({days})"

    def _literal(self, time: datetime) -> str:
        """A time (UTC, whole seconds) as the table's time column is compared with it, whatever its type."""
        kind = self._schema.field(_TIME_COLUMNS[self._generation]).type
        if pa.types.is_integer(kind):
            return str(int(time.timestamp() * 1000))
        return f"TIMESTAMP '{time:%Y-%m-%dT%H:%M:%S}{'Z' if getattr(kind, 'tz', None) else ''}'"

    def _named(self, name: str, where: str) -> dict[str, Any] | None:
        if self._table is None:
            return None
        for batch in self._read(self._table, where):
            rows = batch.filter(pc.equal(batch["databricks_request_id"], name)).to_pylist()
            if rows:
                return dict(rows[0])
        return None

    def _read(self, table: "DeltaTable", where: str) -> Iterator[pa.Table]:
        for batch in present_batches(table, columns_read(self._schema, self._generation), where):
            rows = normalise(batch, self._generation)
            yield _named_rows(rows).select(list(BODY_COLUMNS))


def _named_rows(rows: pa.Table) -> pa.Table:
    nameless = has_no_id(rows)
    if not pc.any(nameless).as_py():
        return rows
    names = rows.column("databricks_request_id").to_pylist()
    hashes = iter(content_hashes(rows.filter(nameless)))
    named = [f"null-{next(hashes)}" if empty else name for name, empty in zip(names, nameless.to_pylist(), strict=True)]
    place = rows.schema.get_field_index("databricks_request_id")
    return rows.set_column(place, rows.schema.field(place), pa.array(named, pa.string()))
