"""What can be said of a version without asking it anything: its packages, and its signature beside the live one's."""

from typing import Any

from jobs.packages import check_requirements
from registry.evidence import Requirements, SignatureComparison
from registry.gate_checks import NOTHING_LIVE
from registry.signature_compatibility import broken_for_callers
from registry.versions import ModelVersion


def packages_of(version: ModelVersion) -> Requirements:
    """Whether the packages that a version asks for can be had."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        text = mlflow.artifacts.load_text(f"{version.uri}/requirements.txt")
    except (MlflowException, OSError):
        return Requirements(
            not_run=f"{version.name} version {version.version} has no requirements.txt that can be read."
        )
    return check_requirements(text)


def compared_signatures(version: ModelVersion, live: ModelVersion | None) -> SignatureComparison:
    """What callers of the live version would stumble over."""
    if live is None:
        return SignatureComparison(not_run=NOTHING_LIVE)
    own, theirs = signature_of(version), signature_of(live)
    for one, found in ((version, own), (live, theirs)):
        if not found["inputs"]:
            return SignatureComparison(not_run=f"{one.name} version {one.version} has no signature to compare.")
    return SignatureComparison(
        live=f"{live.name} version {live.version}",
        inputs=len(own["inputs"]),
        outputs=len(own["outputs"]),
        broken=tuple(broken_for_callers(theirs, own)),
    )


def signature_of(version: ModelVersion) -> dict[str, list[dict[str, Any]]]:
    """Inputs, outputs and params of a version, a dictionary each as MLflow writes it; empty where it has none."""
    import mlflow

    signature = mlflow.models.get_model_info(version.uri).signature
    parts = {name: getattr(signature, name, None) for name in ("inputs", "outputs", "params")}
    return {name: part.to_dict() if part is not None else [] for name, part in parts.items()}


def input_names(version: ModelVersion) -> list[str]:
    """The names of the inputs that a version takes, in their order; empty where it does not say."""
    return [str(field["name"]) for field in signature_of(version)["inputs"] if field.get("name")]
