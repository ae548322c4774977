"""Who somebody is, and whether they are let in: pure rules over what a sign-in or a platform says about a person.

A role is only ever given to something that a person cannot choose for themselves: an e-mail address that the provider
does not call unverified, or the identifier by which the provider knows them. A display name gives nobody a role.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from registry.actors import Actor
from registry.errors import NotAllowed
from settings import Settings, comparable_name

EVERYBODY_ELSE = "*"
"""The key of `Settings.roles` for whoever signs in and is not named."""
LONGEST_NAME = 320
"""Characters of the longest e-mail address that can exist."""
APPS_VARIABLES = ("DATABRICKS_APP_NAME", "DATABRICKS_APP_PORT", "DATABRICKS_CLIENT_ID", "DATABRICKS_WORKSPACE_ID")
"""Environment variables that Databricks Apps set in every app. A visitor cannot set them."""


class NotSignedIn(NotAllowed):
    """Nobody is signed in, or the sign-in is over."""


class NoRole(NotAllowed):
    """Somebody is signed in, and the settings give them no role. `name` is who."""

    def __init__(self, sentence: str, name: str) -> None:
        super().__init__(sentence)
        self.name = name


class Closed(NotAllowed):
    """The dashboard may let nobody in: a setting is missing or would open it to strangers."""


@dataclass(frozen=True)
class Identity:
    """Somebody whom a provider vouches for. At least one of `email` and `subject` is not empty.

    `subject` is the provider's own identifier. `signed_in_at` is in seconds since 1970; 0 where nobody tells it.
    """

    email: str
    subject: str
    provider: str
    signed_in_at: int = 0

    @property
    def name(self) -> str:
        """What the ledger calls this person, the same at every sign-in."""
        return comparable_name(self.email) or self.subject


def is_loopback(host: str | None) -> bool:
    """Whether `host`, a name or an IP address without port, is this machine only."""
    name = (host or "").strip("[]").lower().rstrip(".")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def why_closed(settings: Settings, address: str | None, environment: Mapping[str, str]) -> str:
    """Why the dashboard may let nobody in when it listens on `address`, as one sentence; empty if all is well.

    `address` is None where it listens on every address. `environment` is the process's.
    """
    if settings.identity == "none":
        if is_loopback(address):
            return ""
        return (
            f"Without sign-in everybody who reaches the dashboard is an administrator, so it may listen on 127.0.0.1 "
            f"only, not on {address or 'every address'}: set LAKEHELM_DASHBOARD_ADDRESS (or --server.address) to "
            f"127.0.0.1, or LAKEHELM_IDENTITY to oidc."
        )
    if settings.identity == "databricks" and (
        missing := [name for name in APPS_VARIABLES if not environment.get(name)]
    ):
        return (
            f"LAKEHELM_IDENTITY is databricks, but this is no Databricks App ({missing[0]} is not set), and anybody "
            f"could send the headers that say who they are: set LAKEHELM_IDENTITY to oidc, or to none on a laptop."
        )
    if not settings.roles:
        return (
            f"LAKEHELM_IDENTITY is {settings.identity} and LAKEHELM_ROLES is empty, so nobody may come in: set it, "
            f'for example to {{"you@example.com": "admin", "*": "viewer"}}.'
        )
    return ""


def identity_from_claims(claims: Mapping[str, object], *, now: float, longest_hours: float) -> Identity:
    """The person whom an OpenID Connect ID token is about.

    `claims` are those of a token whose signature was checked; `now` is in seconds since 1970; a sign-in is over
    `longest_hours` after the token was issued. Raises: NotSignedIn.
    """
    if claims.get("is_logged_in") is not True:
        raise NotSignedIn("Sign in to see this page.")
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise NotSignedIn("Your provider does not say when you signed in (claim iat), so nobody can tell how long ago.")
    if now - issued > longest_hours * 3600:
        raise NotSignedIn(f"A sign-in lasts {longest_hours:g} hours: sign in again.")
    verified = claims.get("email_verified", True) not in (False, "false", "False")
    return Identity(
        email=_text(claims.get("email")) if verified else "",
        subject=_text(claims.get("sub")),
        provider=_text(claims.get("iss")),
        signed_in_at=int(issued),
    )


def identity_from_headers(headers: Mapping[str, list[str]]) -> Identity:
    """The person whom Databricks Apps forward a request for.

    `headers` has all values of each header under its lower-case name. Only for requests that came through Databricks
    Apps: anybody else can write what they like into them. Raises: NotSignedIn.
    """
    found = {}
    for header in ("x-forwarded-email", "x-forwarded-user"):
        values = headers.get(header, [])
        if len(values) > 1:
            raise NotSignedIn(f"The request says twice who you are (header {header}), so neither is believed.")
        found[header] = _text(values[0]) if values else ""
    if not any(found.values()):
        raise NotSignedIn("Databricks Apps did not say who you are: open the app at its address in Databricks.")
    return Identity(email=found["x-forwarded-email"], subject=found["x-forwarded-user"], provider="Databricks Apps")


def actor_of(settings: Settings, identity: Identity) -> Actor:
    """The person with the role that the settings give them. Raises: NoRole, NotSignedIn."""
    if not identity.name:
        raise NotSignedIn("Your provider tells neither a verified e-mail address nor an identifier of you.")
    for name in filter(None, (identity.email, identity.subject)):
        if name == EVERYBODY_ELSE or len(name) > LONGEST_NAME or not name.isprintable() or re.search(r"\s", name):
            raise NotSignedIn("Your provider calls you by a name with characters that no name here may have.")
    role = _role(settings, identity)
    if role is None:
        raise NoRole(
            f"{identity.name} has no role in Lakehelm: ask an administrator to name you in LAKEHELM_ROLES.",
            identity.name,
        )
    return Actor(identity.name, role)


def _role(settings: Settings, identity: Identity) -> Literal["viewer", "operator", "approver", "admin"] | None:
    by_email = {comparable_name(name): role for name, role in settings.roles.items() if "@" in name}
    if identity.email and (role := by_email.get(comparable_name(identity.email))):
        return role
    if identity.subject and (role := settings.roles.get(identity.subject)):
        return role
    return settings.roles.get(EVERYBODY_ELSE)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
