"""Changes that break off as if their process had been killed, in this process: nothing after the step is done."""

import pytest

from registry import changes
from registry.plans import ChangePlan
from tests.registry.echo_production import EchoProduction


class Killed(BaseException):
    """What a SIGKILL is to the code after it."""


def broken_off(monkeypatch: pytest.MonkeyPatch, production: EchoProduction, plan: ChangePlan, step: str) -> None:
    """Carry a plan out up to the end of `step`, and write down nothing after it."""

    def kill(name: str) -> None:
        if name == step:
            raise Killed(name)

    with monkeypatch.context() as patch:
        patch.setattr(changes, "crash_point", kill)
        patch.setattr("registry.changes._Change.broke_off", lambda *_: "")
        with pytest.raises(Killed):
            production.do(plan)
