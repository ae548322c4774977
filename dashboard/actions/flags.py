"""Deciding about flags: who may, and that the page sees it at once."""

from collections.abc import Sequence

from dashboard.auth import current_actor
from dashboard.queries.lake import look_again
from lakehouse.flags import Decided, FlagDecision, FlaggedRequest, record_decisions
from lakehouse.flags_table import FLAGS
from settings import get_settings


def decide(
    flagged: Sequence[FlaggedRequest], decision: Decided, label: str = "", remark: str = ""
) -> dict[str, FlagDecision]:
    """Confirm, dismiss or open these flags again, under the name of who is signed in.

    Returns: the decisions that held until now, by request id.
    Raises: NotAllowed, LakehouseError.
    """
    actor = current_actor()
    actor.require("triage")
    before = record_decisions(
        get_settings(), flagged, decision, label=label, remark=remark, actor=actor.name, role=actor.role
    )
    look_again(FLAGS.name)
    return before
