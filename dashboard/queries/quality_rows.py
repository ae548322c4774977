"""The single scored requests of one side, where there are few enough to look at each, without anybody's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, select, shown
from dashboard.queries.quality_sides import SCORES, Side, since_when
from metrics.sampling import is_sampled

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20_000
"""Single requests that a page reads at most."""
METRICS = (*(score.metric for score in SCORES), "cost_usd")
_SCORER_COLUMNS = {
    "response_perplexity": "perplexity_scorer",
    "response_fk_grade": "readability_scorer",
    "response_reading_ease": "readability_scorer",
    "response_ari": "readability_scorer",
    "response_toxicity": "toxicity_scorer",
}


@dataclass(frozen=True)
class SideRows:
    """The newest requests of a side: their first scores, and those that were given later."""

    first: "pd.DataFrame"
    later: "pd.DataFrame"

    def values(self, metric: str, scorer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The score that `scorer` gave each request, and the weight of it, in the order of `first`; NaN for none."""
        values = self.first[metric].to_numpy(float).copy()
        weights = np.ones(len(values))
        if is_sampled(metric, scorer):
            weights = self.first["score_weight"].to_numpy(float).copy()
        if metric in _SCORER_COLUMNS:
            own = (self.first[_SCORER_COLUMNS[metric]].fillna("") == scorer).to_numpy(bool)
            values[~own] = np.nan
        weights[np.isnan(values)] = 0.0
        given = self.later[(self.later["metric"] == metric) & (self.later["scorer"] == scorer)]
        if len(given):
            import pandas as pd

            place = pd.Index(self.first["request_id"]).get_indexer(given["request_id"])
            # A later row of a value that stands already only corrects its weight.
            missing = np.isnan(values[place])
            values[place[missing]] = given["value"].to_numpy(float)[missing]
            weights[place] += given["weight"].to_numpy(float)
        return values, weights


def side_rows(endpoint: str, side: Side, most: int = MOST_ROWS) -> SideRows:
    """The newest `most` requests of a side. Raises: QueryFailed, LakehouseError."""
    # The rollup says how far back the newest ones reach, so that no older file is read.
    since = since_when(endpoint, side, most)
    found: SideRows = _side_rows(shown("request_metrics"), shown("request_scores"), endpoint, side, since, most)
    return found


@kept(max_entries=8)
def _side_rows(snapshot: Snapshot, later: Snapshot, endpoint: str, side: Side, start: datetime, most: int) -> SideRows:
    _, end = side.span
    parameters: dict[str, Any] = {
        "start": start,
        "end": end,
        "endpoint": endpoint,
        "entity": side.entity_name,
        "version": side.entity_version,
        "status": side.status,
        "requester": side.requester,
        "most": most,
    }
    columns = ", ".join([*METRICS, *dict.fromkeys(_SCORER_COLUMNS.values())])
    first = select(
        snapshot,
        f"""SELECT databricks_request_id AS request_id, request_time::DATE::VARCHAR AS date,
                   coalesce(score_weight, 1.0) AS score_weight, {columns}
            FROM this
            WHERE request_time >= $start AND request_time < $end AND endpoint_name = $endpoint
              AND entity_version = $version AND coalesce(entity_name, '') = $entity
              AND ($status = '' OR (status_code // 100)::VARCHAR || 'xx' = $status)
              AND ($requester = '' OR requester = $requester)
            ORDER BY request_time DESC, databricks_request_id LIMIT $most""",  # noqa: S608
        span=(start, end),
        **parameters,
    )
    given = select(
        later.on_dates(start, end),
        """SELECT databricks_request_id AS request_id, metric, coalesce(scorer, '') AS scorer,
                  arg_max(value, scored_at) AS value, sum(weight) AS weight
           FROM this
           WHERE value IS NOT NULL AND metric = ANY($metrics) AND databricks_request_id = ANY($ids::VARCHAR[])
           GROUP BY ALL""",
        metrics=list(METRICS),
        ids=list(first["request_id"]) if later.files else [],
    )
    return SideRows(first, given)
