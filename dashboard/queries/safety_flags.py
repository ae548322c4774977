"""Flagged requests with what people decided about them, and how often the flagging was right."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, select, shown
from dashboard.queries.requests import snapshots
from dashboard.queries.safety import Flags
from dashboard.queries.safety_rows import Plan, ScoredRequests, plan, requests_read
from lakehouse.flags import DECISIONS
from metrics.proportions import wilson_interval

if TYPE_CHECKING:
    import pandas as pd

OPEN, CONFIRMED, DISMISSED = "open", "confirmed", "dismissed"
STATES = (OPEN, CONFIRMED, DISMISSED)


@dataclass(frozen=True)
class Triage:
    """The flagged requests of a period: open ones first, the most toxic first.

    rows: columns of `safety_rows.COLUMNS`, and state, label, remark, actor, decided_at, decision_id (texts are empty
    and times NaT where nobody has decided). total: how many are flagged; more than rows where that is above 10,000.
    counts: how many of the rows are in each of `STATES`. The rows are shared between visitors: change a copy only.
    """

    rows: "pd.DataFrame"
    total: int
    counts: dict[str, int]


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
    found: Triage = _triage(shown("flags"), *snapshots(), endpoint, threshold, of.scorer, plan(period, of))
    return found


@st.cache_resource(max_entries=12, show_spinner=False, hash_funcs=HASH_FUNCS)
def _triage(
    decided: Snapshot,
    requests: Snapshot,
    later: Snapshot,
    endpoint: str,
    threshold: float,
    scorer: str,
    how: Plan,
) -> Triage:
    scored: ScoredRequests = requests_read(requests, later, endpoint, threshold, scorer, how)
    decisions: pd.DataFrame = _decisions(decided, endpoint)
    rows = scored.flagged.merge(
        decisions.drop(columns=["toxicity", "toxicity_scorer"]), on="databricks_request_id", how="left"
    )
    texts = ["label", "remark", "actor", "decision_id"]
    rows = rows.assign(state=rows["state"].fillna(OPEN), **{name: rows[name].fillna("") for name in texts})
    # The order of the flags stays within each of both parts.
    rows = rows.iloc[(rows["state"] != OPEN).to_numpy().argsort(kind="stable")].reset_index(drop=True)
    counts = rows["state"].value_counts()
    return Triage(rows, scored.flagged_total, {state: int(counts.get(state, 0)) for state in STATES})


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


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
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


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASH_FUNCS)
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
