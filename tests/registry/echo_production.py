"""Production for tests: a real gateway with echo models, and a real registry with versions of the same names."""

from pathlib import Path

from registry.actors import Actor
from registry.versions import CHAMPION, PREVIOUS, client
from serving.client import Served
from settings import Settings
from tests.serving.gateway_process import GatewayProcess

ANN = Actor("ann", "approver")
BOB = Actor("bob", "approver")
TEST, PROD = "test.echo", "echo.chatbot"


class EchoProduction(GatewayProcess):
    """A gateway beside a registry: `test.echo` with versions 1 to 4, `echo.chatbot` with 1 and 2, which is live."""

    def __init__(self, home: Path, prod_model: str = PROD) -> None:
        super().__init__(home)
        settings = self.settings.model_dump() | {"test_model": TEST, "prod_model": prod_model}
        self.settings = Settings(**settings)
        registry = client(self.settings)
        for name, count in ((TEST, 4), (prod_model, 0)):
            registry.create_registered_model(name)
            for _ in range(count):
                registry.create_model_version(name, "s3://nowhere/echo")
        for source in ("1", "2"):
            registry.copy_model_version(f"models:/{TEST}/{source}", prod_model)
        registry.set_registered_model_alias(prod_model, PREVIOUS, "1")
        registry.set_registered_model_alias(prod_model, CHAMPION, "2")
        endpoint = self.settings.endpoint
        served = [Served(f"{endpoint}-{version}", prod_model, version) for version in ("1", "2")]
        self.client.create(endpoint, served, {f"{endpoint}-2": 100, f"{endpoint}-1": 0})
