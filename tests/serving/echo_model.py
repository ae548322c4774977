"""A model that needs no MLflow, behind the real worker and the real fork server: for tests of what is around it.

The registered model's name says what it does: `echo.*` answers with its address and the question; a question
`sleep 0.5` takes that long, `die` ends the process, `raise why` raises; `broken.*` and every version 13 cannot be
loaded; `slow.*` takes a second to load. Run as a script it is the fork server.
"""

import json
import os
import sys
import time
from collections.abc import Iterator

from serving.fork_server import serve_orders
from serving.worker import LoadedModel, Reply, WorkerOrder


class EchoModel:
    def __init__(self, model_uri: str) -> None:
        self.model_uri = model_uri

    def warm_up(self) -> None:
        pass

    def answer(self, body: bytes) -> Reply:
        return Reply(200, json.dumps(self._output(json.loads(body))).encode())

    def stream(self, body: bytes) -> Iterator[bytes]:
        question = json.loads(body)
        output = self._output(question)
        for word in output["output"][0]["content"][0]["text"].split(" "):
            yield json.dumps({"type": "response.output_text.delta", "delta": word + " "}).encode()
            if word == "die-midway":
                time.sleep(0.3)  # what was said so far is on its way
                os._exit(9)
            if word == "raise-midway":
                raise KeyError("midway")
        yield json.dumps({"type": "response.output_item.done", "item": output["output"][0]}).encode()

    def _output(self, body: dict) -> dict:
        question = body["input"][-1]["content"]
        if question.startswith("sleep "):
            time.sleep(float(question.split()[1]))
        if question == "die":
            os._exit(9)
        if question.startswith("raise "):
            raise KeyError(question)
        text = f"{self.model_uri} heard {question}"
        content = {"type": "output_text", "text": text}
        message = {"type": "message", "role": "assistant", "content": [content]}
        return {"output": [message], "keys": sorted(body)}


def load_echo(order: WorkerOrder) -> LoadedModel:
    if order.model_uri.startswith("models:/broken.") or order.model_uri.endswith("/13"):
        raise ValueError("this version is broken")
    if order.model_uri.startswith("models:/slow."):
        time.sleep(1)
    return EchoModel(order.model_uri)


FORK_SERVER = (sys.executable, "-m", "tests.serving.echo_model")

if __name__ == "__main__":
    sys.exit(
        serve_orders(("serving.model_server", "uvicorn", "uvicorn.protocols.http.httptools_impl", "uvloop"), load_echo)
    )
