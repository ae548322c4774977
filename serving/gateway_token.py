"""The bearer token that every call to the local gateway carries."""

import contextlib
import os
import secrets
from pathlib import Path

from serving.errors import GatewayDown
from settings import Settings


def _token_file(settings: Settings) -> Path:
    return settings.home / "gateway.token"


def read_gateway_token(settings: Settings) -> str:
    """The token of this workspace's gateway. Raises GatewayDown if none was ever made."""
    configured = settings.gateway_token.get_secret_value()
    if configured:
        return configured
    try:
        token = _token_file(settings).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = ""
    if not token:
        raise GatewayDown(
            f"The gateway of the workspace {settings.home} has never been started: there is no gateway.token in it."
        )
    return token


def read_or_make_gateway_token(settings: Settings) -> str:
    """The token of this workspace's gateway, made when there is none (file mode 0600)."""
    with contextlib.suppress(GatewayDown):
        return read_gateway_token(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    file = _token_file(settings)
    # Written under another name and then linked: two starts at once end with one token, never with half of one.
    temporary = file.with_name(f".gateway.token.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(secrets.token_urlsafe(32))
    try:
        if file.exists():
            temporary.replace(file)  # it was there but empty
        else:
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    return read_gateway_token(settings)
