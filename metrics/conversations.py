"""Which requests belong to one conversation.

A request says so itself, by an id in its body; or its messages go on where those of an earlier request of the same
requester ended, because chat clients send the whole conversation with every turn. A request that nothing goes on from
and that goes on from nothing is a conversation of its own.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metrics.body_texts import BodyProblem
from metrics.request_bodies import Turn, conversation_of

_ID_NAMES = ("conversation_id", "thread_id", "session_id", "conversation")
_ID_PLACES = ("context", "metadata", "custom_inputs", "databricks_options")
"""Where bodies keep an id: at the top, or inside of one of these (MLflow's ChatContext, OpenAI's metadata, agents)."""
_ID_KEYS = frozenset({*_ID_NAMES, *_ID_PLACES})
_LONGEST_ID = 200
_USER_ROLES = frozenset({"user", "human"})


@dataclass(frozen=True)
class Asked:
    """One request: who asked (empty if not known), and its body as it was logged."""

    request_id: str
    requester: str
    body: str | None


@dataclass
class Conversation:
    """Requests of one conversation, oldest first. `whole`: its beginning is among them."""

    request_ids: list[str] = field(default_factory=list)
    whole: bool = True


@dataclass(frozen=True)
class Conversations:
    """The conversations among some requests, and how many of the requests hold no messages that can be read."""

    found: list[Conversation]
    unreadable: int


def conversations(requests: Iterable[Asked]) -> Conversations:
    """Group requests, oldest first, into conversations.

    A conversation is not whole if its first request here already holds an answer or names an earlier response: its
    earlier turns were before these requests, or its client sends only the last turns. The same single question asked
    again begins another conversation; the same longer list of messages is the same one, asked for another answer.
    """
    found: list[Conversation] = []
    named: dict[tuple[str, str], Conversation] = {}
    ends = _Ends()
    unreadable = 0
    for asked in requests:
        read = _read(asked.body)
        if read is None:
            unreadable += 1
            continue
        states = _states(asked.requester, read.turns)
        if read.name:
            conversation = named.get((asked.requester, read.name))
        else:
            # A single question may have been asked before by somebody else who uses the same account.
            alone = sum(role in _USER_ROLES for role, _ in read.turns) < 2
            conversation = ends.continued(states[:-1] if alone else states)
        if conversation is None:
            conversation = Conversation(whole=not read.goes_on)
            found.append(conversation)
        conversation.request_ids.append(asked.request_id)
        if read.name:
            named[asked.requester, read.name] = conversation
        else:
            ends.stands(states[-1], conversation)
    return Conversations(found, unreadable)


@dataclass(frozen=True)
class _Read:
    """What a body says: its conversation's id (empty if there is none), its turns, whether there were earlier ones."""

    name: str
    turns: tuple[Turn, ...]
    goes_on: bool


class _Ends:
    """Where the messages of requests ended, and which conversations stand there."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, list[Conversation]] = {}
        self._last: dict[bytes, Conversation] = {}

    def stands(self, state: bytes, conversation: Conversation) -> None:
        """A request of the conversation ended with these messages."""
        self._waiting.setdefault(state, []).append(conversation)
        self._last[state] = conversation

    def continued(self, states: list[bytes]) -> Conversation | None:
        """The conversation with the most messages in common: of several the latest that has not gone on yet, or where
        all have, the latest, of which this is another branch.
        """
        for state in reversed(states):
            if state in self._last:
                waiting = self._waiting[state]
                return waiting.pop() if waiting else self._last[state]
        return None


def _states(requester: str, turns: tuple[Turn, ...]) -> list[bytes]:
    """A fingerprint of the messages up to each user turn, the whole list last. No text is kept."""
    digest = hashlib.blake2b(requester.encode("utf-8", "replace"), digest_size=16)
    states = []
    for role, text in turns:
        for part in (role, text):
            encoded = part.encode("utf-8", "replace")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        if role in _USER_ROLES:
            states.append(digest.digest())
    whole = digest.digest()
    return states if states and states[-1] == whole else [*states, whole]


def _read(body: str | None) -> _Read | None:
    """What a body says; None if it holds no messages."""
    try:
        value = json.loads(body) if body else None
        if isinstance(value, str) and value.startswith(("{", "[")):
            value = json.loads(value)
        turns = conversation_of(value)
    except (ValueError, RecursionError, BodyProblem):
        return None
    answered = any(role == "assistant" for role, _ in turns)
    earlier = isinstance(value, Mapping) and bool(value.get("previous_response_id"))
    return _Read(_conversation_id(value), turns, answered or earlier)


def _conversation_id(body: Any) -> str:
    # Most bodies have neither an id nor a place for one.
    if not isinstance(body, Mapping) or not body.keys() & _ID_KEYS:
        return ""
    for place in (body, *(body.get(name) for name in _ID_PLACES)):
        if not isinstance(place, Mapping):
            continue
        for name in _ID_NAMES:
            value = place.get(name)
            value = value.get("id") if isinstance(value, Mapping) else value
            if isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= _LONGEST_ID:
                return str(value)
    return ""
