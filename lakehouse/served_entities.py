"""Which model version answered a row: the served entity's entry as it stood when the request was made."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.table_spec import TIMESTAMP

_NAMES = ("endpoint_name", "entity_name", "entity_version")


@dataclass(frozen=True)
class ServedEntities:
    """The entries of a `served_entities` table by served entity id, each list in the order of its change times."""

    times: dict[str, np.ndarray]
    names: dict[str, list[tuple[str | None, ...]]]

    @classmethod
    def from_rows(cls, rows: pa.Table) -> "ServedEntities":
        """From rows with the columns of `SERVED_ENTITIES`; unknown ids and empty tables are no error."""
        entries: dict[str, list[tuple[int, tuple[str | None, ...]]]] = {}
        changed = rows.column("change_time").cast(TIMESTAMP, safe=False).cast(pa.int64()).fill_null(0).to_pylist()
        for time, row in zip(changed, rows.select(["served_entity_id", *_NAMES]).to_pylist(), strict=True):
            entries.setdefault(str(row["served_entity_id"]), []).append((time, tuple(row[name] for name in _NAMES)))
        for entry in entries.values():
            entry.sort(key=lambda item: item[0])
        return cls(
            times={key: np.array([time for time, _ in entry], dtype=np.int64) for key, entry in entries.items()},
            names={key: [names for _, names in entry] for key, entry in entries.items()},
        )

    def fill_in(self, rows: pa.Table) -> pa.Table:
        """`rows` with endpoint, entity and version where they are null and the served entity is known.

        A request from before the first entry takes the first: the clocks of two machines differ.
        """
        ids = rows.column("served_entity_id").combine_chunks().dictionary_encode()
        if isinstance(ids, pa.ChunkedArray):
            ids = ids.combine_chunks()
        codes = ids.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        times = rows.column("request_time").cast(pa.int64()).fill_null(0).to_numpy()
        found = {name: np.full(rows.num_rows, None, dtype=object) for name in _NAMES}
        for code, entity_id in enumerate(ids.dictionary.to_pylist()):
            if entity_id not in self.names:
                continue
            here = np.flatnonzero(codes == code)
            entry = np.maximum(np.searchsorted(self.times[entity_id], times[here], side="right") - 1, 0)
            for name, values in zip(_NAMES, zip(*self.names[entity_id], strict=True), strict=True):
                found[name][here] = np.array(values, dtype=object)[entry]
        for name, column in found.items():
            filled = pc.coalesce(rows.column(name), pa.chunked_array([pa.array(column, pa.string())]))
            rows = rows.set_column(rows.schema.get_field_index(name), pa.field(name, pa.string()), filled)
        return rows
