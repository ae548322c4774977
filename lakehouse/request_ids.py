"""Ids for rows that came without one: the same in every process and on every day, as exactly-once rests on them."""

import hashlib
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.tables import INFERENCE_TABLE

_PREFIX = "null-"
_HASHED = tuple(name for name in INFERENCE_TABLE.schema.names if name != "databricks_request_id")


def has_no_id(rows: pa.Table) -> pa.ChunkedArray:
    """Boolean [n]: whether a row's request id is null or empty."""
    ids = rows.column("databricks_request_id")
    return pc.or_kleene(pc.is_null(ids), pc.equal(ids, "")).fill_null(True)


def content_hashes(rows: pa.Table) -> list[str]:
    """A hash of each row's content (rows with the columns of `INFERENCE_ROWS`), 32 hexadecimal digits."""
    plain = rows.select(_HASHED).set_column(
        _HASHED.index("request_time"), "request_time", rows.column("request_time").cast(pa.int64())
    )
    return [
        hashlib.sha256(json.dumps(list(row.values()), default=str).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        for row in plain.to_pylist()
    ]


def fill_in_ids(rows: pa.Table, versions: pa.ChunkedArray, seen: Counter[str]) -> pa.Table:
    """`rows` with an id in every row: where there was none, `null-<hash of the content>-<commit version>-<n>`.

    `n` tells equal rows of one commit apart; `seen` counts them and is carried from batch to batch of one read.
    """
    empty = has_no_id(rows).to_numpy(zero_copy_only=False)
    here = np.flatnonzero(empty)
    if here.size == 0:
        return rows
    ids = np.array(rows.column("databricks_request_id").to_pylist(), dtype=object)
    commits = versions.to_numpy()
    for index, digest in zip(here, content_hashes(rows.take(pa.array(here))), strict=True):
        stem = f"{_PREFIX}{digest}-{commits[index]}"
        ids[index] = f"{stem}-{seen[stem]}"
        seen[stem] += 1
    place = rows.schema.get_field_index("databricks_request_id")
    return rows.set_column(place, rows.schema.field(place), pa.array(ids, pa.string()))


def content_hash_in(request_id: str) -> str | None:
    """The content hash inside an id that `fill_in_ids` made; None for any other id."""
    parts = request_id.split("-")
    return parts[1] if request_id.startswith(_PREFIX) and len(parts) == 4 else None
