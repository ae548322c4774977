"""Two model versions side by side: which of their parameters, metrics, fields, dependencies and files differ. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.details import VersionDetails, requirement
from registry.schema_fields import SchemaField


@dataclass(frozen=True)
class ComparedValue:
    """One thing of two versions, as text; None where a version does not have it."""

    name: str
    a: str | None
    b: str | None

    @property
    def same(self) -> bool:
        """Whether both have it and it is equal."""
        return self.a == self.b


@dataclass(frozen=True)
class ComparedMetric:
    """A metric of two training runs; None where a run did not log it."""

    name: str
    a: float | None
    b: float | None

    @property
    def same(self) -> bool:
        """Whether both logged it with the same value."""
        return self.a == self.b

    @property
    def difference(self) -> float | None:
        """b minus a, in the metric's own unit, where both logged it."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class VersionComparison:
    """Every difference of two versions, and what is equal beside it. Names are sorted, the different ones first."""

    parameters: tuple[ComparedValue, ...]
    metrics: tuple[ComparedMetric, ...]
    inputs: tuple[ComparedValue, ...]
    outputs: tuple[ComparedValue, ...]
    dependencies: tuple[ComparedValue, ...]
    artifacts: tuple[ComparedValue, ...]
    """File → its size in bytes. Files of one size may still differ: their content is not read."""
    same_model: bool
    """Whether both are the same logged model, one a copy of the other: then nothing can differ but aliases and tags."""


def compare_versions(a: VersionDetails, b: VersionDetails) -> VersionComparison:
    """Compare two versions of one registered model or of two."""
    run_a, run_b = a.run, b.run
    metrics_a, metrics_b = (run_a.metrics if run_a else {}), (run_b.metrics if run_b else {})
    names = sorted({*metrics_a, *metrics_b})
    metrics = [ComparedMetric(name, metrics_a.get(name), metrics_b.get(name)) for name in names]
    return VersionComparison(
        parameters=_values(run_a.parameters if run_a else {}, run_b.parameters if run_b else {}),
        metrics=tuple(sorted(metrics, key=lambda metric: metric.same)),
        inputs=_values(
            _schema([*a.signature.inputs, *a.signature.parameters]),
            _schema([*b.signature.inputs, *b.signature.parameters]),
        ),
        outputs=_values(_schema(a.signature.outputs), _schema(b.signature.outputs)),
        dependencies=_values(_dependencies(a), _dependencies(b)),
        artifacts=_values(_sizes(a), _sizes(b)),
        same_model=a.origin == b.origin and a.origin.startswith("models:/m-"),
    )


def _values(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[ComparedValue, ...]:
    values = [ComparedValue(name, a.get(name), b.get(name)) for name in sorted({*a, *b})]
    return tuple(sorted(values, key=lambda value: value.same))


def _schema(fields: Iterable[SchemaField]) -> dict[str, str]:
    return {field.path: f"{field.type}, {'required' if field.required else 'optional'}" for field in fields}


def _dependencies(version: VersionDetails) -> dict[str, str]:
    found = {name: rest or "any version" for name, rest in map(requirement, version.requirements)}
    if version.python_version:
        found["python"] = f"=={version.python_version}"
    return found


def _sizes(version: VersionDetails) -> dict[str, str]:
    files = version.artifacts.files
    return {file.path: "size unknown" if file.size is None else str(file.size) for file in files}
