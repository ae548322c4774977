"""Flagged requests with what people decided about them, and how often the flagging was right."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.periods import Period
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, Span, select, shown
from dashboard.queries.safety import Flags
from dashboard.queries.safety_rows import scored_requests
from dashboard.queries.safety_toxicities import Key, Source, Toxicities, keys_of, months_span, rows_of, whole_rows
from lakehouse.flags import DECISIONS
from metrics.proportions import wilson_interval

if TYPE_CHECKING:
    import pandas as pd

OPEN, CONFIRMED, DISMISSED = "open", "confirmed", "dismissed"
STATES = (OPEN, CONFIRMED, DISMISSED)
_DECISION = ("state", "label", "remark", "actor", "decided_at", "decision_id")


@dataclass(frozen=True)
class Triage:
    """The flagged requests of a period: open ones first, the most toxic first.

    flagged: their toxicities. states: places in `STATES`, int64 [n]. total: how many are flagged; more than these where
    that is above 10,000. counts: how many of these are in each of `STATES`. source: where their whole rows are, and
    `decided` the decisions about them.
    """

    flagged: Toxicities
    states: NDArray[np.int64]
    total: int
    counts: dict[str, int]
    source: Source
    decided: "pd.DataFrame"

    def places(self, state: str = "") -> NDArray[np.int64]:
        """Which of them are in a state; all of them for none."""
        return np.arange(len(self.states)) if not state else np.flatnonzero(self.states == STATES.index(state))

    def rows(self, places: NDArray[np.int64]) -> "pd.DataFrame":
        """Whole rows of some of them, in the order of `places`: columns of `safety_toxicities.COLUMNS`, and state,
        label, remark, actor, decided_at, decision_id (texts are empty and times NaT where nobody has decided).

        Raises: QueryFailed.
        """
        some = self.flagged.at(places)
        found = with_decisions(whole_rows(self.source, some), self.decided)
        wanted = [(key, STATES[state]) for key, state in zip(some.keys(), self.states[places].tolist(), strict=True)]
        # Requests of one time with the same toxicities are told apart by their states, else they are alike.
        left: dict[tuple[Key, str], list[int]] = {}
        for place, key in enumerate(zip(keys_of(found), found["state"], strict=True)):
            left.setdefault(key, []).append(place)
        return found.iloc[[left[one].pop(0) for one in wanted if left.get(one)]].reset_index(drop=True)


@dataclass(frozen=True)
class Precision:
    """How many of the decided flags were confirmed, and the share (0 to 1) with its 95 % interval (Wilson)."""

    confirmed: int
    decided: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """NaN where nothing is decided."""
        return self.confirmed / self.decided if self.decided else float("nan")


def triage(endpoint: str, period: Period, threshold: float, of: Flags) -> Triage:
    """What is flagged in a period and what people decided about it. `of`: the flags of that period.

    Raises: QueryFailed, LakehouseError.
    """
    scored = scored_requests(endpoint, period, threshold, of)
    span = months_span(scored.source, (scored.period.start, scored.period.end))
    decided = _decided_requests(shown("flags"), scored.source, span)
    states = np.full(len(scored.flagged), STATES.index(OPEN))
    known: dict[Key, list[int]] = {}
    for key, state in zip(keys_of(decided), decided["state"], strict=True):
        known.setdefault(key, []).append(STATES.index(state))
    for place in np.flatnonzero(np.isin(scored.flagged.times, [time for time, *_ in known])).tolist():
        of_these = known.get(scored.flagged.at(slice(place, place + 1)).keys()[0])
        if of_these:
            states[place] = of_these.pop(0)
    # The order of the flags stays within each of both parts.
    order = np.argsort(states != STATES.index(OPEN), kind="stable")
    counts = np.bincount(states, minlength=len(STATES)).tolist()
    return Triage(
        scored.flagged.at(order),
        states[order],
        scored.flagged_total,
        dict(zip(STATES, counts, strict=True)),
        scored.source,
        decided,
    )


def with_decisions(rows: "pd.DataFrame", decided: "pd.DataFrame") -> "pd.DataFrame":
    """Whole rows with the decisions about them."""
    made = decided[["databricks_request_id", *_DECISION]]
    found = rows.merge(made, on="databricks_request_id", how="left")
    texts = ["label", "remark", "actor", "decision_id"]
    return found.assign(state=found["state"].fillna(OPEN), **{name: found[name].fillna("") for name in texts})


def precision(endpoint: str, threshold: float, scorer: str) -> Precision:
    """How often the flags of a scorer at a threshold were right, over everything decided on an endpoint so far.

    Raises: QueryFailed, LakehouseError.
    """
    decisions: pd.DataFrame = _decisions(shown("flags"), endpoint)
    states = decisions.loc[
        (decisions["toxicity_scorer"] == scorer) & (decisions["toxicity"] >= threshold), "state"
    ].value_counts()
    confirmed = int(states.get(CONFIRMED, 0))
    decided = confirmed + int(states.get(DISMISSED, 0))
    return Precision(confirmed, decided, *wilson_interval(confirmed, decided))


def history(request_id: str) -> list[dict[str, Any]]:
    """Every decision about a request, newest first: decided_at, decision, label, remark, actor, role.

    Raises: QueryFailed, LakehouseError.
    """
    found: list[dict[str, Any]] = _history(shown("flags"), request_id)
    return found


@kept(max_entries=8)
def _decided_requests(decided: Snapshot, source: Source, span: Span) -> "pd.DataFrame":
    """The requests of a span of time that were decided about: their whole rows and the decisions."""
    decisions = _decisions(decided, source.endpoint)
    found = rows_of(source, decisions["databricks_request_id"].tolist() if len(decisions) else [], span)
    return found.merge(decisions.drop(columns=["toxicity", "toxicity_scorer"]), on="databricks_request_id")


@kept(max_entries=8)
def _decisions(snapshot: Snapshot, endpoint: str) -> "pd.DataFrame":
    """The decision that holds for each request. A row that no release of ours wrote counts for nothing."""
    return select(
        snapshot,
        """SELECT databricks_request_id, decision AS state, coalesce(label, '') AS label,
                  coalesce(remark, '') AS remark, coalesce(actor, '') AS actor, time AS decided_at, decision_id,
                  greatest(prompt_toxicity, response_toxicity) AS toxicity, toxicity_scorer
           FROM this
           WHERE endpoint_name = $endpoint AND time IS NOT NULL AND databricks_request_id IS NOT NULL
             AND decision = ANY($known)
           QUALIFY row_number() OVER (PARTITION BY databricks_request_id ORDER BY time DESC, decision_id DESC) = 1""",
        endpoint=endpoint,
        known=list(DECISIONS),
    )


@kept(max_entries=64)
def _history(snapshot: Snapshot, request_id: str) -> list[dict[str, Any]]:
    rows = select(
        snapshot,
        """SELECT time AS decided_at, decision, coalesce(label, '') AS label, coalesce(remark, '') AS remark,
                  coalesce(actor, '') AS actor, coalesce(role, '') AS role
           FROM this
           WHERE databricks_request_id = $id AND time IS NOT NULL AND decision = ANY($known)
           ORDER BY time DESC, decision_id DESC""",
        id=request_id,
        known=list(DECISIONS),
    )
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
