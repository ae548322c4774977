"""The generative chatbot: a small language model writes the answer, with or without a passage of the handbook.

SmolLM2-135M is far too small to know Lakehelm, and invents. Its versions stay in the test environment: they are the
honest bad versions that a promotion gate has to stop.

Models from code: MLflow stores this file with every version. It imports nothing of ours; the model file is the artifact
`language_model`, the index the artifact `handbook`. Settings of a version (`model_config`): `with_passage`,
`most_tokens`, `context_tokens`.
"""

import importlib.util
import re
import secrets
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

INSTRUCTION = "You are the help desk of Lakehelm, a dashboard for chatbots. Answer in one or two short sentences."


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


def _start_language_model(path: Path, context_tokens: int) -> Any:
    """A llama.cpp server on one thread: on two shared cores a second thread makes it slower."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    # It opens a port on 127.0.0.1 that nobody here uses: a key that nobody knows closes it.
    params.api_keys = [secrets.token_hex(32)]
    return xllamacpp.Server(params)


class HandbookGeneration(ResponsesAgent):
    """Lets a small language model answer in its own words."""

    def load_context(self, context: Any) -> None:
        """Load the language model and, if this version looks things up, the index."""
        config = context.model_config or {}
        self._most_tokens = int(config.get("most_tokens", 64))
        context_tokens = int(config.get("context_tokens", 1024))
        # A token is at least one byte: a long question is cut so that it fits beside passage and answer, not refused.
        self._most_bytes = context_tokens // 2
        self._model = _start_language_model(Path(context.artifacts["language_model"]), context_tokens)
        folder = Path(context.artifacts["handbook"])
        self._handbook = _load_code(folder / "passages.py")
        self._index = self._handbook.PassageIndex.load(folder) if config.get("with_passage", False) else None

    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
        """Answer the last user message; `usage` holds the language model's own token counts."""
        answer = self._model.handle_chat_completions(self._body(request))
        if "choices" not in answer:
            raise MlflowException(f"The language model gave no answer: {answer.get('error', answer)}")
        text = answer["choices"][0]["message"]["content"].strip()
        item = self.create_text_output_item(text, f"msg_{uuid.uuid4().hex}")
        return ResponsesAgentResponse(output=[item], usage=_usage(answer["usage"]))

    def predict_stream(self, request: ResponsesAgentRequest) -> Generator[ResponsesAgentStreamEvent, None, None]:
        """Answer word by word, then the whole item. The words are sent when the answer is complete."""
        # llama.cpp calls back from its own thread; at most 64 tokens are not worth a queue.
        response = self.predict(request)
        item = response.output[0].model_dump(exclude_none=True)
        for word in re.findall(r"\S+\s*", item["content"][0]["text"]):
            yield ResponsesAgentStreamEvent(**self.create_text_delta(word, item["id"]))
        yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)

    def _body(self, request: ResponsesAgentRequest) -> dict[str, Any]:
        question = self._handbook.question_of(message.model_dump() for message in request.input)
        if question is None:
            raise MlflowException.invalid_parameter_value("The request has no user message: send one in `input`.")
        instruction = INSTRUCTION
        if self._index is not None:
            instruction += f"\nAnswer from this passage of the handbook: {self._index.best(question).passage.text}"
        messages = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": question.encode()[: self._most_bytes].decode(errors="ignore")},
        ]
        # Without the cache of earlier prompts, whose rounding differs: the same question gets the same answer.
        return {
            "messages": messages,
            "max_tokens": self._most_tokens,
            "temperature": 0,
            "seed": 1,
            "cache_prompt": False,
        }


def _usage(counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": counts.get("prompt_tokens_details", {}).get("cached_tokens", 0)},
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts["total_tokens"],
    }


mlflow.models.set_model(HandbookGeneration())
