"""Production for tests: an endpoint of a real gateway with echo models, and a real registry with the same versions."""

from dataclasses import dataclass

from registry.actors import Actor
from registry.changes import carry_out
from registry.plans import ChangePlan, ChangeReport
from registry.production import production_state
from registry.versions import CHAMPION, PREVIOUS, client
from serving.client import EndpointClient, Served
from settings import Settings

ANN = Actor("ann", "approver")
BOB = Actor("bob", "approver")
OVERRIDE = "a model of the tests, which nobody evaluates"


@dataclass(frozen=True)
class EchoProduction:
    """Endpoint `name` with the production model `<kind>.<name>` in versions 1 and 2; 2 is live, 1 warm.

    The test model `test.<name>` has versions 1 to 4; production's are copies of its first two. `kind` says how the
    models behave (`tests.serving.echo_model`).
    """

    settings: Settings
    client: EndpointClient

    @property
    def traffic(self) -> dict[str, int]:
        """Version → whole per cent, as the endpoint and the registry are now."""
        return production_state(self.settings, self.client).traffic

    @property
    def aliases(self) -> tuple[str | None, str | None]:
        """The versions of (champion, previous)."""
        state = production_state(self.settings, self.client)
        return state.champion, state.previous

    @property
    def copies(self) -> list[str]:
        """The versions of the production model, newest first."""
        found = client(self.settings).search_model_versions(f"name='{self.settings.prod_model}'")
        return sorted((str(one.version) for one in found), key=int, reverse=True)

    def do(self, plan: ChangePlan, actor: Actor = ANN, reason: str = "a test") -> ChangeReport:
        """Carry a plan out; the gate of a promotion is overridden."""
        override = OVERRIDE if plan.action == "promote" else ""
        return carry_out(self.settings, self.client, plan, actor=actor, reason=reason, override_reason=override)


def settings_of(settings: Settings, name: str, kind: str = "echo") -> Settings:
    """The settings of a production called `name` in this workspace."""
    return settings.model_copy(update={"endpoint": name, "test_model": f"test.{name}", "prod_model": f"{kind}.{name}"})


def echo_production(settings: Settings, name: str, kind: str = "echo") -> EchoProduction:
    """Make a production called `name` on the gateway of `settings`."""
    mine = settings_of(settings, name, kind)
    registry = client(mine)
    registry.create_registered_model(mine.test_model)
    registry.create_registered_model(mine.prod_model)
    for _ in range(4):
        registry.create_model_version(mine.test_model, "s3://nowhere/echo")
    for source in ("1", "2"):
        registry.copy_model_version(f"models:/{mine.test_model}/{source}", mine.prod_model)
    registry.set_registered_model_alias(mine.prod_model, PREVIOUS, "1")
    registry.set_registered_model_alias(mine.prod_model, CHAMPION, "2")
    served = [Served(f"{name}-{version}", mine.prod_model, version) for version in ("1", "2")]
    production = EchoProduction(mine, EndpointClient(mine))
    production.client.create(name, served, {f"{name}-2": 100, f"{name}-1": 0})
    return production
