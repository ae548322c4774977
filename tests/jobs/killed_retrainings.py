"""What must hold after a retraining was killed at its steps, shared by the quick test and the long one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from jobs.crash_points import VARIABLE
from jobs.retraining_work import PIPELINE_TAG
from jobs.watch_look import Looker
from lakehouse.ledger import changes
from lakehouse.pipelines import Pipeline, pipelines
from registry.canary import ramps
from registry.versions import CHALLENGER, versions
from tests.jobs.killed_runs import ROOT, killed
from tests.registry.echo_production import EchoProduction


def run_process(production: EchoProduction, rules: str, handbook: Path, kill_at: str = "") -> int:
    """Go on with the retraining, or begin one, in a process of its own; its exit status."""
    settings = production.settings
    own = {"LAKEHELM_LAKE_URI": settings.lake_uri, VARIABLE: kill_at}
    command = [sys.executable, "-m", "tests.jobs.retraining_process"]
    arguments = [str(settings.home), str(settings.gateway_port), settings.endpoint, rules, str(handbook)]
    environment = {**os.environ, **own}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False, timeout=120).returncode


def kill_at_each(production: EchoProduction, rules: str, handbook: Path, places: Sequence[str]) -> None:
    """One retraining, killed at each of the places in turn."""
    for place in places:
        assert killed(run_process(production, rules, handbook, place)), place
        (pipeline,) = pipelines(production.settings)
        after = place.endswith("_written") or place not in pipeline.plan
        assert after or pipeline.state == "interrupted", place


def let_the_ramp_end(production: EchoProduction) -> None:
    """Take the steps of the ramp that are due. The holds of the tests' rules are over at once."""
    for _ in range(10):
        if not any(ramp.active for ramp in ramps(production.settings)):
            return
        assert Looker(production.settings, production.client).look(act=True).errors == []
    raise AssertionError("The ramp does not end.")


def check_everything_was_done_once(production: EchoProduction) -> Pipeline:
    """One version trained, one alias moved, one copy in production, which is the champion."""
    settings = production.settings
    (done,) = pipelines(settings)
    assert done.state == "succeeded", done
    assert [step.state for step in done.steps] == ["succeeded"] * len(done.plan)
    mine = [one for one in versions(settings, settings.test_model) if one.tags.get(PIPELINE_TAG) == done.pipeline_id]
    assert [one.version for one in mine] == [done.found("version")]
    assert CHALLENGER in mine[0].aliases
    assert len([one for one in changes(settings, target=settings.test_model) if one.outcome == "succeeded"]) == 1
    assert production.copies == ["3", "2", "1"], "the version was copied once"
    assert (production.aliases, production.traffic["3"]) == (("3", "2"), 100)
    return done
