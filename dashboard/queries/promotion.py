"""What a promotion is decided on: where versions stand, the gate's verdict, evaluations, plans and requests.

What asks the registry or the endpoint is looked at in the background; tables are read as their snapshots change.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.queries import registry_ready
from dashboard.queries.client import watching_client
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, select
from dashboard.queries.watch import Seen, Watch
from lakehouse.runs import REQUEST_LIFETIME, runs
from lakehouse.status import read_status
from registry.approvals import PromotionRequest
from registry.approvals import pending_requests as waiting_requests
from registry.evaluations import EvaluatedAnswer, Evaluation, evaluated_answers, latest_evaluation
from registry.gate import GateVerdict
from registry.plans import ChangePlan
from registry.versions import Environments
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

EVALUATE = "evaluate"
NOWHERE = Environments([], None, None, [])
"""Where versions stand while there are none."""
_LOOK_EVERY_SECONDS = 4.0
_KEEP_SECONDS = 20.0
_MOST_WISHES = 200


@dataclass(frozen=True)
class EvaluationRun:
    """The last evaluation of a version that somebody asked for. `state` is that of a run of `job_runs`, or `waiting`.

    `stage` says what is being done, `done` of `questions` are asked; `error` is why it failed.
    """

    state: str
    requested_by: str = ""
    since: datetime | None = None
    stage: str = ""
    done: int = 0
    questions: int = 0
    error: str = ""


def environments() -> Seen[Environments]:
    """The latest versions of the test and the production model, by environment. Never waits."""
    watch: Watch[Environments] = _environments_watch(*_where())
    return watch.seen()


def gate(version: str) -> Seen[GateVerdict]:
    """The gate's verdict on a version of the test model. Never waits."""
    watch: Watch[GateVerdict] = _gate_watch(*_where(), version)
    return watch.seen()


def plan(endpoint: str, version: str, share: int, of_change: str = "") -> Seen[ChangePlan]:
    """The plan for promoting a version of the test model with a share of the traffic (whole per cent). Never waits."""
    watch: Watch[ChangePlan] = _plan_watch(*_where(), endpoint, version, share, of_change)
    return watch.seen()


def evaluation(version: str) -> Evaluation | None:
    """The evaluation of a version of the test model that finished last.

    Raises: RegistryError, LakehouseError.
    """
    found: Evaluation | None = _evaluation(newest("evaluations"), get_settings().test_model, version)
    return found


def answers(evaluation_id: str) -> list[EvaluatedAnswer]:
    """The questions and answers of an evaluation. People's words: mask them.

    Raises: LakehouseError.
    """
    found: list[EvaluatedAnswer] = _answers(newest("evaluated_answers"), evaluation_id)
    return found


def evaluation_run(version: str) -> EvaluationRun | None:
    """What became of the last wish for an evaluation of a version of the test model; None without one of this day.

    Raises: QueryFailed, LakehouseError.
    """
    running = _running(version)
    if running is not None:
        return running
    for wish in _wishes(newest("job_requests")):
        if wish["version"] == version:
            return _run_of(wish, newest("job_runs"))
    return None


def requests() -> list[PromotionRequest]:
    """Promotions that wait for somebody's approval, newest first.

    Raises: LakehouseError.
    """
    found: list[PromotionRequest] = _requests(newest("ledger"))
    return found


def four_eyes() -> bool:
    """Whether a promotion takes two people."""
    return get_settings().four_eyes


def _where() -> tuple[str, str]:
    settings = get_settings()
    return settings.endpoint_host, str(settings.home)


@st.cache_resource(max_entries=4, show_spinner=False)
def _environments_watch(host: str, home: str) -> Watch[Environments]:
    settings = get_settings()

    def look() -> Environments:
        from registry.versions import environments as read

        if not registry_ready.registry_exists(settings):
            return NOWHERE
        registry_ready.wait_until_ready()
        return read(settings)

    return Watch("environments", look, _LOOK_EVERY_SECONDS, _KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _gate_watch(host: str, home: str, version: str) -> Watch[GateVerdict]:
    settings = get_settings()

    def look() -> GateVerdict:
        from registry.verdict import verdict

        registry_ready.wait_until_ready()
        return verdict(settings, version)

    return Watch(f"gate-{version}", look, _LOOK_EVERY_SECONDS, _KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _plan_watch(host: str, home: str, endpoint: str, version: str, share: int, of_change: str) -> Watch[ChangePlan]:
    settings, client = get_settings(), watching_client()

    def look() -> ChangePlan:
        from registry.changes import plan_promotion

        registry_ready.wait_until_ready()
        return plan_promotion(settings, client, version, share=share, endpoint=endpoint, of_change=of_change)

    return Watch(f"promotion-{version}", look, _LOOK_EVERY_SECONDS, _KEEP_SECONDS)


@kept(max_entries=32)
def _evaluation(snapshot: Snapshot, model: str, version: str) -> Evaluation | None:
    return None if snapshot.version < 0 else latest_evaluation(get_settings(), model, version)


@kept(max_entries=4)
def _answers(snapshot: Snapshot, evaluation_id: str) -> list[EvaluatedAnswer]:
    return [] if snapshot.version < 0 else evaluated_answers(get_settings(), evaluation_id)


# The seconds to live are for a request that lapses, which is no new row.
@kept(max_entries=4, ttl=60)
def _requests(snapshot: Snapshot) -> list[PromotionRequest]:
    return [] if snapshot.version < 0 else waiting_requests(get_settings())


@kept(max_entries=4)
def _wishes(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Wishes for evaluations, newest first, each with the version it is for."""
    found: pd.DataFrame = select(
        snapshot,
        """SELECT request_id, arguments, coalesce(requested_by, '') AS requested_by, requested_at FROM this
           WHERE job = $job AND request_id IS NOT NULL ORDER BY requested_at DESC LIMIT $most""",
        job=EVALUATE,
        most=_MOST_WISHES,
    )
    return [
        {
            "request_id": row["request_id"],
            "requested_by": row["requested_by"],
            "requested_at": row["requested_at"].to_pydatetime(),
            "version": _version_in(row["arguments"]),
        }
        for row in found.to_dict("records")
    ]


def _version_in(arguments: object) -> str:
    try:
        found = json.loads(str(arguments))
    except ValueError:
        return ""
    return str(found.get("version") or "") if isinstance(found, dict) else ""


def _run_of(wish: dict[str, Any], taken: Snapshot) -> EvaluationRun | None:
    asked = wish["requested_at"]
    run = next((one for one in _evaluate_runs(taken) if one["request_id"] == wish["request_id"]), None)
    if run is not None:
        return EvaluationRun(run["state"], wish["requested_by"], run["started_at"], error=run["error"] or "")
    if datetime.now(asked.tzinfo) - asked > REQUEST_LIFETIME:
        return None
    return EvaluationRun("waiting", wish["requested_by"], asked)


# The seconds to live are for a run whose process dies, which is no new row.
@kept(max_entries=4, ttl=5)
def _evaluate_runs(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [] if snapshot.version < 0 else runs(get_settings(), EVALUATE, _MOST_WISHES)


def _running(version: str) -> EvaluationRun | None:
    """The run that is under way, if it is for this version: its own status says how far it is."""
    status = read_status(get_settings(), EVALUATE) or {}
    if status.get("state") != "running" or str(status.get("version")) != version:
        return None
    last = next(iter(_evaluate_runs(newest("job_runs"))), None)
    if last is None or last["state"] != "running":
        return None
    return EvaluationRun(
        "running",
        since=last["started_at"],
        stage=str(status.get("stage") or ""),
        done=int(status.get("questions_done") or 0),
        questions=int(status.get("questions") or 0),
    )
