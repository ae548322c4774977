"""The extractive chatbot: it answers with the handbook's own words and writes none itself.

Models from code: MLflow stores this file with every version and runs it when the version is loaded. It imports nothing
of ours. What it needs (the index and the code that reads it) is the artifact `handbook`.

Settings of a version (`model_config`): `answer`: "passage" (the whole passage) or "sentences" (its best one to three);
`least_coverage`: below this the answer is that it does not know; 0 answers everything.
"""

import importlib.util
import re
import sys
import uuid
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse, ResponsesAgentStreamEvent

UNKNOWN = "I don't know. The handbook has nothing on this, and I would rather not guess."


def _load_code(path: Path) -> ModuleType:
    """Import the copy that was logged with this version, under a name of its own: two versions never share it."""
    name = f"handbook_{path.stem}_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"The model's file {path.name} cannot be imported: log the version again.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class HandbookRetrieval(ResponsesAgent):
    """Finds the passage that fits the question and quotes it."""

    def load_context(self, context: Any) -> None:
        """Read the index that this version was trained with."""
        folder = Path(context.artifacts["handbook"])
        self._handbook = _load_code(folder / "passages.py")
        self._index = self._handbook.PassageIndex.load(folder)
        config = context.model_config or {}
        self._whole_passage = config.get("answer", "passage") == "passage"
        self._least_coverage = float(config.get("least_coverage", 0.0))

    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
        """Answer the last user message."""
        text, evidence = self._answer(request)
        item = self.create_text_output_item(text, f"msg_{uuid.uuid4().hex}")
        return ResponsesAgentResponse(output=[item], custom_outputs=evidence)

    def predict_stream(self, request: ResponsesAgentRequest) -> Generator[ResponsesAgentStreamEvent, None, None]:
        """Answer word by word, then the whole item."""
        text, evidence = self._answer(request)
        item_id = f"msg_{uuid.uuid4().hex}"
        for word in re.findall(r"\S+\s*", text):
            yield ResponsesAgentStreamEvent(**self.create_text_delta(word, item_id))
        yield ResponsesAgentStreamEvent(
            type="response.output_item.done",
            item=self.create_text_output_item(text, item_id),
            custom_outputs=evidence,
        )

    def _answer(self, request: ResponsesAgentRequest) -> tuple[str, dict[str, Any]]:
        question = self._handbook.question_of(message.model_dump() for message in request.input)
        if question is None:
            raise MlflowException.invalid_parameter_value("The request has no user message: send one in `input`.")
        hit = self._index.best(question)
        known = hit.coverage >= self._least_coverage
        evidence = {"coverage": round(hit.coverage, 3), "chunk_id": hit.passage.chunk_id if known else None}
        if not known:
            return UNKNOWN, evidence
        if self._whole_passage:
            return hit.passage.text, evidence
        return self._index.best_sentences(question, hit.passage), evidence


mlflow.models.set_model(HandbookRetrieval())
