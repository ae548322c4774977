"""Everything that is known of one model version: its run, where it comes from, its schema, its needs and its files.

A part that cannot be read (a run that was deleted, a store that refuses) leaves a sentence in `problems`, and the
others stand.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from registry.artifacts import ArtifactTree, artifact_text, artifact_tree
from registry.errors import RegistryError
from registry.schema_fields import Signature, signature_of
from registry.versions import ModelVersion, asking, client, find
from settings import Settings

Part = Literal["run", "chain", "artifacts", "mlmodel", "requirements"]
_LONGEST_CHAIN = 20
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<rest>.*)")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class TrainingRun:
    """The MLflow run that made a version."""

    run_id: str
    name: str
    status: str
    user: str
    started_at: datetime
    ended_at: datetime | None
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""
    tags: Mapping[str, str]
    """Without MLflow's own (`mlflow.…`)."""


@dataclass(frozen=True)
class VersionDetails:
    """One version with everything behind it. `chain`: the version, what it is a copy of, and so on to the first."""

    version: ModelVersion
    chain: tuple[ModelVersion, ...]
    run: TrainingRun | None
    artifacts: ArtifactTree
    mlmodel: str
    """The text of its `MLmodel` file; empty if it could not be read."""
    signature: Signature
    requirements: tuple[str, ...]
    """Lines of its requirements.txt, without comments."""
    python_version: str
    mlflow_version: str
    flavors: tuple[str, ...]
    problems: Mapping[Part, str] = field(default_factory=dict)
    """Part → why it could not be read, as a sentence."""

    @property
    def origin(self) -> str:
        """Where the first of the chain came from: the logged model (`models:/m-…`), or the address it was read from."""
        return self.chain[-1].source


def details(settings: Settings, version: ModelVersion) -> VersionDetails:
    """All about one version. Asks the registry and the place of its artifacts about ten times, more with many folders.

    Nothing but `MLmodel` and `requirements.txt` is downloaded, and both never change. Raises nothing for a part that
    cannot be read: see `VersionDetails.problems`.
    """
    problems: dict[Part, str] = {}

    def part(name: Part, read: Callable[[], _Found], otherwise: _Found) -> _Found:
        try:
            return read()
        except (RegistryError, ValueError) as error:
            problems[name] = str(error)
            return otherwise

    alone: tuple[ModelVersion, ...] = (version,)
    chain = part("chain", lambda: source_chain(settings, version), alone)
    run = part("run", lambda: training_run(settings, version), None)
    tree = part("artifacts", lambda: artifact_tree(settings, version), ArtifactTree(()))
    mlmodel, requirements = "", ""
    if tree.find("MLmodel"):
        mlmodel = part("mlmodel", lambda: artifact_text(settings, version, tree, "MLmodel"), "")
    if tree.find("requirements.txt"):
        requirements = part("requirements", lambda: artifact_text(settings, version, tree, "requirements.txt"), "")
    nothing: dict[str, Any] = {}
    content = part("mlmodel", lambda: _parsed(mlmodel), nothing)
    flavors = content.get("flavors") or {}
    return VersionDetails(
        version=version,
        chain=chain,
        run=run,
        artifacts=tree,
        mlmodel=mlmodel,
        signature=part("mlmodel", lambda: signature_of(content), Signature((), (), ())),
        requirements=_lines(requirements),
        python_version=str((flavors.get("python_function") or {}).get("python_version") or ""),
        mlflow_version=str(content.get("mlflow_version") or ""),
        flavors=tuple(sorted(str(name) for name in flavors)),
        problems=problems,
    )


def source_chain(settings: Settings, version: ModelVersion) -> tuple[ModelVersion, ...]:
    """The version, the one that it is a copy of, and so on to the first, which was made from a logged model.

    Raises: RegistryError, if a version on the way was deleted or the chain leads back to itself.
    """
    chain = [version]
    while (copied := chain[-1].copied_from) is not None:
        before = find(settings, *copied)
        if before is None:
            raise RegistryError(
                f"{chain[-1].name} version {chain[-1].version} is a copy of {copied[0]} version {copied[1]}, "
                "which is not in the registry any more."
            )
        if len(chain) >= _LONGEST_CHAIN or (before.name, before.version) in {(one.name, one.version) for one in chain}:
            raise RegistryError(f"The chain of copies behind {version.name} version {version.version} has no end.")
        chain.append(before)
    return tuple(chain)


def training_run(settings: Settings, version: ModelVersion) -> TrainingRun | None:
    """The run that made a version, or None if the version names none (its model was not logged in a run).

    Raises: RegistryError, if the run was deleted or may not be seen.
    """
    if not version.run_id:
        return None
    with asking(f"the training run {version.run_id}"):
        run = client(settings).get_run(version.run_id)
    info = run.info
    return TrainingRun(
        run_id=info.run_id,
        name=str(info.run_name or ""),
        status=str(info.status).lower(),
        user=str(info.user_id or ""),
        started_at=_time(info.start_time),
        ended_at=_time(info.end_time) if info.end_time else None,
        parameters=dict(sorted(run.data.params.items())),
        metrics=dict(sorted(run.data.metrics.items())),
        tags={name: value for name, value in sorted(run.data.tags.items()) if not name.startswith("mlflow.")},
    )


def requirement(line: str) -> tuple[str, str]:
    """The package that a line of requirements.txt names, in lower case, and the rest of the line (`==1.2`, extras)."""
    match = _REQUIREMENT.match(line)
    if match is None:
        return line, ""
    return re.sub(r"[-_.]+", "-", match["name"]).lower(), match["rest"].strip()


def _lines(text: str) -> tuple[str, ...]:
    lines = (line.partition(" #")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _parsed(mlmodel: str) -> dict[str, Any]:
    """The content of an `MLmodel` file. Raises: ValueError, if it is no YAML mapping."""
    if not mlmodel:
        return {}
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(mlmodel)
    except yaml.YAMLError as error:
        raise ValueError("The MLmodel file is no YAML, so its schema cannot be read.") from error
    if not isinstance(content, dict):
        raise ValueError("The MLmodel file is no YAML mapping, so its schema cannot be read.")
    return content


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
