"""Telling people of alerts: at least once, tried again until it arrives, in a thread for each channel.

What is to be told stands in `alert_events`; what became of it in `alert_deliveries`. There is no outbox besides: an
event without a row that says it was delivered is still to be told, whenever a process is killed. Each channel tries by
itself, so a receiver that hangs delays neither the rules nor the other channel.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

from jobs.alert_channels import Channel, DeliveryFailed, channels
from jobs.alert_messages import Event, Message, events_in
from jobs.errors import StillAtWork, unexpected_failure
from jobs.one_at_a_time import one_at_a_time
from lakehouse.alert_tables import ALERT_DELIVERIES, ALERT_EVENTS
from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.store import open_to_read, read_rows
from registry.alert_rules import DeliveryRules, load_alert_rules
from settings import Settings

POLL_SECONDS = 5.0
MOST_AT_ONCE = 20
"""Events in one message; more are told in further ones."""
_DONE = frozenset({"delivered", "given_up"})
_BEGAN = "began"

log = logging.getLogger(__name__)

Waiting = tuple[Event, dict[str, Any] | None]
"""An event that is to be told, and the last row of its delivery."""


@dataclass(frozen=True)
class Round:
    """What one round of a channel came to. `error`: why the last failed attempt did."""

    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    error: str = ""


class Deliverer:
    """One channel: what it still has to tell, and when it may try again. Not for two threads at once."""

    def __init__(
        self,
        settings: Settings,
        channel: Channel,
        rules: DeliveryRules,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.channel = channel
        self.rules = rules
        self._clock = clock
        self._not_before = datetime.min.replace(tzinfo=UTC)
        self._unreachable = 0
        self._last = Round()
        self._unwritten: dict[str, dict[str, Any]] = {}
        """Rows that the lake did not take yet, by delivery: what arrived is not told again because of that."""
        self._told_up_to = -1
        """The version of `alert_events` of which nothing waits any more."""

    def round(self) -> Round:
        """Tell what is due. While the receiver cannot be reached, one attempt after longer and longer pauses.

        Raises: LakehouseError. StillAtWork, if another process delivers by this channel.
        """
        if self._clock() < self._not_before:
            return self._last
        with one_at_a_time(self.settings, f"deliver-{self.channel.name}", 0):
            self._append([])
            due, waiting = self._due()
            delivered = failed = 0
            error = ""
            for message, attempts in due:
                said, reached = self._attempt(message, attempts)
                if said is None:
                    delivered += len(message.events)
                    continue
                failed, error = failed + len(message.events), said
                if not reached:
                    break
            self._last = Round(0, 0, waiting - delivered, error)
            return Round(delivered, failed, waiting - delivered, error)

    def _attempt(self, message: Message, attempts: dict[str, int]) -> tuple[str | None, bool]:
        """Why the attempt failed (None if it arrived), and whether the receiver was reached at all."""
        try:
            remark = self.channel.send(message, self._clock())
        except DeliveryFailed as error:
            self._unreachable = 0 if error.refused else self._unreachable + 1
            number = 1 + max(attempts.values(), default=0)
            pause = _pause(self.rules, number if error.refused else self._unreachable)
            if not error.refused:
                self._not_before = self._clock() + pause
            self._write(message, attempts, "failed", str(error), pause)
            return str(error), error.refused
        self._unreachable = 0
        self._write(message, attempts, "delivered", remark, None)
        return None, True

    def _write(
        self, message: Message, attempts: dict[str, int], state: str, error: str, pause: timedelta | None
    ) -> None:
        now = self._clock()
        rows = []
        for event in message.events:
            delivery_id = event.delivery_id(self.channel.name)
            too_old = pause is not None and now + pause - event.time > timedelta(hours=self.rules.give_up_hours)
            rows.append(
                {
                    "delivery_id": delivery_id,
                    "alert_id": event.alert.alert_id,
                    "alert_state": event.state,
                    "event_time": event.time,
                    "channel": self.channel.name,
                    "state": "given_up" if too_old else state,
                    "attempt": attempts.get(delivery_id, 0) + (state != "given_up"),
                    "time": now,
                    "next_try_at": now + pause if pause is not None and not too_old else None,
                    "error": error or None,
                }
            )
        self._append(rows)

    def _append(self, rows: list[dict[str, Any]]) -> None:
        self._unwritten |= {row["delivery_id"]: row for row in rows}
        if self._unwritten:
            append(self.settings, ALERT_DELIVERIES.name, list(self._unwritten.values()))
            self._unwritten = {}

    def _due(self) -> tuple[list[tuple[Message, dict[str, int]]], int]:
        """Messages that may be tried now, oldest first, with the attempts so far; and how many events wait in all."""
        events = open_to_read(self.settings, ALERT_EVENTS.name)
        if int(events.version()) == self._told_up_to:
            return [], 0
        now, longest = self._clock(), timedelta(hours=self.rules.give_up_hours)
        last = self._last_rows(now - 2 * longest)
        began = last.pop(_BEGAN, None) or self._begin(now)
        waiting: list[Waiting] = []
        too_late: list[Event] = []
        for event in events_in(read_rows(events).to_pylist()):
            row = last.get(event.delivery_id(self.channel.name))
            wanted = not event.alert.severity or event.alert.severity in self.channel.severities
            if not wanted or event.time < max(now - 2 * longest, began["time"]) or (row and row["state"] in _DONE):
                continue
            if event.time >= now - longest:
                waiting.append((event, row))
            else:
                too_late.append(event)
        self._give_up(too_late, last)
        self._told_up_to = -1 if waiting else int(events.version())
        url = self.rules.dashboard_url or f"http://{self.settings.dashboard_address}:{self.settings.dashboard_port}"
        group_for = timedelta(seconds=self.rules.group_seconds)
        return _messages(waiting, now, group_for, url, self.channel.name), len(waiting)

    def _give_up(self, events: Sequence[Event], last: dict[str, dict[str, Any]]) -> None:
        """Say of events that are too old to be told that they were not."""
        if events:
            attempts = {key: int(row["attempt"] or 0) for key, row in last.items()}
            words = f"It could not be told within {self.rules.give_up_hours:g} hours."
            self._write(Message("", tuple(events), ""), attempts, "given_up", words, None)

    def _last_rows(self, since: datetime) -> dict[str, dict[str, Any]]:
        """The last row of each delivery of this channel, by its id; under `began` that with which the channel began."""
        of_channel = pc.field("channel") == self.channel.name
        wanted = of_channel & ((pc.field("event_time") >= since) | (pc.field("state") == _BEGAN))
        rows = read_rows(open_to_read(self.settings, ALERT_DELIVERIES.name), where=wanted).to_pylist()
        last: dict[str, dict[str, Any]] = {}
        for row in sorted(rows, key=lambda row: (row["time"], row["attempt"] or 0)):
            if row["state"] == _BEGAN:
                last.setdefault(_BEGAN, row)
            elif row["delivery_id"] not in last or last[row["delivery_id"]]["state"] not in _DONE:
                last[row["delivery_id"]] = row
        return last

    def _begin(self, now: datetime) -> dict[str, Any]:
        """A channel that is new tells nothing of the past."""
        row = {"delivery_id": _BEGAN, "channel": self.channel.name, "state": _BEGAN, "attempt": 0, "time": now}
        append(self.settings, ALERT_DELIVERIES.name, [row])
        return row


class DeliveryThreads:
    """A thread for each channel that is set up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rounds: dict[str, Round] = {}
        self.errors: dict[str, str] = {}
        self._rules: DeliveryRules | None = None
        self._running: list[tuple[threading.Thread, threading.Event, threading.Event]] = []

    def keep(self, rules: DeliveryRules) -> None:
        """Deliver by these rules from now on. What is wrong with a channel stays in the report; the others deliver."""
        if rules == self._rules:
            return
        good, wrong = channels(self.settings, rules)
        self.stop(0)
        self._rules, self.errors = rules, {}
        self.rounds = {name: Round(error=why) for name, why in wrong.items()}
        for why in wrong.values():
            log.warning("%s", why)
        for channel in good:
            deliverer = Deliverer(self.settings, channel, rules)
            stopping, wake = threading.Event(), threading.Event()
            # Daemons: an attempt that still hangs when everything is to end keeps nothing from ending.
            thread = threading.Thread(
                target=self._run, args=(deliverer, stopping, wake), name=f"deliver {channel.name}", daemon=True
            )
            self._running.append((thread, stopping, wake))
            thread.start()

    def wake(self) -> None:
        """Something may be there to tell."""
        for _, _, wake in self._running:
            wake.set()

    def stop(self, patience_seconds: float) -> None:
        """Let attempts that are under way end, for so long at most. What did not arrive is told by the next."""
        for _, stopping, wake in self._running:
            stopping.set()
            wake.set()
        deadline = time.monotonic() + patience_seconds
        for thread, _, _ in self._running:
            thread.join(max(deadline - time.monotonic(), 0))
        self._running = []

    def report(self) -> dict[str, Any]:
        """What the channels do, for the status."""
        return {
            name: {"waiting": one.waiting, "error": self.errors.get(name) or one.error}
            for name, one in self.rounds.items()
        }

    def _run(self, deliverer: Deliverer, stopping: threading.Event, wake: threading.Event) -> None:
        name = deliverer.channel.name
        while not stopping.is_set():
            wake.clear()
            try:
                self.rounds[name] = deliverer.round()
                self.errors[name] = ""
            except StillAtWork:
                self.errors[name] = ""
            except (LakehouseError, OSError) as error:
                self.errors[name] = str(error)
                log.warning("%s", error)
            except Exception as error:  # noqa: BLE001
                # Whatever it is, people must not miss alerts because of it: it is said, and tried again.
                self.errors[name] = str(unexpected_failure(error))
                log.error("%s", self.errors[name])
            wake.wait(POLL_SECONDS)


def deliver_once(settings: Settings) -> dict[str, Round]:
    """One round of every channel, one after the other, for `alerts --once`.

    Raises: RegistryError (a wrong rules file), LakehouseError.
    """
    rules = load_alert_rules(settings).delivery
    good, wrong = channels(settings, rules)
    found = {name: Round(error=why) for name, why in wrong.items()}
    for channel in good:
        try:
            found[channel.name] = Deliverer(settings, channel, rules).round()
        except StillAtWork as error:
            found[channel.name] = Round(error=str(error))
    return found


def _pause(rules: DeliveryRules, attempts: int) -> timedelta:
    """The pause behind the attempt with this number: it doubles up to the longest."""
    doubled = rules.first_pause_seconds * 2.0 ** min(attempts - 1, 30)
    return timedelta(seconds=min(doubled, rules.longest_pause_seconds))


def _messages(
    waiting: Sequence[Waiting], now: datetime, wait: timedelta, url: str, channel: str
) -> list[tuple[Message, dict[str, int]]]:
    """The messages that may be tried: a group is told together once its oldest event has waited for the others."""
    groups: dict[str, list[Waiting]] = {}
    for event, row in waiting:
        if row is None or row["next_try_at"] is None or row["next_try_at"] <= now:
            groups.setdefault(event.alert.group_key or event.alert.endpoint_name, []).append((event, row))
    found = []
    for group, members in groups.items():
        if now - members[0][0].time < wait:
            continue
        for first in range(0, len(members), MOST_AT_ONCE):
            part = members[first : first + MOST_AT_ONCE]
            attempts = {event.delivery_id(channel): int(row["attempt"] or 0) for event, row in part if row is not None}
            found.append((Message(group, tuple(event for event, _ in part), url), attempts))
    return sorted(found, key=lambda one: one[0].events[0].time)
