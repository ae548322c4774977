"""A model of somebody else's: a question in a column, an answer in a list. Models from code: MLflow keeps this file."""

from typing import Any

import mlflow

ANSWERS = {"When is lunch?": "Lunch is at noon, in the hall.", "Who pays?": "I don't know."}


class Canteen(mlflow.pyfunc.PythonModel):
    """Knows one thing, declines another, and breaks at a third."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        return [ANSWERS[question] for question in model_input["question"]]


mlflow.models.set_model(Canteen())
