"""Who may change what: four roles, and the least role that each action needs.

An actor comes with every change, and the change itself asks for the role: what a page draws decides nothing.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from registry.errors import NotAllowed

Role = Literal["viewer", "operator", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most: each may do what those before it may."""

LEAST_ROLE: dict[str, Role] = {
    "run_job": "operator",
    "evaluate": "operator",
    "ask_endpoint": "operator",
    "ask_image": "viewer",
    "ask_model": "operator",
    "set_challenger": "operator",
    "split": "operator",
    "start_ramp": "operator",
    "abort": "operator",
    "rollback": "operator",
    "undo": "operator",
    "finish": "operator",
    "request_promotion": "operator",
    "promote": "approver",
    "override_gate": "approver",
    "triage": "operator",
    "acknowledge_alert": "operator",
    "silence_alert": "operator",
    "resolve_alert": "operator",
    "reopen_alert": "operator",
    "reveal": "operator",
    "export": "operator",
}
"""Every action that a person can take, as the ledger calls it. Looking is for everybody who is let in."""

_WORDS = {
    "run_job": "run a job",
    "evaluate": "ask for an evaluation",
    "ask_endpoint": "ask the endpoint",
    "ask_image": "ask about an image",
    "ask_model": "ask a multimodal model",
    "set_challenger": "put a version into Staging",
    "split": "split the traffic",
    "start_ramp": "start a canary",
    "abort": "take a canary back",
    "rollback": "roll back",
    "undo": "undo a change",
    "finish": "finish an interrupted change",
    "request_promotion": "ask for a promotion",
    "override_gate": "override the gate",
    "triage": "decide about flags",
    "acknowledge_alert": "acknowledge an alert",
    "silence_alert": "silence an alert",
    "resolve_alert": "resolve an alert",
    "reopen_alert": "let an alert fire again",
    "reveal": "show people's words",
}


@dataclass(frozen=True)
class Actor:
    """A person or a job that changes something."""

    name: str
    role: Role

    def may(self, action: str) -> bool:
        """Whether this actor's role is enough for `action`. An action that is not listed is nobody's."""
        return action in LEAST_ROLE and ROLES.index(self.role) >= ROLES.index(LEAST_ROLE[action])

    def why_not(self, action: str) -> str:
        """Why this actor may not do `action`, as a sentence; empty if it may."""
        if self.may(action):
            return ""
        needed = LEAST_ROLE.get(action)
        if needed is None:
            return f"There is no action called {action}."
        words = _WORDS.get(action, action.replace("_", " "))
        return f"To {words} takes the role {needed}; {self.name} is {self.role}. Ask an administrator (LAKEHELM_ROLES)."

    def require(self, action: str) -> None:
        """Raises: NotAllowed, if this actor's role is not enough for `action`."""
        if sentence := self.why_not(action):
            raise NotAllowed(sentence)
