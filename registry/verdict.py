"""May a version of the test model be promoted? Its last evaluation, held against the rules that hold now."""

from datetime import UTC, datetime

from registry.evaluations import latest_evaluation
from registry.gate import GateVerdict
from registry.gate_checks import checks_of, not_evaluated
from registry.gate_rules import load_rules
from registry.versions import CHAMPION, find
from settings import Settings


def verdict(settings: Settings, source_version: str) -> GateVerdict:
    """The gate's verdict on a version of the test model (its number). Asks the registry which version is live.

    Without an evaluation one blocking check says so.
    Raises: RegistryError, if the rules or the evidence cannot be read.
    """
    name, version = settings.test_model, str(source_version)
    rules = load_rules(settings).gate
    evaluation = latest_evaluation(settings, name, version)
    if evaluation is None:
        return GateVerdict(name, version, (not_evaluated(rules, name, version),))
    champion = find(settings, settings.prod_model, CHAMPION)
    live = champion.version if champion else None
    return GateVerdict(
        entity_name=name,
        entity_version=version,
        checks=checks_of(evaluation, rules, live, datetime.now(UTC)),
        evaluation_id=evaluation.evaluation_id,
        evaluated_at=evaluation.finished_at,
    )
