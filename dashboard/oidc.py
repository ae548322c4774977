"""What signing in with OpenID Connect needs, and one sentence about what is missing of it."""

import importlib.util
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import streamlit as st

from registry.identity import is_loopback

KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
SHORTEST_COOKIE_SECRET = 32
"""Characters. Whoever guesses the secret can write a cookie that says they are anybody."""
CALLBACK = "/oauth2callback"


def problem() -> str:
    """Why nobody can sign in, as one sentence; empty if all is there. No value of a secret is in it."""
    if not all(importlib.util.find_spec(package) for package in ("authlib", "httpx")):
        return "Signing in needs the packages authlib and httpx, which are not installed: run make install."
    if st.get_option("server.trustedUserHeaders"):
        return (
            "Streamlit's option server.trustedUserHeaders is set, and its headers would override who signed in: "
            "remove it."
        )
    section = auth_section()
    if section is None:
        return (
            "LAKEHELM_IDENTITY is oidc, but no secrets file with a section [auth] can be read: write one at "
            ".streamlit/secrets.toml (or where STREAMLIT_SECRETS_FILES says) with " + ", ".join(KEYS) + "."
        )
    if missing := [key for key in KEYS if not section.get(key)]:
        return f"In [auth] of Streamlit's secrets, {_listed(missing)} missing."
    if len(str(section["cookie_secret"])) < SHORTEST_COOKIE_SECRET:
        return (
            f"The cookie_secret in [auth] of Streamlit's secrets is too short, so a sign-in could be forged: give it "
            f"at least {SHORTEST_COOKIE_SECRET} random characters (openssl rand -hex 32 makes some)."
        )
    return _address_problem("redirect_uri", redirect_uri(section), CALLBACK) or _address_problem(
        "server_metadata_url", str(section["server_metadata_url"]), ""
    )


def auth_section() -> Mapping[str, Any] | None:
    """The section `[auth]` of Streamlit's secrets; None if there is none or the file cannot be read."""
    if not st.secrets.load_if_toml_exists():
        return None
    section = st.secrets.get("auth")
    return section if isinstance(section, Mapping) else None


def redirect_uri(section: Mapping[str, Any]) -> str:
    """Where the provider sends people back to; Streamlit lets `{port}` stand for the dashboard's own."""
    return str(section.get("redirect_uri", "")).replace("{port}", str(st.get_option("server.port")))


def home_address() -> str:
    """The address under which people have to open the dashboard, so that their sign-in is known there."""
    parts = _parts(redirect_uri(auth_section() or {}))
    return f"{parts.scheme}://{parts.netloc}" if parts else ""


def is_elsewhere(opened: str | None) -> bool:
    """Whether the browser opened the dashboard at another address (its URL) than the one that sign-ins are for."""
    parts, home = _parts(opened or ""), home_address()
    return parts is not None and home != "" and f"{parts.scheme}://{parts.netloc}" != home


def _address_problem(key: str, address: str, end: str) -> str:
    parts = _parts(address)
    if parts is None or not address.endswith(end):
        tail = f" and end with {end}" if end else ""
        return f"In [auth] of Streamlit's secrets, {key} has to begin with https://{tail}."
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        return (
            f"In [auth] of Streamlit's secrets, {key} begins with http://, so sign-ins would cross the network "
            f"readable for all: use https://."
        )
    return ""


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _listed(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"{keys[0]} is"
    return f"{', '.join(keys[:-1])} and {keys[-1]} are"
