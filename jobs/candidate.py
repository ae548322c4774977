"""The version that is being evaluated: loaded and asked in this process, with the code that a worker serves it with."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metrics.bodies import parse_exchange
from registry.versions import ModelVersion
from settings import Settings

if TYPE_CHECKING:
    from serving.mlflow_model import MlflowModel

_OURS = frozenset({"client_request_id", "stream", "stream_options"})
"""Keys of a logged body that belong to the call and not to the question: an evaluation wants the whole answer."""


@dataclass(frozen=True)
class GivenAnswer:
    """What the version answered. `text` is None where it did not answer, and `problem` says why, quoting nobody."""

    request: str
    response: str
    status_code: int
    text: str | None
    problem: str
    seconds: float


class Candidate:
    """A loaded version."""

    def __init__(self, model: "MlflowModel", input_names: list[str]) -> None:
        self._model = model
        self._input_names = input_names

    @classmethod
    def load(cls, settings: Settings, version: ModelVersion, input_names: list[str]) -> "Candidate":
        """Load the version and let it answer its own input example. Raises whatever the version raises."""
        from serving.mlflow_model import MlflowModel

        model = MlflowModel(version.uri, settings.tracking_uri, settings.registry_uri)
        model.warm_up()
        return cls(model, input_names)

    def ask(self, body: Mapping[str, Any]) -> GivenAnswer:
        """Send a request's body. An error of the version is its answer, never ours."""
        from serving.worker import Refused

        request = json.dumps(body, ensure_ascii=False)
        started = time.perf_counter()
        try:
            reply = self._model.answer(request.encode())
            status, response, problem = reply.status, reply.body.decode(errors="replace"), ""
        except Refused as refused:
            status, response = refused.reply.status, refused.reply.body.decode(errors="replace")
            problem = f"it refused the request with status {status}."
        except Exception as error:  # noqa: BLE001 - whatever a model raises is what the evaluation is there to find
            # The kind only: the message may quote the question, and this sentence is shown unmasked.
            status, response, problem = 500, "{}", f"it raised {type(error).__name__}."
        seconds = time.perf_counter() - started
        if problem:
            return GivenAnswer(request, response, status, None, problem, seconds)
        exchange = parse_exchange(request, response)
        if not exchange.response:
            problem = f"{exchange.problems.get('response') or 'the answer is an empty text'}."
        return GivenAnswer(request, response, status, exchange.response or None, problem, seconds)

    def ask_question(self, question: str) -> GivenAnswer:
        """Ask one question as a user's turn, in the shape that the version's signature takes."""
        return self.ask(question_body(question, self._input_names))


def question_body(question: str, input_names: list[str]) -> dict[str, Any]:
    """A request's body for one question, by the names of the inputs that a model takes: a Responses agent's `input`, a
    chat model's `messages`, else a data frame with the question in its first column.
    """
    turn = [{"role": "user", "content": question}]
    if "input" in input_names or "messages" in input_names:
        return {"input" if "input" in input_names else "messages": turn}
    if input_names:
        return {"dataframe_records": [{input_names[0]: question}]}
    return {"inputs": [question]}


def replayed_body(request: str) -> dict[str, Any] | None:
    """A logged request as it is asked again, or None if it holds no JSON object."""
    try:
        body = json.loads(request)
        body = json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        return None
    return {key: value for key, value in body.items() if key not in _OURS} if isinstance(body, dict) else None
