"""How the ledger's actions are called on pages, and what kind of change each is."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["forward", "back", "outside", "note", "alert"]


@dataclass(frozen=True)
class ActionWords:
    """An action as a noun, so that it reads right whatever the outcome. `note`: nothing that answers was changed.

    `alert`: nobody did anything, but something was noticed.
    """

    title: str
    icon: str
    kind: Kind


ALERT = "alert"
"""Not an action of the ledger: what markers of alerts are called by."""

_ACTIONS: dict[str, ActionWords] = {
    "promote": ActionWords("Promotion", "upgrade", "forward"),
    "deploy": ActionWords("Deployment", "rocket_launch", "forward"),
    "split": ActionWords("Traffic split", "call_split", "forward"),
    "start_ramp": ActionWords("Canary ramp", "trending_up", "forward"),
    "ramp": ActionWords("Canary ramp", "trending_up", "forward"),
    "finish": ActionWords("Finish of an interrupted change", "task_alt", "forward"),
    "rollback": ActionWords("Rollback", "history", "back"),
    "abort": ActionWords("Canary taken back", "block", "back"),
    "undo": ActionWords("Undo", "undo", "back"),
    "stop_ramp": ActionWords("Canary ramp stopped", "stop_circle", "back"),
    "delete": ActionWords("Deletion", "delete", "back"),
    "outside": ActionWords("Change outside of Lakehelm", "public", "outside"),
    ALERT: ActionWords("Alert", "notifications_active", "alert"),
    "register": ActionWords("Registration", "deployed_code", "note"),
    "set_challenger": ActionWords("Move to Staging", "science", "note"),
    "evaluate": ActionWords("Evaluation", "fact_check", "note"),
    "request_promotion": ActionWords("Request for a promotion", "how_to_reg", "note"),
    "override_gate": ActionWords("Override of the gate", "gavel", "note"),
    "reveal": ActionWords("Reveal of people's words", "visibility", "note"),
    "export": ActionWords("Export", "download", "note"),
    "sign_in": ActionWords("Sign-in", "login", "note"),
    "sign_out": ActionWords("Sign-out", "logout", "note"),
    "acknowledge_alert": ActionWords("Acknowledgement of an alert", "front_hand", "note"),
    "silence_alert": ActionWords("Silencing of an alert", "notifications_off", "note"),
    "resolve_alert": ActionWords("Resolving of an alert", "task_alt", "note"),
    "reopen_alert": ActionWords("Reopening of an alert", "notifications_active", "note"),
    "end_retraining": ActionWords("End of a retraining", "stop_circle", "note"),
    "run_job": ActionWords("Run of a job", "play_arrow", "note"),
    "ask_endpoint": ActionWords("Question to the endpoint", "chat", "note"),
}

NOTES: tuple[str, ...] = tuple(action for action, words in _ACTIONS.items() if words.kind == "note")
"""Actions that changed nothing about what answers: charts do not mark them."""


def action_words(action: str) -> ActionWords:
    """The words for an action; one that is not known counts as a change."""
    known = _ACTIONS.get(action)
    return known or ActionWords(action.replace("_", " ").capitalize() or "Change", "edit", "forward")
