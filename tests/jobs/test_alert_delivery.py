"""What people are told arrives at least once: receivers on loopback that are down, refuse, hang or drip."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs import alert_delivery
from jobs.alert_channels import Channel, DeliveryFailed, Mail, Webhook, channels
from jobs.alert_delivery import Deliverer, DeliveryThreads, Round, deliver_once
from jobs.alert_messages import Event, Message, events_in, json_body, mail, slack_body
from jobs.errors import StillAtWork
from jobs.one_at_a_time import one_at_a_time
from lakehouse.errors import LakehouseError
from lakehouse.store import open_to_read, read_rows
from registry.alert_rules import DeliveryRules, load_alert_rules
from registry.alerts import Alert, Key, State, close_alert, first_row, next_row, record, view
from registry.errors import RegistryError
from settings import Settings
from tests.jobs.alert_receivers import HangingReceiver, MailReceiver, WebhookReceiver
from tests.jobs.alert_world import wait_for

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Office:
    """A workspace with alerts, and a clock that moves only when it is told to."""

    def __init__(self, home: Path, url: str = "", **delivery: Any) -> None:
        self.settings = Settings(home=home, alert_webhook_url=SecretStr(url), alert_mail_password=SecretStr("geheim"))
        rules = load_alert_rules(self.settings).delivery.model_dump()
        merged = {**rules, "group_seconds": 0.0, "timeout_seconds": 0.5}
        for name, value in delivery.items():
            merged[name] = {**merged[name], **value} if isinstance(value, dict) else value
        self.rules = DeliveryRules.model_validate(merged)
        self.now = NOON
        self.tried: list[datetime] = []

    def deliverer(self, channel: Channel | None = None) -> Deliverer:
        """One that has begun, so that what happens from now on is told."""
        chosen = channel or channels(self.settings, self.rules)[0][0]
        deliverer = Deliverer(self.settings, chosen, self.rules, clock=lambda: self.now)
        deliverer.round()
        return deliverer

    def fire(self, number: int = 1, severity: str = "page", group: str = "chatbot", **evidence: Any) -> str:
        self.now += timedelta(seconds=1)
        key: Key = (f"rule_{number}", "chatbot", "prod.chatbot", "3", "")
        words = f"Rule {number}: 20 % (limit 5 %; 300 requests)."
        told = {"value": 20.0, "limit": 5.0, "n": 300, "unit": "%", "runbook": "alert-requests-fail", **evidence}
        row = first_row(key, "open", sentence=words, time=self.now, severity=severity, group_key=group, evidence=told)
        record(view(self.settings), [row])
        return str(row["alert_id"])

    def move(self, alert_id: str, state: State, **more: Any) -> None:
        self.now += timedelta(seconds=1)
        seen = view(self.settings)
        record(seen, [next_row(seen.find(alert_id), state, time=self.now, **more)])

    def rows(self) -> list[dict[str, Any]]:
        """What became of deliveries, oldest first, without the row with which a channel begins."""
        rows = read_rows(open_to_read(self.settings, "alert_deliveries")).to_pylist()
        rows.sort(key=lambda row: (row["time"], row["attempt"]))
        return [row for row in rows if row["state"] != "began"]


def _sentences(taken: list[dict[str, Any]]) -> list[str]:
    return [alert["sentence"].split(":")[0] for body in taken for alert in body["alerts"]]


JSON = {"webhook": {"shape": "json"}}


def test_a_receiver_that_is_down_for_ten_minutes_gets_everything_once_it_is_back(tmp_path: Path) -> None:
    with WebhookReceiver() as first:
        port, url = first.port, first.url
        office = Office(tmp_path, url, **JSON)
        deliverer = office.deliverer()
        office.fire(0)
        assert deliverer.round() == Round(delivered=1)
        assert _sentences(first.taken) == ["Rule 0"]
    down_since = office.now
    ids: list[str] = []
    while office.now < down_since + timedelta(minutes=10):
        if len(ids) < 5:
            ids.append(office.fire(len(ids) + 1, group=f"group {len(ids)}"))
        assert deliverer.round().delivered == 0
        office.now += timedelta(seconds=15)
    office.move(ids[0], "closed", evidence={"closed": "2 %."})
    tried = office.rows()
    assert {row["state"] for row in tried[1:]} == {"failed"}
    assert len(tried) < 20, "longer and longer pauses, and one attempt for all that wait"
    assert tried[-1]["error"] == "The webhook cannot be reached (Connection refused)."
    with WebhookReceiver(port) as second:
        office.now += timedelta(seconds=office.rules.longest_pause_seconds)
        assert deliverer.round() == Round(delivered=6)
        assert sorted(_sentences(second.taken)) == ["Rule 1", "Rule 1", "Rule 2", "Rule 3", "Rule 4", "Rule 5"]
        assert [alert["state"] for body in second.taken for alert in body["alerts"]].count("resolved") == 1
        office.now += timedelta(hours=1)
        assert deliverer.round() == Round()
    assert len([row for row in office.rows() if row["state"] == "delivered"]) == 7
    assert "SECRETPATH" not in json.dumps(office.rows(), default=str), "the address is a secret"


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"X"], ids=["silent", "continues", "drips"])
def test_a_receiver_that_hangs_is_given_up_in_time_whatever_it_does(tmp_path: Path, drip: bytes) -> None:
    with HangingReceiver(drip) as receiver:
        office = Office(tmp_path, receiver.url)
        deliverer = office.deliverer()
        office.fire()
        found = deliverer.round()
        assert (found.delivered, found.waiting) == (0, 1)
        if drip != b"X":  # That is no HTTP at all, which is noticed at once or when the time is over.
            assert found.error == "The webhook did not answer within 0.5 seconds."


def test_a_mail_server_that_drips_is_given_up_in_time(tmp_path: Path) -> None:
    with HangingReceiver(b"220-wait\r\n") as receiver:
        office = Office(tmp_path, mail=_mail_to(receiver.port))
        deliverer = office.deliverer()
        office.fire()
        assert deliverer.round().error == "The mail server did not answer within 0.5 seconds."


def test_what_is_refused_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> int:
        return 400 if "Rule 1" in json.dumps(body) else 204

    with WebhookReceiver(answer=answer) as receiver:
        office = Office(tmp_path, receiver.url, **JSON)
        deliverer = office.deliverer()
        for number in (1, 2, 3):
            office.fire(number, group=str(number))
        assert deliverer.round() == Round(2, 1, 1, "The webhook answered with status 400.")
        assert _sentences(receiver.taken) == ["Rule 2", "Rule 3"]
        pauses = []
        for _ in range(8):
            last = office.rows()[-1]
            pauses.append((last["next_try_at"] - office.now).total_seconds())
            office.now = last["next_try_at"]
            assert deliverer.round().failed == 1
        assert pauses == [5, 10, 20, 40, 80, 120, 120, 120]
        office.now += timedelta(hours=25)
        deliverer.round()
    last = office.rows()[-1]
    assert (last["state"], last["attempt"], last["next_try_at"]) == ("given_up", 9, None)
    assert last["error"] == "It could not be told within 24 hours."
    assert deliverer.round() == Round()


def test_a_process_that_is_killed_behind_the_post_tells_it_again_with_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as receiver:
        office = Office(tmp_path, receiver.url, **JSON)
        deliverer = office.deliverer()
        office.fire()

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(alert_delivery, "append", killed)
            with pytest.raises(KeyboardInterrupt):
                deliverer.round()
        assert office.rows() == []
        office.deliverer()  # What the next process does.
        first, second = (body["alerts"][0] for body in receiver.taken)
        assert first["delivery_id"] == second["delivery_id"]
    assert [row["state"] for row in office.rows()] == ["delivered"]


def test_what_arrived_is_not_told_again_while_the_lake_takes_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as receiver:
        office = Office(tmp_path, receiver.url, **JSON)
        deliverer = office.deliverer()
        office.fire()

        def full(*_: Any) -> None:
            raise LakehouseError("The disk is full.")

        with monkeypatch.context() as patch:
            patch.setattr(alert_delivery, "append", full)
            for _ in range(3):
                with pytest.raises(LakehouseError):
                    deliverer.round()
        assert deliverer.round() == Round()
        assert len(receiver.taken) == 1
    assert [(row["state"], row["attempt"]) for row in office.rows()] == [("delivered", 1)]


def test_a_new_channel_tells_nothing_of_the_past_and_two_processes_do_not_tell_twice(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver:
        office = Office(tmp_path, receiver.url, **JSON)
        office.fire(1)
        office.now += timedelta(seconds=1)
        deliverer = office.deliverer()
        office.fire(2)
        with one_at_a_time(office.settings, "deliver-webhook", 0), pytest.raises(StillAtWork):
            deliverer.round()
        assert deliverer.round().delivered == 1
        assert _sentences(receiver.taken) == ["Rule 2"]


def test_what_happens_together_is_told_together_and_by_severity(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver:
        office = Office(tmp_path, receiver.url, group_seconds=10.0, **JSON)
        deliverer = office.deliverer()
        for number, severity in ((1, "page"), (2, "ticket"), (3, "notice"), (4, "")):
            office.fire(number, severity)
        assert deliverer.round() == Round(waiting=3)
        office.now += timedelta(seconds=10)
        assert deliverer.round() == Round(delivered=3)
        (body,) = receiver.taken
        assert _sentences([body]) == ["Rule 1", "Rule 2", "Rule 4"], "notices are not for this channel"
        assert body["title"] == "Lakehelm: 3 firing on chatbot"


def test_silence_is_kept_and_what_is_known_is_not_told_again(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver:
        office = Office(tmp_path, receiver.url, **JSON)
        deliverer = office.deliverer()
        silenced, acknowledged, again = office.fire(1), office.fire(2), office.fire(3)
        assert deliverer.round().delivered == 3
        for alert_id in (silenced, again):
            office.move(alert_id, "silenced", actor="ann", silenced_until=office.now + timedelta(hours=1))
        office.move(acknowledged, "acknowledged", actor="ann")
        office.move(acknowledged, "open", actor="ann")
        office.move(silenced, "closed")
        assert deliverer.round() == Round(), "a person's own doing is no news, nor the end of what is silenced"
        office.now += timedelta(hours=2)
        office.move(again, "open", sentence="Rule 3: still so.")
        office.move(acknowledged, "closed", evidence={"closed": "It is 2 % now."})
        assert deliverer.round().delivered == 2
        told = [(alert["state"], alert["sentence"]) for body in receiver.taken[1:] for alert in body["alerts"]]
        assert sorted(told) == [
            ("firing", "Rule 3: still so."),
            ("resolved", "Rule 2: 20 % (limit 5 %; 300 requests). Now: It is 2 % now."),
        ]


def test_what_only_was_pending_is_never_told(tmp_path: Path) -> None:
    office = Office(tmp_path)
    row = first_row(("errors", "chatbot", "", "", ""), "pending", sentence="Perhaps.", time=NOON)
    record(view(office.settings), [row])
    close_alert(office.settings, row["alert_id"])
    assert events_in(read_rows(open_to_read(office.settings, "alert_events")).to_pylist()) == []


def _event(sentence: str = "A <b>sentence</b> & more.", told: Any = "firing", **evidence: Any) -> Event:
    alert = Alert("a" * 32, "errors", "chatbot", "prod.chatbot", "3", sentence, NOON, None, evidence, severity="page")
    return Event(alert, told, NOON, sentence)


def _message(*events: Event) -> Message:
    return Message("chatbot", events, "https://dash.example/ops/")


def test_slacks_shape_escapes_and_links(tmp_path: Path) -> None:
    body = slack_body(_message(_event(runbook="alert-drift", suspect="promote by ann <x>, v2 → v3.")))
    assert set(body) == {"text"}
    assert body["text"].splitlines() == [
        "*Lakehelm: 1 firing on chatbot*",
        ":rotating_light: *Firing* (page): A &lt;b&gt;sentence&lt;/b&gt; &amp; more.",
        "promote by ann &lt;x&gt;, v2 → v3.",
        "Runbook: docs/runbook.md#alert-drift",
        f"<https://dash.example/ops/alerts?alert={'a' * 32}|Open the alert>",
    ]


def test_json_has_every_field_and_what_looks_like_a_persons_is_masked() -> None:
    event = _event("Ann wrote from ann@example.com\nin two lines.", value=20.0, limit=5.0, n=300, unit="%")
    (alert,) = json_body(_message(event), "webhook")["alerts"]
    assert alert["sentence"] == "Ann wrote from [e-mail] in two lines."
    assert {name: alert[name] for name in ("state", "rule", "version", "value", "limit", "n", "unit", "severity")} == {
        "state": "firing",
        "rule": "errors",
        "version": "3",
        "value": 20.0,
        "limit": 5.0,
        "n": 300,
        "unit": "%",
        "severity": "page",
    }
    assert alert["url"] == f"https://dash.example/ops/alerts?alert={'a' * 32}"


def test_a_mail_has_one_subject_line_and_the_same_id_for_a_second_copy() -> None:
    message = Message("chat\r\nBcc: eve@evil.example", (_event(),), "http://127.0.0.1:8501")
    first, second = (mail(message, "a@x.example", ["b@x.example"], NOON) for _ in range(2))
    assert first["Subject"] == "Lakehelm: 1 firing on chat Bcc: eve@evil.example"
    assert first["Bcc"] is None
    assert first["Message-ID"] == second["Message-ID"]


def _mail_to(port: int, **more: Any) -> dict[str, Any]:
    people = ("ann@x.example", "bob@x.example")
    return {"host": "127.0.0.1", "port": port, "security": "none", "sender": "l@x.example", "to": people, **more}


def test_mail_arrives_and_says_who_was_refused(tmp_path: Path) -> None:
    with MailReceiver(refused=("bob@x.example",)) as receiver:
        office = Office(tmp_path, mail=_mail_to(receiver.port))
        deliverer = office.deliverer()
        office.fire(suspect="The last change before: promote by ann.")
        assert deliverer.round().delivered == 1
        ((sender, recipients, text),) = receiver.taken
    assert (sender, recipients) == ("l@x.example", ["ann@x.example"])
    assert "Subject: Lakehelm: 1 firing on chatbot" in text
    assert "Rule 1: 20 % (limit 5 %; 300 requests)." in text
    assert "The last change before: promote by ann." in text
    assert "http://127.0.0.1:8501/alerts?alert=" in text
    (row,) = office.rows()
    assert (row["channel"], row["state"], row["error"]) == ("mail", "delivered", "1 of 2 recipients were refused.")


@pytest.mark.parametrize(
    ("server", "rules", "sentence"),
    [
        ({"refuse_all": True}, {}, "The mail server refused with code 451."),
        ({"refused": ("ann@x.example", "bob@x.example")}, {}, "The mail server did not take it"),
        ({}, {"security": "starttls", "user": "lakehelm"}, "The mail server did not take it (SMTPNotSupportedError)."),
        ({}, {"security": "tls", "user": "lakehelm"}, "The mail server cannot be reached"),
    ],
)
def test_mail_that_is_not_taken_or_not_safe_is_not_sent(
    tmp_path: Path, server: dict[str, Any], rules: dict[str, Any], sentence: str
) -> None:
    with MailReceiver(**server) as receiver:
        office = Office(tmp_path, mail=_mail_to(receiver.port, **rules))
        deliverer = office.deliverer()
        office.fire()
        found = deliverer.round()
        assert found.error.startswith(sentence)
        assert (found.delivered, found.waiting) == (0, 1)
        assert receiver.taken == []
    assert "geheim" not in json.dumps(office.rows(), default=str)


def test_channels_are_those_that_are_set_up(tmp_path: Path) -> None:
    assert channels(*_set_up(Office(tmp_path))) == ([], {})
    both, wrong = channels(*_set_up(Office(tmp_path, "https://hooks.example/x", mail=_mail_to(25))))
    assert ([type(channel) for channel in both], wrong) == ([Webhook, Mail], {})


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example/SECRET",
        "file:///etc/SECRET",
        "http://",
        "https://SECRET:abc/",
        "https://SECRET:99999/",
        "http://[SECRET/",
        "http://SEC RET/",
    ],
)
def test_a_wrong_address_is_told_and_keeps_no_other_channel_from_telling(tmp_path: Path, address: str) -> None:
    with MailReceiver() as receiver:
        office = Office(tmp_path, address, mail=_mail_to(receiver.port))
        with pytest.raises(RegistryError, match="LAKEHELM_ALERT_WEBHOOK_URL") as refused:
            Webhook(*_set_up(office))
        assert "SECRET" not in str(refused.value)
        good, wrong = channels(*_set_up(office))
        assert ([type(channel) for channel in good], wrong) == ([Mail], {"webhook": str(refused.value)})
        deliverer = office.deliverer()
        office.fire()
        assert deliverer.round().delivered == 1


def test_a_channel_that_is_set_up_wrongly_stays_in_the_status(tmp_path: Path) -> None:
    with MailReceiver() as receiver:
        office = Office(tmp_path, "https://hooks.example:abc/", mail=_mail_to(receiver.port))
        threads = DeliveryThreads(office.settings)
        try:
            for _ in range(2):
                threads.keep(office.rules)
                assert "LAKEHELM_ALERT_WEBHOOK_URL" in threads.report()["webhook"]["error"]
            wait_for(lambda: "mail" in threads.report())
        finally:
            threads.stop(5)
    assert threads.report()["mail"] == {"waiting": 0, "error": ""}
    assert "LAKEHELM_ALERT_WEBHOOK_URL" in deliver_once(office.settings)["webhook"].error


def _set_up(office: Office) -> tuple[Settings, DeliveryRules]:
    return office.settings, office.rules


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with WebhookReceiver(answer=lambda body: 307) as receiver:
        channel = Webhook(*_set_up(Office(tmp_path, receiver.url)))
        with pytest.raises(DeliveryFailed, match="answered with status 307"):
            channel.send(_message(_event()), NOON)
