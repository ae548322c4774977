"""Which rows of `request_metrics` stand in `notable_requests`. Pure: a table in, a table out."""

import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.notable_requests import LEAST_TOXICITY, NOTABLE_REQUESTS, ONE_IN

_FIRST_FAILURE = 400


def notable(rows: pa.Table) -> pa.Table:
    """The rows that failed, that may be toxic, or that are in the sample; by time.

    rows: with the columns of `notable_requests` but `sampled`. Returns: the columns of `notable_requests`.
    """
    sampled = _sampled(rows["databricks_request_id"])
    failed = pc.fill_null(pc.greater_equal(rows["status_code"], _FIRST_FAILURE), False)
    toxic = [
        pc.fill_null(pc.greater_equal(rows[name], LEAST_TOXICITY), False)
        for name in ("response_toxicity", "prompt_toxicity")
    ]
    kept = pc.or_(pc.or_(failed, pa.array(sampled)), pc.or_(*toxic))
    table = rows.append_column("sampled", pa.array(sampled)).select(NOTABLE_REQUESTS.schema.names).filter(kept)
    return table.cast(NOTABLE_REQUESTS.schema).sort_by("request_time")


def _sampled(ids: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each request is in the sample: by its id, so that it is the same whoever writes it and how often."""
    hashed = (zlib.crc32(one.encode()) if one is not None else 0 for one in ids.to_pylist())
    return np.fromiter((value % ONE_IN == 0 for value in hashed), np.bool_, len(ids))
