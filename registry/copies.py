"""The copy that a promotion puts into the production model: made once, also when a promotion is tried again."""

from lakehouse.ledger import Change
from registry.errors import RegistryError
from registry.plans import ChangePlan
from registry.versions import client as registry_client
from registry.versions import versions
from settings import Settings

_LOOKED_AT = 20
"""The newest versions of the production model among which a copy that was left behind is looked for."""


def copy_for(settings: Settings, plan: ChangePlan, ledger: list[Change]) -> str:
    """Copy the plan's version of the test model into the production model, or take the copy that a promotion which
    was broken off has left. Returns the copy's version number. Raises: RegistryError.
    """
    from mlflow.exceptions import MlflowException

    source = f"models:/{settings.test_model}/{plan.copy_of}"
    try:
        left = _left_behind(settings, plan, ledger)
        if left is not None:
            return left
        return str(registry_client(settings).copy_model_version(source, settings.prod_model).version)
    except MlflowException as error:
        raise RegistryError(f"{source} could not be copied into {settings.prod_model}: {error.message}") from error


def _left_behind(settings: Settings, plan: ChangePlan, ledger: list[Change]) -> str | None:
    """The newest copy of the same source that no finished change has used.

    Only where a promotion of that source broke off: nothing else leaves a copy without a change that used it.
    """
    tried = [one for one in ledger if one.evidence.get("copy_of") == plan.copy_of]
    if all((one.outcome or "").startswith("succeeded") for one in tried):
        return None
    used = {str(one.evidence.get("version")) for one in tried if (one.outcome or "").startswith("succeeded")}
    if plan.action != "finish":
        # What production has already is what the new copy is to take over from.
        used |= {*plan.before.traffic, str(plan.before.champion), str(plan.before.previous)}
    for version in versions(settings, settings.prod_model, limit=_LOOKED_AT):
        if version.copied_from == (settings.test_model, plan.copy_of) and version.version not in used:
            return version.version
    return None
