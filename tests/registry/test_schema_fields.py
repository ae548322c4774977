import json

import pytest

from registry.schema_fields import SchemaField, signature_of


def test_fields_within_objects_and_lists_have_their_path() -> None:
    usage = {"type": "object", "properties": {"tokens": {"type": "long", "required": True}}}
    tools = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    schema = [{"name": "usage", "required": False, **usage}, {"name": "tools", "required": True, **tools}]
    found = signature_of({"signature": {"inputs": json.dumps(schema)}})
    assert found.inputs == (
        SchemaField("usage", "object", False),
        SchemaField("usage.tokens", "long", True),
        SchemaField("tools", "list of object", True),
        SchemaField("tools[].name", "string", True),
    )
    assert found.outputs == ()


def test_one_object_without_a_name_is_the_whole_body() -> None:
    schema = [{"type": "object", "properties": {"id": {"type": "string", "required": False}}, "required": True}]
    found = signature_of({"signature": {"outputs": json.dumps(schema)}})
    assert found.outputs == (SchemaField("id", "string", False),)


def test_tensors_and_parameters_say_their_shape_and_default() -> None:
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 8]}}
    parameter = {"name": "temperature", "type": "double", "default": 0.2, "shape": None}
    found = signature_of({"signature": {"inputs": json.dumps([tensor]), "params": json.dumps([parameter])}})
    assert found.inputs == (SchemaField("0", "tensor of float64 (-1, 8)", True),)
    assert found.parameters == (SchemaField("temperature", "double", False, "0.2"),)


def test_a_model_that_says_nothing_of_its_schema_has_an_empty_signature() -> None:
    assert signature_of({}).is_empty
    assert signature_of({"signature": None}).is_empty


@pytest.mark.parametrize("schema", ["{no json", '{"type": "string"}', "[1, 2]"])
def test_a_damaged_schema_is_said_to_be_damaged(schema: str) -> None:
    with pytest.raises(ValueError, match="MLmodel"):
        signature_of({"signature": {"inputs": schema}})
