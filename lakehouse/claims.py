"""Exclusive changes: of two people who begin one at the same time, exactly one may.

The intent of such a change is appended by compare-and-set: on the very snapshot of the ledger in which nothing was
seen to run, under an application transaction of the thing that is changed. A rival's intent makes ours fail.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse.appends import append_once, from_records, position
from lakehouse.ledger import Change, changes_of, intent_row
from lakehouse.store import open_table
from lakehouse.tables import LEDGER
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

_under_way: set[str] = set()
"""Exclusive changes that this process carries out right now: one of its own that is not here has ended somehow."""


@dataclass(frozen=True)
class LedgerView:
    """What a snapshot of the ledger tells of one target, newest change first."""

    target: str
    changes: list[Change]
    table: "DeltaTable"

    def running(self, actions: Sequence[str]) -> Change | None:
        """The newest of these changes that has neither ended nor been interrupted; None if there is none."""
        return next((change for change in self.changes if change.action in actions and is_under_way(change)), None)


def is_under_way(change: Change) -> bool:
    """Whether a change has begun and may still end by itself."""
    own = change.evidence.get("process_id") == os.getpid() and change.evidence.get("host") == socket.gethostname()
    return change.outcome is None and not (own and change.change_id not in _under_way)


def view(settings: Settings, target: str) -> LedgerView:
    """The changes to `target` in the newest snapshot of the ledger. Raises: LakehouseError."""
    table = open_table(settings, LEDGER.name)
    return LedgerView(target, changes_of(table, pc.field("target") == target), table)


def claim(seen: LedgerView, evidence: dict[str, Any], **intent: Any) -> str:
    """Append the intent of an exclusive change to the view's target, unless a rival began one since the view was taken.

    The evidence is completed with this process, so that everybody can see whether it lives. Other arguments as of
    `lakehouse.ledger.record_intent`. End with `record_outcome`, then `let_go`.

    Returns: the change id.
    Raises: CommitConflict, if a rival won: nothing was written. LakehouseError.
    """
    of_process = {**evidence, "process_id": os.getpid(), "host": socket.gethostname()}
    row = intent_row(target=seen.target, evidence=of_process, **intent)
    app_id = f"change:{seen.target}"
    last = position(seen.table, app_id)
    change_id = str(row["change_id"])
    _under_way.add(change_id)
    try:
        append_once(
            seen.table,
            from_records([row], LEDGER.schema),
            app_id=app_id,
            source_version=0 if last is None else last[0] + 1,
        )
    except BaseException:
        _under_way.discard(change_id)
        raise
    return change_id


def let_go(change_id: str) -> None:
    """Say that this process does nothing more about the change, whether its outcome could be written or not."""
    _under_way.discard(change_id)
