"""`python -m tests.registry.change_process HOME PORT NAME KIND PLAN ARGUMENT`: one change, in a process of its own.

A test kills it at a step with LAKEHELM_KILL_AT (`registry.changes.STEPS`).
"""

import sys
from pathlib import Path

from registry.changes import plan_finish, plan_promotion, plan_rollback, plan_undo
from serving.client import EndpointClient
from settings import Settings
from tests.registry.echo_production import EchoProduction, settings_of

if __name__ == "__main__":
    home, port, name, kind, plan, argument = sys.argv[1:7]
    settings = settings_of(Settings(home=Path(home), gateway_port=int(port)), name, kind)
    production = EchoProduction(settings, EndpointClient(settings))
    plans = {
        "promote": lambda: plan_promotion(settings, production.client, argument),
        "canary": lambda: plan_promotion(settings, production.client, argument, share=10),
        "rollback": lambda: plan_rollback(settings, production.client, to_version=argument),
        "finish": lambda: plan_finish(settings, production.client, argument),
        "undo": lambda: plan_undo(settings, production.client, argument),
    }
    print(production.do(plans[plan]()).sentence)
