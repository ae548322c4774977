"""What breaks for callers when one signature takes the place of another; the dictionaries are MLflow's own."""

from typing import Any

import pytest
from mlflow.types.responses import RESPONSES_AGENT_INPUT_SCHEMA, RESPONSES_AGENT_OUTPUT_SCHEMA
from mlflow.types.schema import Array, ColSpec, DataType, Object, ParamSchema, ParamSpec, Property, Schema

from registry.signature_compatibility import broken_for_callers


def signature(
    inputs: list[ColSpec], outputs: list[ColSpec] | None = None, params: list[ParamSpec] | None = None
) -> dict[str, Any]:
    return {
        "inputs": Schema(inputs).to_dict(),
        "outputs": Schema(outputs).to_dict() if outputs else [],
        "params": ParamSchema(params).to_dict() if params else [],
    }


MESSAGE = Object([Property("role", DataType.string), Property("content", DataType.string)])
LONGER_MESSAGE = Object([*MESSAGE.properties, Property("name", DataType.string)])
POLITE_MESSAGE = Object([*MESSAGE.properties, Property("name", DataType.string, required=False)])
LIVE = signature(
    [ColSpec(Array(MESSAGE), "messages"), ColSpec(DataType.integer, "top_k", required=False)],
    [ColSpec(DataType.string, "text"), ColSpec(DataType.double, "score", required=False)],
    [ParamSpec("temperature", DataType.double, 0.5)],
)


def test_a_responses_agent_can_take_the_place_of_another() -> None:
    schema = {
        "inputs": RESPONSES_AGENT_INPUT_SCHEMA.to_dict(),
        "outputs": RESPONSES_AGENT_OUTPUT_SCHEMA.to_dict(),
        "params": [],
    }
    assert broken_for_callers(schema, schema) == []


@pytest.mark.parametrize(
    "candidate",
    [
        LIVE,
        signature([ColSpec(Array(MESSAGE), "messages")], [ColSpec(DataType.string, "text")]),
        signature(
            [ColSpec(Array(POLITE_MESSAGE), "messages"), ColSpec(DataType.string, "tone", required=False)],
            [ColSpec(DataType.string, "text"), ColSpec(DataType.string, "page")],
        ),
        signature([ColSpec(Array(MESSAGE), "messages"), ColSpec(DataType.long, "top_k", required=False)]),
        {"inputs": [], "outputs": [], "params": []},
    ],
    ids=[
        "itself",
        "takes and gives less that is optional",
        "optional inputs and more outputs",
        "wider",
        "says nothing",
    ],
)
def test_what_callers_do_not_notice_breaks_nothing(candidate: dict[str, Any]) -> None:
    assert broken_for_callers(LIVE, candidate) == []


@pytest.mark.parametrize(
    ("candidate", "sentence"),
    [
        (signature([ColSpec(DataType.string, "input")]), "requires the input input, which nobody sends"),
        (
            signature([ColSpec(Array(MESSAGE), "messages"), ColSpec(DataType.integer, "top_k")]),
            "requires the input top_k, which callers may leave out",
        ),
        (signature([ColSpec(DataType.string, "messages")]), "input messages differs: is sent array, takes string"),
        (
            signature([ColSpec(Array(LONGER_MESSAGE), "messages")]),
            "requires the input messages[].name, which nobody sends",
        ),
        (
            signature([ColSpec(Array(MESSAGE), "messages")], [ColSpec(DataType.string, "page")]),
            "does not give the output text, which callers read",
        ),
        (
            signature([ColSpec(Array(MESSAGE), "messages")], [ColSpec(DataType.string, "text", required=False)]),
            "may leave out the output text",
        ),
        (
            signature([ColSpec(Array(MESSAGE), "messages")], [ColSpec(DataType.long, "text")]),
            "output text differs: it gives long, callers read string",
        ),
        (
            signature([ColSpec(Array(MESSAGE), "messages")], None, [ParamSpec("temperature", DataType.string, "warm")]),
            "parameter temperature is string, and callers send double",
        ),
    ],
)
def test_what_callers_would_stumble_over_is_named_with_its_path(candidate: dict[str, Any], sentence: str) -> None:
    (broken,) = broken_for_callers(LIVE, candidate)
    assert sentence in broken
