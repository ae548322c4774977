"""A workspace with a production model that is quick to load, for tests of batches."""

from pathlib import Path

from registry.versions import CHAMPION, client
from settings import Settings

HERE = Path(__file__).parent


def shouting_workspace(home: Path) -> Settings:
    """A workspace whose production model has version 1, the champion, and version 2 of the same code."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    settings = Settings(home=home)
    registry = client(settings)
    experiment = mlflow.create_experiment("batch", (settings.home / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(HERE / "shout_model.py"),
            signature=ModelSignature(Schema([ColSpec("string", "question")]), Schema([ColSpec("string")])),
            pip_requirements=[f"mlflow=={mlflow.__version__}"],
        )
    for _ in range(2):
        mlflow.register_model(logged.model_uri, settings.prod_model)
    registry.set_registered_model_alias(settings.prod_model, CHAMPION, "1")
    return settings
