"""The schema of what a model takes and gives, read from its `MLmodel` file. Pure: text in, fields out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 12


@dataclass(frozen=True)
class SchemaField:
    """A field of a schema. `path` leads to it (`usage.input_tokens`, `tools[].type`); a nameless one is `0`, `1`, …"""

    path: str
    type: str
    required: bool
    default: str = ""
    """Of a parameter: the value that is taken when none is given."""


@dataclass(frozen=True)
class Signature:
    """What a model takes, gives, and can be told beside its input."""

    inputs: tuple[SchemaField, ...]
    outputs: tuple[SchemaField, ...]
    parameters: tuple[SchemaField, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the model says nothing of what it takes and gives."""
        return not (self.inputs or self.outputs or self.parameters)


def signature_of(mlmodel: Mapping[str, Any]) -> Signature:
    """The signature in the parsed content of an `MLmodel` file; empty if it has none.

    Raises: ValueError, if a schema is not what MLflow writes.
    """
    entry = mlmodel.get("signature") or {}
    if not isinstance(entry, Mapping):
        raise ValueError("The signature in the MLmodel file is no mapping.")
    return Signature(
        inputs=tuple(_fields(entry.get("inputs"))),
        outputs=tuple(_fields(entry.get("outputs"))),
        parameters=tuple(_parameters(entry.get("params"))),
    )


def _fields(schema: object) -> Iterator[SchemaField]:
    columns = _entries(schema)
    alone = columns[0] if len(columns) == 1 else {}
    if not alone.get("name") and isinstance(alone.get("properties"), Mapping):
        # One object without a name is the whole body: its own fields are what people look for.
        yield from _properties("", alone, 0)
        return
    for place, column in enumerate(columns):
        yield from _field(str(column.get("name") or place), column, column.get("required", True), 0)


def _parameters(schema: object) -> Iterator[SchemaField]:
    for column in _entries(schema):
        shape = column.get("shape")
        kind = _type(column) + (f" {tuple(shape)}" if isinstance(shape, list) else "")
        yield SchemaField(str(column.get("name") or ""), kind, False, json.dumps(column.get("default")))


def _entries(schema: object) -> list[dict[str, Any]]:
    if not schema:
        return []
    try:
        entries = json.loads(schema) if isinstance(schema, str) else schema
    except json.JSONDecodeError as error:
        raise ValueError(f"A schema in the MLmodel file is not JSON: {error.msg}.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("A schema in the MLmodel file is no list of fields.")
    return entries


def _field(path: str, column: Mapping[str, Any], required: object, depth: int) -> Iterator[SchemaField]:
    """The field itself and, below it, those of the object or the list of objects that it is."""
    yield SchemaField(path, _type(column), bool(required))
    inner, suffix = column, ""
    while inner.get("type") in ("array", "map") and isinstance(inner.get("items") or inner.get("values"), Mapping):
        suffix += "[]" if inner["type"] == "array" else "{}"
        inner = inner.get("items") or inner.get("values") or {}
    if inner.get("type") == "object" and depth < _DEEPEST:
        yield from _properties(f"{path}{suffix}.", inner, depth)


def _properties(before: str, column: Mapping[str, Any], depth: int) -> Iterator[SchemaField]:
    properties = column.get("properties")
    for name, below in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(below, Mapping):
            yield from _field(f"{before}{name}", below, below.get("required", True), depth + 1)


def _type(column: Mapping[str, Any]) -> str:
    kind = str(column.get("type") or "any")
    if kind == "tensor":
        tensor = column.get("tensor-spec") or {}
        return f"tensor of {tensor.get('dtype', 'any')} {tuple(tensor.get('shape') or ())}"
    if kind == "array":
        return f"list of {_type(column.get('items') or {})}"
    if kind == "map":
        return f"map to {_type(column.get('values') or {})}"
    return kind
