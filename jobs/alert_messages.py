"""What people are told of alerts, in the shapes of a webhook and of a mail. Pure: events in, bodies out.

A message has the sentence of the rule, a link to the alert on the dashboard, and no text of any request.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import urlencode

from metrics.masking import masked
from registry.alerts import Alert, alerts_in

Told = Literal["firing", "resolved"]
LONGEST_SENTENCE = 1_000
_MOST_IN_SUBJECT = 120
_RUNBOOK = "docs/runbook.md"


@dataclass(frozen=True)
class Event:
    """Something that people are told: an alert fires, fires still after a silence, or is resolved."""

    alert: Alert
    told: Told
    time: datetime
    sentence: str

    @property
    def state(self) -> str:
        """The state of the alert's row, as `alert_events` has it."""
        return "open" if self.told == "firing" else "closed"

    def delivery_id(self, channel: str) -> str:
        """The same for every attempt by a channel, so that a receiver can tell what it has got already."""
        of = "|".join((self.alert.alert_id, self.state, self.time.astimezone(UTC).isoformat(), channel))
        return hashlib.sha256(of.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Message:
    """Events of one group that are told together, oldest first."""

    group: str
    events: tuple[Event, ...]
    dashboard_url: str

    def link(self, event: Event) -> str:
        """The alert on the dashboard."""
        return f"{self.dashboard_url.rstrip('/')}/alerts?{urlencode({'alert': event.alert.alert_id})}"

    def title(self) -> str:
        """One line: how many alerts of what."""
        firing = sum(event.told == "firing" for event in self.events)
        resolved = len(self.events) - firing
        said = [f"{count} {word}" for count, word in ((firing, "firing"), (resolved, "resolved")) if count]
        return _one_line(f"Lakehelm: {' and '.join(said)} on {self.group or 'this workspace'}")[:_MOST_IN_SUBJECT]


def events_in(rows: Sequence[dict[str, Any]]) -> list[Event]:
    """What rows of `alert_events` give to tell, oldest first: nothing of what never fired, or is silenced."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        by_id.setdefault(row["alert_id"], []).append(row)
    found = []
    for of_alert in by_id.values():
        (alert,) = alerts_in(of_alert)
        for number, row in enumerate(of_alert):
            before = of_alert[number - 1] if number else None
            if (told := _told(alert, row, before)) is not None:
                found.append(Event(alert, told, row["time"], row["sentence"] or ""))
            if row["state"] == "closed":
                break
    return sorted(found, key=lambda event: event.time)


def slack_body(message: Message) -> dict[str, Any]:
    """The body that Slack's incoming webhooks take, and those that copy them. Source: Slack, "Formatting text"."""
    lines = [f"*{_slack(message.title())}*"]
    for event in message.events:
        mark = ":rotating_light: *Firing*" if event.told == "firing" else ":white_check_mark: *Resolved*"
        severity = f" ({event.alert.severity})" if event.alert.severity else ""
        lines.append(f"{mark}{_slack(severity)}: {_slack(_sentence(event))}")
        lines += [_slack(line) for line in _beside(event)]
        lines.append(f"<{message.link(event)}|Open the alert>")
    return {"text": "\n".join(lines)}


def json_body(message: Message, channel: str) -> dict[str, Any]:
    """Every field by itself, for whatever takes JSON."""
    return {
        "source": "lakehelm",
        "version": 1,
        "title": message.title(),
        "group": message.group,
        "alerts": [
            {
                "delivery_id": event.delivery_id(channel),
                "alert_id": event.alert.alert_id,
                "state": event.told,
                "time": event.time.astimezone(UTC).isoformat(),
                "rule": event.alert.rule,
                "severity": event.alert.severity,
                "endpoint": event.alert.endpoint_name,
                "model": event.alert.entity_name,
                "version": event.alert.entity_version,
                "sentence": _sentence(event),
                **{name: event.alert.evidence.get(name) for name in ("value", "limit", "unit", "n")},
                "suspect": _suspect(event),
                "runbook": _runbook(event),
                "url": message.link(event),
            }
            for event in message.events
        ],
    }


def mail(message: Message, sender: str, to: Sequence[str], now: datetime) -> EmailMessage:
    """A mail in plain text. Its id is that of its events, so that a second copy can be told from a second alert."""
    lines = []
    for event in message.events:
        severity = f" ({event.alert.severity})" if event.alert.severity else ""
        lines += [f"{event.told.capitalize()}{severity}, {event.time.astimezone(UTC):%d %b %Y %H:%M} UTC"]
        lines += [_sentence(event), *_beside(event), message.link(event), ""]
    found = EmailMessage()
    found["Subject"] = message.title()
    found["From"] = sender
    found["To"] = ", ".join(to)
    found["Date"] = format_datetime(now.astimezone(UTC))
    ids = "|".join(event.delivery_id("mail") for event in message.events)
    found["Message-ID"] = f"<{hashlib.sha256(ids.encode()).hexdigest()[:32]}@lakehelm>"
    found.set_content("\n".join(lines))
    return found


def _told(alert: Alert, row: dict[str, Any], before: dict[str, Any] | None) -> Told | None:
    if row["state"] == "open":
        # One that a person takes back from being acknowledged is known already.
        return None if before is not None and row.get("actor") else "firing"
    if row["state"] != "closed" or not alert.fired or before is None or before["state"] == "pending":
        return None
    until = before.get("silenced_until") if before["state"] == "silenced" else None
    return None if until is not None and until > row["time"] else "resolved"


def _sentence(event: Event) -> str:
    if event.told == "firing":
        return _clean(event.sentence)
    why = str(event.alert.evidence.get("closed") or "")
    return _clean(f"{event.sentence} Now: {why}" if why else event.sentence)


def _beside(event: Event) -> list[str]:
    if event.told == "resolved":
        return []
    return [line for line in (_suspect(event), f"Runbook: {_runbook(event)}" if _runbook(event) else "") if line]


def _suspect(event: Event) -> str:
    return _clean(str(event.alert.evidence.get("suspect") or ""))


def _runbook(event: Event) -> str:
    anchor = str(event.alert.evidence.get("runbook") or "")
    return _clean(f"{_RUNBOOK}#{anchor}") if anchor else ""


def _clean(text: str) -> str:
    """One line without what must not leave the machine. No sentence of ours has any; those of others may."""
    return masked(_one_line(text))[:LONGEST_SENTENCE]


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
