"""Registered MLflow models behind the real fork server: `python -m serving` as a person starts it."""

import json
import subprocess
import sys
import textwrap

import pytest

from tests.serving.gateway_process import REPOSITORY, GatewayProcess

AGENT = """
    import mlflow
    from mlflow.pyfunc import ResponsesAgent
    from mlflow.types.responses import ResponsesAgentResponse, ResponsesAgentStreamEvent

    class Parrot(ResponsesAgent):
        def predict(self, request):
            question = request.input[-1].content
            if question == "raise":
                raise KeyError("the parrot is tired")
            item = self.create_text_output_item(text=f"You said: {question}", id="m1")
            return ResponsesAgentResponse(output=[item])

        def predict_stream(self, request):
            text = f"You said: {request.input[-1].content}"
            for word in text.split(" "):
                yield ResponsesAgentStreamEvent(**self.create_text_delta(delta=word + " ", item_id="m1"))
            item = self.create_text_output_item(text=text, id="m1")
            yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)

    mlflow.models.set_model(Parrot())
"""

REGISTER = """
    import os, sys
    from pathlib import Path
    import mlflow
    import pandas as pd
    from settings import Settings

    settings = Settings(home=Path(sys.argv[1]))
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.registry_uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("tests", str(settings.home / "artifacts")))

    class Doubler(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["x"] * 2

    class Fragile(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            if os.environ.get("_MLFLOW_IS_IN_SERVING_ENVIRONMENT"):
                raise OSError("its file is missing")
            return model_input["x"]

    example = pd.DataFrame({"x": [1, 2]})
    common = {"pip_requirements": ["mlflow"]}
    with mlflow.start_run():
        for _ in range(2):
            mlflow.pyfunc.log_model(
                name="agent", python_model=sys.argv[2], registered_model_name="prod.parrot", **common
            )
        for model in (Doubler, Fragile):
            mlflow.pyfunc.log_model(
                name=model.__name__,
                python_model=model(),
                registered_model_name=f"test.{model.__name__.lower()}",
                input_example=example,
                signature=mlflow.models.infer_signature(example, [2, 4]),
                **common,
            )
"""


@pytest.fixture(scope="module")
def mlflow_gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("mlflow")
    agent = home / "agent.py"
    agent.write_text(textwrap.dedent(AGENT))
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(REGISTER), str(home), str(agent)],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true", "HOME": str(home)},
        check=True,
        capture_output=True,
    )
    gateway = GatewayProcess(home, module="serving")
    yield gateway
    gateway.stop()


def test_a_responses_agent_answers_and_a_second_version_of_it_too(mlflow_gateway):
    for version in (1, 2):
        mlflow_gateway.serve("parrot", version, model="prod.parrot")
        answer = mlflow_gateway.client.ask("parrot", "hello", client_request_id="mine")
        assert (answer.text, answer.served_model_name) == ("You said: hello", f"parrot-{version}")


def test_workers_are_forks_that_share_what_was_imported_once(mlflow_gateway):
    mlflow_gateway.serve("parrot", 1, 2, model="prod.parrot")
    log = (mlflow_gateway.settings.home / "logs" / "fork_server.log").read_text()
    assert "fresh process instead of a fork" not in log


def test_a_responses_agent_streams(mlflow_gateway):
    mlflow_gateway.serve("streaming", 1, model="prod.parrot")
    status, headers, body = mlflow_gateway.ask("streaming", "one two", stream=True)
    assert status == 200
    assert b"event: error" not in body
    assert body.endswith(b"data: [DONE]\n\n")
    (row,) = mlflow_gateway.wait_for_rows([headers["x-request-id"]])
    assert json.loads(row["response"])["output"][0]["content"][0]["text"] == "You said: one two"


def test_an_agent_that_raises_is_a_500_and_a_body_it_cannot_read_a_400(mlflow_gateway):
    mlflow_gateway.serve("errors", 1, model="prod.parrot")
    status, _, body = mlflow_gateway.ask("errors", "raise")
    assert (status, json.loads(body)["message"]) == (500, "The model raised KeyError: 'the parrot is tired'")
    for wrong in ({"input": "text"}, {"nonsense": 1}):
        status, _, body = mlflow_gateway.request("POST", "/serving-endpoints/errors/invocations", wrong)
        assert (status, json.loads(body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_plain_pyfunc_model_answers_with_predictions(mlflow_gateway):
    mlflow_gateway.serve("doubler", 1, model="test.doubler")
    answer = mlflow_gateway.client.invoke("doubler", {"dataframe_records": [{"x": 3}, {"x": 4}]})
    assert answer.body == {"predictions": [{"x": 6}, {"x": 8}]}


def test_a_model_that_fails_on_its_own_example_does_not_go_live(mlflow_gateway):
    from serving.client import Served
    from serving.errors import UpdateFailed

    mlflow_gateway.serve("guarded", 1, model="test.doubler")
    with pytest.raises(UpdateFailed, match="its file is missing"):
        mlflow_gateway.client.update("guarded", [Served("guarded-9", "test.fragile", "1")], {"guarded-9": 100})
    assert mlflow_gateway.client.get("guarded").live.name == "guarded-1"


def test_a_version_that_is_not_registered_is_named_in_the_failure(mlflow_gateway):
    from serving.client import Served
    from serving.errors import UpdateFailed

    with pytest.raises(UpdateFailed, match=r"models:/prod\.parrot/77"):
        mlflow_gateway.client.create("nowhere", [Served("nowhere-77", "prod.parrot", "77")], {"nowhere-77": 100})
    mlflow_gateway.client.delete("nowhere")
