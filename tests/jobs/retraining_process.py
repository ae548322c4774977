"""`python -m tests.jobs.retraining_process HOME PORT NAME RULES HANDBOOK`: a retraining in a process of its own.

It goes on with the one that is under way, or begins one, until it ends or waits. A test kills it at a step with
LAKEHELM_KILL_AT (`jobs.retraining_steps.STEPS`).
"""

import sys
from pathlib import Path

from jobs.retrain import run_retrain
from jobs.retraining_triggers import under_way
from settings import Settings
from tests.jobs.quick_retraining import quick_parts
from tests.registry.echo_production import settings_of

if __name__ == "__main__":
    home, port, name, rules, handbook = sys.argv[1:6]
    # The lake is that of LAKEHELM_LAKE_URI.
    settings = settings_of(Settings(home=Path(home), gateway_port=int(port), retraining_rules_file=rules), name)
    going_on = under_way(settings) is not None
    run_retrain(settings, next_only=going_on, reason="a test", parts=quick_parts(Path(handbook)))
