"""A model that repeats a question loudly, for tests of batches. Models from code: MLflow keeps this file."""

from typing import Any

import mlflow


class Shout(mlflow.pyfunc.PythonModel):
    """Breaks at one question."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        questions = list(model_input["question"])
        if "break" in questions:
            raise ValueError("the words of a person")
        return [question.upper() for question in questions]


mlflow.models.set_model(Shout())
