"""The loop closes: a shift in the traffic → drift → alert → retraining → gate → challenger → canary → everybody.

Drift, judgement, alerts, rules, gate, registry, gateway and ledger are the real ones; what is trained is quick.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jobs.alert_look import AlertLooker
from jobs.child_runs import Wish, wish_of_request
from jobs.drift import run_drift
from jobs.retrain import run_retrain
from jobs.retraining_triggers import due
from jobs.retraining_work import Parts
from jobs.watch_look import Looker
from lakehouse.ledger import changes
from lakehouse.pipelines import Pipeline, pipelines
from lakehouse.runs import pending_requests
from lakehouse.store import open_table, read_rows
from registry.alerts import alerts
from registry.ramp_steps import Ramp
from registry.versions import CHALLENGER, versions
from settings import Settings
from tests.jobs.drift_requests import deliver, requests
from tests.jobs.quick_retraining import quick_parts, rules_file, write_handbook
from tests.registry.echo_production import EchoProduction, echo_production
from tests.serving.gateway_process import GatewayProcess

NUMBERS = count(1)
WINDOW = timedelta(minutes=5)
EACH = 300
"""Requests in a window of five minutes."""
BEFORE, SHIFTED = 42, 3
"""Windows of stationary traffic, and of traffic that has shifted."""
RULES = "[canary]\non = true\n[promotion]\non = true\n"


@pytest.fixture
def production(echo_gateway: GatewayProcess, tmp_path: Path) -> EchoProduction:
    """A production with a lake of this test's own, and rules that let a version go all the way."""
    own = {"lake_uri": str(tmp_path / "lake"), "retraining_rules_file": rules_file(tmp_path / "rules.toml", RULES)}
    return echo_production(echo_gateway.settings.model_copy(update=own), f"looped-{next(NUMBERS)}")


def scored(
    settings: Settings, start: datetime, windows: int, flagged: float, seed: int, version: str = "2"
) -> pa.Table:
    """Requests as the metrics job has scored them, of which a share of the answers is flagged."""
    number = windows * EACH
    random = np.random.default_rng(seed)
    texts = np.where(random.uniform(size=number) < flagged, 0.9, 0.05)
    return requests(
        number,
        start,
        windows * WINDOW,
        seed=seed,
        endpoint_name=[settings.endpoint] * number,
        entity_name=[settings.prod_model] * number,
        entity_version=[version] * number,
        requester=[f"person{place % 40}@team{place % 7}.example" for place in range(number)],
        status_code=[200] * number,
        execution_duration_ms=random.lognormal(5, 0.5, number).astype(int).tolist(),
        completion_tokens=(1 + random.lognormal(4, 0.8, number)).astype(int).tolist(),
        response_toxicity=texts.tolist(),
        score_weight=[1.0] * number,
    )


def shift(settings: Settings, now: datetime, version: str = "2") -> None:
    """Stationary traffic up to a quarter of an hour ago, then three times as many flagged answers."""
    end = datetime.fromtimestamp(now.timestamp() // 300 * 300, UTC)
    since = end - SHIFTED * WINDOW
    deliver(settings, scored(settings, since - BEFORE * WINDOW, BEFORE, 0.05, seed=1, version=version))
    run_drift(settings, now=now, until=since)
    look(settings)
    assert read_rows(open_table(settings, "drift_findings")).num_rows == 0, "nothing has drifted yet"
    assert due(settings, now) is None
    deliver(settings, scored(settings, since, SHIFTED, 0.15, seed=2, version=version))
    run_drift(settings, now=now, until=end)
    look(settings)


def look(settings: Settings) -> None:
    AlertLooker(settings, None).look(datetime.now(UTC))


def run(settings: Settings, wish: Wish, parts: Parts) -> None:
    """A child of the scheduler's, in this process."""
    switches = set(wish.switches)
    assert (wish.job, switches <= {"--next", "--if-due"}) == ("retrain", True)
    by = {"trigger": wish.trigger, "request_id": wish.request_id}
    run_retrain(settings, next_only="--next" in switches, if_due="--if-due" in switches, parts=parts, **by)


def schedule(settings: Settings, parts: Parts) -> Pipeline:
    """What the scheduler does about retraining: what is due, and what is asked for, until neither is."""
    for _ in range(20):
        wishes = [wish_of_request(wish) for wish in pending_requests(settings) if wish["job"] == "retrain"]
        wish = wishes[0] if wishes else due(settings, datetime.now(UTC))
        if wish is None:
            break
        run(settings, wish, parts)
    return pipelines(settings)[0]


def test_a_shift_leads_to_a_new_champion(
    production: EchoProduction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, parts = production.settings, quick_parts(write_handbook(tmp_path / "handbook"))
    shift(settings, datetime.now(UTC))
    findings = read_rows(open_table(settings, "drift_findings")).to_pylist()
    assert {"response_flagged"} == {one["column_name"] for one in findings if one["confirmed"]}
    (alert,) = [one for one in alerts(settings) if one.rule == "drift"]
    assert "flagged" in alert.sentence
    waiting = schedule(settings, parts)
    assert (waiting.state, waiting.next_step, waiting.trigger) == ("waiting", "canary", "alert")
    assert waiting.found("alert_id") == alert.alert_id
    assert alert.sentence in waiting.reason
    assert production.traffic == {"1": 0, "2": 95, "3": 5}
    monkeypatch.setattr(Ramp, "next_at", property(lambda ramp: ramp.since if ramp.next_share else None))
    for _ in range(2):
        assert Looker(settings, production.client).look(act=True).errors == []
    done = schedule(settings, parts)
    assert [(step.name, step.state) for step in done.steps] == [(name, "succeeded") for name in done.plan]
    assert done.plan == ("features", "train", "evaluate", "challenger", "canary", "promote")
    assert (production.aliases, production.traffic["3"]) == (("3", "2"), 100)
    assert all(done.mark in one.reason for one in changes(settings, target=settings.endpoint))
    assert due(settings, datetime.now(UTC) + timedelta(days=2)) is None, "the same alert starts no second one"


def test_a_shift_and_a_bad_candidate_leave_production_alone(production: EchoProduction, tmp_path: Path) -> None:
    settings, parts = production.settings, quick_parts(write_handbook(tmp_path / "handbook"), bad=True)
    shift(settings, datetime.now(UTC))
    stopped = schedule(settings, parts)
    assert (stopped.state, stopped.steps[-1].name) == ("stopped", "evaluate")
    assert "does not let" in stopped.steps[-1].sentence
    assert [one for one in versions(settings, settings.test_model) if CHALLENGER in one.aliases] == []
    assert (production.traffic, production.copies) == ({"1": 0, "2": 100}, ["2", "1"])
    assert changes(settings, target=settings.endpoint) == []
