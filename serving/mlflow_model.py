"""A registered MLflow model version behind the worker's two calls, with MLflow's own reading of request bodies."""

import json
import logging
import os
from collections.abc import Iterator
from io import StringIO
from typing import Any

from serving.model_server import error_reply
from serving.worker import Refused, Reply

logger = logging.getLogger(__name__)


class MlflowModel:
    """A model version loaded by `mlflow.pyfunc`.

    Raises whatever loading the model raises.
    """

    def __init__(self, model_uri: str, tracking_uri: str, registry_uri: str) -> None:
        import mlflow

        # What MLflow's own scoring server sets, too: models may look at it.
        os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(registry_uri)
        self._uri = model_uri
        self._model = mlflow.pyfunc.load_model(model_uri)
        self._input_schema = self._model.metadata.get_input_schema()

    def warm_up(self) -> None:
        """Answer the model's own input example, or a greeting where it has none. Raises what the model raises."""
        body = self._example()
        if body is None:
            return
        try:
            self.answer(body)
        except Refused as refused:
            reason = json.loads(refused.reply.body)["message"]
            raise ValueError(f"it does not answer its own input example: {reason}") from refused

    def answer(self, body: bytes) -> Reply:
        """Predict. A body that MLflow cannot read or that breaks the signature is the caller's fault (400)."""
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc import scoring_server

        parsed = self._parsed(body)
        try:
            predictions = self._model.predict(parsed.data, params=parsed.params)
        except MlflowException as error:
            raise _refused(error) from error
        written = StringIO()
        if parsed.is_unified_llm_input:
            scoring_server.unwrapped_predictions_to_json(predictions, written)
        else:
            scoring_server.predictions_to_json(predictions, written)
        return Reply(200, written.getvalue().encode())

    def stream(self, body: bytes) -> Iterator[bytes]:
        """Predict piece by piece, with the same errors."""
        from mlflow.exceptions import MlflowException

        parsed = self._parsed(body)
        try:
            for event in self._model.predict_stream(parsed.data, params=parsed.params):
                plain = event.model_dump(exclude_none=True) if hasattr(event, "model_dump") else event
                yield json.dumps(plain, ensure_ascii=False, default=str).encode()
        except MlflowException as error:
            raise _refused(error) from error

    def _parsed(self, body: bytes) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc import scoring_server

        try:
            return scoring_server._parse_json_data(body.decode("utf-8"), self._model.metadata, self._input_schema)
        except MlflowException as error:
            raise _refused(error) from error
        except UnicodeDecodeError as error:
            raise Refused(error_reply("INVALID_PARAMETER_VALUE", 400, "The body is not UTF-8 text.")) from error

    def _example(self) -> bytes | None:
        from mlflow.models.utils import load_serving_example

        if self._model.metadata.saved_input_example_info:
            return str(load_serving_example(self._uri)).encode()
        if self._model.metadata.flavors.get("python_function", {}).get("streamable"):
            return b'{"input":[{"role":"user","content":"hello"}]}'
        return None


def _refused(error: Any) -> Refused:
    """400 with MLflow's sentence, or 500 where it says that the fault is not the caller's."""
    status = int(error.get_http_status_code())
    # MLflow puts the whole input into some messages; the first line says what is wrong with it.
    sentence = str(error.message).strip().splitlines()[0]
    if 400 <= status < 500:
        return Refused(error_reply("INVALID_PARAMETER_VALUE", 400, sentence))
    return Refused(error_reply("INTERNAL_ERROR", 500, sentence))
