"""Can whoever calls one version of a model call another one in its place? Told from the two signatures. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Field = Mapping[str, Any]
"""An input or output field as MLflow writes it: name, type, and for nested ones `properties`, `items` or `values`."""

_HOLDS = {"long": {"integer"}, "double": {"float", "integer"}}
"""A field of the left type takes values of the right ones without loss."""


def broken_for_callers(live: "Mapping[str, Any]", candidate: "Mapping[str, Any]") -> list[str]:
    """What would break if `candidate` took the place of `live`: a sentence each, with the field's path.

    Both are signatures as `{"inputs": […], "outputs": […], "params": […]}`; a part that is missing tells nothing and
    breaks nothing. Callers may send whatever the live version takes, and read whatever it promises: a new optional
    input is fine, a new required one is not; a new output is fine, a missing one is not.
    """
    broken = list(_fields("input", live.get("inputs") or [], candidate.get("inputs") or [], _input_breaks))
    broken += _fields("output", candidate.get("outputs") or [], live.get("outputs") or [], _output_breaks)
    broken += _fields("parameter", live.get("params") or [], candidate.get("params") or [], _parameter_breaks)
    return broken


def _fields(kind: str, given: Sequence[Field], wanted: Sequence[Field], breaks: Any) -> Iterator[str]:
    """What `wanted` asks for and `given` does not offer."""
    if not given or not wanted:
        return
    by_name = {_name(field, place): field for place, field in enumerate(given)}
    for place, field in enumerate(wanted):
        name = _name(field, place)
        yield from breaks(f"{kind} {name}", by_name.get(name), field)


def _name(field: Field, place: int) -> str:
    return str(field.get("name") or f"number {place + 1}")


def _input_breaks(path: str, sent: Field | None, taken: Field) -> Iterator[str]:
    """Callers send `sent` (None: nothing of that name); the candidate takes `taken`."""
    if sent is None:
        if taken.get("required", True):
            yield f"It requires the {path}, which nobody sends."
        return
    if taken.get("required", True) and not sent.get("required", True):
        yield f"It requires the {path}, which callers may leave out now."
    yield from _type_breaks(path, sent, taken, "is sent", "takes", _input_breaks)


def _output_breaks(path: str, given: Field | None, read: Field) -> Iterator[str]:
    """The candidate gives `given` (None: nothing of that name); callers read `read`."""
    if given is None:
        if read.get("required", True):
            yield f"It does not give the {path}, which callers read."
        return
    if read.get("required", True) and not given.get("required", True):
        yield f"It may leave out the {path}, which callers always get now."
    yield from _type_breaks(path, given, read, "it gives", "callers read", _output_breaks)


def _parameter_breaks(path: str, sent: Field | None, taken: Field) -> Iterator[str]:
    """A parameter always has a default, so only another type breaks."""
    if sent is not None and _kind(sent) != _kind(taken):
        yield f"Its {path} is {_kind(taken)}, and callers send {_kind(sent)}."


def _type_breaks(path: str, source: Field, target: Field, gives: str, takes: str, breaks: Any) -> Iterator[str]:
    """Whether every value of `source` is one of `target`, down through objects, arrays and maps."""
    have, need = _kind(source), _kind(target)
    if need == "any":
        return
    if have != need:
        if have not in _HOLDS.get(need, ()):
            yield f"The {path} differs: {gives} {have}, {takes} {need}."
        return
    if "properties" in target:
        own = source.get("properties") or {}
        for name, field in target["properties"].items():
            yield from breaks(f"{path}.{name}", own.get(name), field)
    for inner in ("items", "values"):
        if isinstance(source.get(inner), Mapping) and isinstance(target.get(inner), Mapping):
            yield from _type_breaks(f"{path}[]", source[inner], target[inner], gives, takes, breaks)


def _kind(field: Field) -> str:
    tensor = field.get("tensor-spec")
    if isinstance(tensor, Mapping):
        return f"tensor of {tensor.get('dtype')} {tensor.get('shape')}"
    return str(field.get("type") or field.get("dtype") or "any")
