"""A model that cannot be loaded."""

from typing import Any

import mlflow


class Broken(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        raise OSError("the index is not there")

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        return []


mlflow.models.set_model(Broken())
