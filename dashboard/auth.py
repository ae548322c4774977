"""Who is using the dashboard, and as what."""

import getpass
import os
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import streamlit as st

from dashboard import oidc
from registry.actors import Actor
from registry.identity import (
    Closed,
    Identity,
    actor_of,
    identity_from_claims,
    identity_from_headers,
    is_loopback,
    why_closed,
)
from settings import Settings, get_settings

_USER_HEADERS = ("x-forwarded-email", "x-forwarded-user")


def current_actor() -> Actor:
    """The person whom changes and wishes are recorded under, with their role; asked anew at every call.

    Raises: Closed, NotSignedIn, NoRole (all of them NotAllowed), each with the sentence that the page shows.
    """
    settings = get_settings()
    _require_open(settings)
    if settings.identity == "none":
        return Actor(_user_of_this_machine(), "admin")
    return actor_of(settings, current_identity())


def current_identity() -> Identity:
    """Who is signed in, whether they have a role or not. Only with an identity. Raises: Closed, NotSignedIn."""
    settings = get_settings()
    _require_open(settings)
    if settings.identity == "databricks":
        headers = st.context.headers
        return identity_from_headers({name: headers.get_all(name) for name in _USER_HEADERS})
    claims: Mapping[str, object] = st.user.to_dict()
    return identity_from_claims(claims, now=time.time(), longest_hours=settings.sign_in_hours)


def _require_open(settings: Settings) -> None:
    """Raises: Closed, if a setting is missing or wrong, so that nobody may be let in."""
    sentence = why_closed(settings, st.get_option("server.address"), os.environ)
    if not sentence and settings.identity == "oidc":
        sentence = oidc.problem()
    if not sentence and settings.identity == "none":
        sentence = _foreign_host()
    if sentence:
        raise Closed(sentence)


def _foreign_host() -> str:
    """Why a request is not for this machine, though it arrived here.

    A web site can let its own name point to 127.0.0.1. The browser then takes the dashboard for a part of that site,
    whose scripts could use it; but the name stands in the request.
    """
    for host in st.context.headers.get_all("host"):
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if not is_loopback(name):
            return (
                "Without sign-in the dashboard answers at localhost and 127.0.0.1 only, and your browser asked for "
                "another name: open it there, or set LAKEHELM_IDENTITY to oidc."
            )
    return ""


def _user_of_this_machine() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user number that has no name.
        return "local"
