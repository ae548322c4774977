"""Whether a retraining is due: one that is under way goes on, or the rules start one. Cheap, for once a minute."""

from datetime import datetime, timedelta

from jobs.child_runs import Wish
from lakehouse.pipelines import Pipeline, pipelines
from lakehouse.runs import pending_requests
from lakehouse.status import read_status
from registry.alerts import alerts
from registry.canary import ramps
from registry.retraining_rules import OpenAlert, Start, load_retraining_rules, past_of, why_no_job, why_now
from settings import Settings

ASKED_FOR = timedelta(seconds=30)
"""How long after a step its wish for the next one may take to be seen, before the step counts as having left none."""

LOOK_AGAIN = {"job": timedelta(minutes=2), "canary": timedelta(hours=1)}
LOOK_AGAIN_USUALLY = timedelta(minutes=5)
"""How long a step waits before it is looked at anew. The end of a canary's ramp is seen without waiting so long."""


def due(settings: Settings, now: datetime) -> Wish | None:
    """The run of `retrain` that should happen at `now`, if any. Called by the scheduler about once a minute.

    Raises: LakehouseError, RegistryError (wrong rules).
    """
    active = under_way(settings)
    if active is not None:
        return Wish("retrain", "schedule", switches=("--next",)) if _goes_on(settings, active, now) else None
    if start_that_is_due(settings, now) is None:
        return None
    return Wish("retrain", "schedule", switches=("--if-due",))


def under_way(settings: Settings) -> Pipeline | None:
    """The retraining of which something is left to do; there is never more than one."""
    return next((one for one in pipelines(settings) if one.active and not one.dry_run), None)


def start_that_is_due(settings: Settings, now: datetime) -> Start | None:
    """Why the rules start a retraining at `now`; None if they do not, one is under way, or none could be trained.

    Raises: LakehouseError, RegistryError (wrong rules).
    """
    rules = load_retraining_rules(settings)
    if why_no_job(settings, rules):
        return None
    past = pipelines(settings)
    if any(one.active and not one.dry_run for one in past):
        return None
    if (read_status(settings, "demo") or {}).get("state") == "building":
        return None
    return why_now(rules, past_of(past), open_alerts(settings, now), now)


def open_alerts(settings: Settings, now: datetime) -> list[OpenAlert]:
    """The alerts of the settings' endpoint, or of none, that are open and that nobody has silenced."""
    mine = (settings.endpoint, "")
    return [
        OpenAlert(one.alert_id, one.rule, one.opened_at, one.sentence)
        for one in alerts(settings)
        if one.endpoint_name in mine and not one.quiet(now)
    ]


def _goes_on(settings: Settings, pipeline: Pipeline, now: datetime) -> bool:
    """Whether the retraining's next step should be begun, or looked at anew, without anybody having asked."""
    last = pipeline.last
    if last is None or last.state == "interrupted":
        return True
    if last.state == "running" or last.finished_at is None:
        return False
    waited = now - last.finished_at
    if last.state == "waiting":
        ended = last.name == "canary" and _ramp_has_ended(settings, last.details.get("ramp_id", ""))
        return ended or waited >= LOOK_AGAIN.get(last.name, LOOK_AGAIN_USUALLY)
    # The step has asked for the next one, unless it was killed before it could, or the wish has lapsed.
    return waited >= ASKED_FOR and not any(wish["job"] == "retrain" for wish in pending_requests(settings))


def _ramp_has_ended(settings: Settings, ramp_id: str) -> bool:
    return any(ramp.ramp_id == ramp_id and not ramp.active for ramp in ramps(settings))
