"""How a message leaves the machine: by a webhook (HTTP POST) or by mail (SMTP).

One attempt ends within the time it is given, whatever the receiver does: a socket's own time-out starts anew with
every byte, so a receiver that drips would hold it for ever. Errors say what the receiver did, never where it is: the
address of a webhook is a secret.
"""

import http.client
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from jobs.alert_messages import Message, json_body, mail, slack_body
from registry.alert_rules import DeliveryRules, MailRules, Severity
from registry.errors import RegistryError
from settings import Settings

_RETRY_LATER = frozenset({408, 425, 429})


class DeliveryFailed(Exception):
    """An attempt failed. `refused`: the receiver answers, but does not take this message; else it cannot be reached."""

    def __init__(self, sentence: str, *, refused: bool) -> None:
        super().__init__(sentence)
        self.refused = refused


class Channel(Protocol):
    """A way to tell people."""

    name: str
    severities: tuple[Severity, ...]

    def send(self, message: Message, now: datetime) -> str:
        """One attempt. Returns what is worth a remark though it arrived. Raises: DeliveryFailed."""
        ...


class Webhook:
    """A webhook, in Slack's shape or in plain JSON. Redirects are not followed."""

    name = "webhook"

    def __init__(self, settings: Settings, rules: DeliveryRules) -> None:
        """Raises: RegistryError, if its address is none."""
        self.severities = rules.webhook.severities
        self._shape = rules.webhook.shape
        self._timeout = rules.timeout_seconds
        parts, self._port = _address(settings.alert_webhook_url.get_secret_value().strip())
        self._secure, self._host = parts.scheme == "https", parts.hostname or ""
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def send(self, message: Message, now: datetime) -> str:
        """Post the message; any 2xx means that it arrived."""
        body = slack_body(message) if self._shape == "slack" else json_body(message, self.name)
        connection = self._connection()
        try:
            with _cut_off(lambda: connection.sock, self._timeout) as was_cut:
                status = self._post(connection, json.dumps(body).encode(), was_cut)
        finally:
            connection.close()
        if 200 <= status < 300:
            return ""
        raise DeliveryFailed(f"The webhook answered with status {status}.", refused=status not in _RETRY_LATER)

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _post(self, connection: http.client.HTTPConnection, body: bytes, was_cut: threading.Event) -> int:
        try:
            headers = {"Content-Type": "application/json", "User-Agent": "lakehelm", "Connection": "close"}
            connection.request("POST", self._path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable("webhook", error, self._timeout, was_cut) from None


class Mail:
    """A mail server."""

    name = "mail"

    def __init__(self, settings: Settings, rules: DeliveryRules) -> None:
        self.severities = rules.mail.severities
        self._rules: MailRules = rules.mail
        self._timeout = rules.timeout_seconds
        self._password = settings.alert_mail_password.get_secret_value()

    def send(self, message: Message, now: datetime) -> str:
        """Hand the mail to the server; it arrived if the server took it for at least one person."""
        written = mail(message, self._rules.sender, self._rules.to, now)
        server = self._server()
        with _cut_off(lambda: server.sock, self._timeout) as was_cut:
            try:
                self._begin(server)
                refused = server.send_message(written, self._rules.sender, list(self._rules.to))
            except smtplib.SMTPServerDisconnected as error:
                raise _unreachable("mail server", error, self._timeout, was_cut) from None
            except smtplib.SMTPResponseException as error:
                raise DeliveryFailed(f"The mail server refused with code {error.smtp_code}.", refused=True) from None
            except smtplib.SMTPException as error:
                words = f"The mail server did not take it ({type(error).__name__})."
                raise DeliveryFailed(words, refused=True) from None
            except (OSError, ValueError) as error:
                raise _unreachable("mail server", error, self._timeout, was_cut) from None
            finally:
                server.close()
        return f"{len(refused)} of {len(self._rules.to)} recipients were refused." if refused else ""

    def _server(self) -> smtplib.SMTP:
        """A server that is not connected yet, so that its connection can be ended while it comes about."""
        if self._rules.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=self._timeout, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(timeout=self._timeout)
        # What its certificate must name; only the constructor that connects at once takes it.
        server._host = self._rules.host  # type: ignore[attr-defined]
        return server

    def _begin(self, server: smtplib.SMTP) -> None:
        server.connect(self._rules.host, self._rules.port)
        if self._rules.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if self._rules.user:
            server.login(self._rules.user, self._password)


def channels(settings: Settings, rules: DeliveryRules) -> tuple[list[Channel], dict[str, str]]:
    """The ways that are set up; and by name what is wrong with others, which keep no good one from telling."""
    found: list[Channel] = []
    wrong: dict[str, str] = {}
    if settings.alert_webhook_url.get_secret_value().strip():
        try:
            found.append(Webhook(settings, rules))
        except RegistryError as error:
            wrong[Webhook.name] = str(error)
    if rules.mail.host:
        found.append(Mail(settings, rules))
    return found, wrong


def _address(url: str) -> tuple[SplitResult, int | None]:
    """The parts of a webhook's address, and its port. Raises: RegistryError, which does not name it: it is a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
        # Refuses characters that no host has; it does not connect yet.
        http.client.HTTPConnection(parts.hostname or "", port)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except (ValueError, http.client.InvalidURL):
        good = False
    if not good:
        raise RegistryError(
            "The webhook's address (LAKEHELM_ALERT_WEBHOOK_URL) is http:// or https://, a host, and where it needs one "
            "a port, a number up to 65535: mend it, and start the alerts anew."
        )
    return parts, port


@contextmanager
def _cut_off(sock: Callable[[], "socket.socket | None"], seconds: float) -> Iterator[threading.Event]:
    """End the connection after `seconds`, whatever is going on with it. Yields the event that says that it was."""
    cut = threading.Event()

    def end() -> None:
        cut.set()
        found = sock()
        if found is not None:
            try:
                found.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # It is closed already.

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()


def _unreachable(what: str, error: Exception, seconds: float, was_cut: threading.Event) -> DeliveryFailed:
    if was_cut.is_set() or isinstance(error, TimeoutError):
        return DeliveryFailed(f"The {what} did not answer within {seconds:g} seconds.", refused=False)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return DeliveryFailed(f"The {what} cannot be reached ({reason}).", refused=False)
