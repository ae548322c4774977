"""Nobody comes in by a name that they chose themselves, and nobody without a role."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from registry.actors import Actor
from registry.errors import NotAllowed
from registry.identity import (
    APPS_VARIABLES,
    Identity,
    NoRole,
    NotSignedIn,
    actor_of,
    identity_from_claims,
    identity_from_headers,
    is_loopback,
    why_closed,
)
from settings import Settings

NOW = 1_800_000_000.0
IN_APPS = dict.fromkeys(APPS_VARIABLES, "1")
ROLES = {"Ann@Example.com": "approver", "00u7": "operator"}


def claims(**more: Any) -> dict[str, Any]:
    return {"is_logged_in": True, "iat": int(NOW) - 60, "iss": "https://id.example", "sub": "00u1", **more}


def come_in(settings: Settings, told: Mapping[str, object]) -> Actor:
    return actor_of(settings, identity_from_claims(told, now=NOW, longest_hours=settings.sign_in_hours))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, identity="oidc", roles=ROLES)


def test_a_role_goes_to_an_address_in_any_case_and_to_the_providers_exact_identifier(settings: Settings) -> None:
    assert come_in(settings, claims(email="ANN@example.COM")) == Actor("ann@example.com", "approver")
    assert come_in(settings, claims(sub="00u7")) == Actor("00u7", "operator")
    with pytest.raises(NoRole, match="00U7 has no role"):
        come_in(settings, claims(sub="00U7"))


def test_everybody_else_gets_the_role_of_the_star_and_without_it_none(settings: Settings) -> None:
    with pytest.raises(NoRole, match=r"bob@example\.com has no role.*LAKEHELM_ROLES"):
        come_in(settings, claims(email="bob@example.com"))
    open_house = Settings(home=settings.home, identity="oidc", roles={**ROLES, "*": "viewer"})
    assert come_in(open_house, claims(email="bob@example.com")).role == "viewer"
    assert come_in(open_house, claims(email="ann@example.com")).role == "approver"


@pytest.mark.parametrize(
    "chosen",
    [
        {"name": "ann@example.com"},
        {"preferred_username": "ann@example.com"},
        {"nickname": "00u7"},
        {"email": "ann@example.com", "email_verified": False},
        {"email": "ann@example.com", "email_verified": "false"},
        {"email": ["ann@example.com"]},
        {"email": "ann@example.com.evil.example"},
        {"email": "*"},
        # A Cyrillic letter that looks like the Latin one.
        {"email": "ann@example.com".replace("e", "\u0435")},
    ],
)
def test_what_people_can_choose_for_themselves_gives_no_role(settings: Settings, chosen: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed):
        come_in(settings, claims(**chosen))


def test_letters_that_lower_case_to_others_stay_different(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, identity="oidc", roles={"kate@example.com": "admin"})
    with pytest.raises(NoRole):
        # The Kelvin sign, which Python lower-cases to the letter k.
        come_in(settings, claims(email="\u212aate@example.com"))


@pytest.mark.parametrize("name", ["", "outside of Lakehelm", "a\nb", "a\u202eb", "x" * 321, "*"])
def test_a_name_that_could_be_taken_for_another_ones_is_refused(settings: Settings, name: str) -> None:
    open_house = Settings(home=settings.home, identity="oidc", roles={"*": "admin"})
    with pytest.raises(NotSignedIn):
        come_in(open_house, claims(sub=name))


def test_a_sign_in_ends_and_one_without_a_time_is_none(settings: Settings) -> None:
    hours = settings.sign_in_hours * 3600
    assert come_in(settings, claims(sub="00u7", iat=NOW - hours + 1)).role == "operator"
    with pytest.raises(NotSignedIn, match="12 hours"):
        come_in(settings, claims(sub="00u7", iat=NOW - hours - 1))
    for missing in (None, "yesterday", True):
        with pytest.raises(NotSignedIn, match="iat"):
            come_in(settings, claims(sub="00u7", iat=missing))


@pytest.mark.parametrize("said", [None, False, "true", 1])
def test_only_a_checked_sign_in_counts(settings: Settings, said: object) -> None:
    with pytest.raises(NotSignedIn, match="Sign in"):
        come_in(settings, claims(sub="00u7", is_logged_in=said))


def test_databricks_headers_name_a_person_once_or_not_at_all() -> None:
    found = identity_from_headers({"x-forwarded-email": ["Ann@Example.com"], "x-forwarded-user": ["17@3"]})
    assert found == Identity("Ann@Example.com", "17@3", "Databricks Apps")
    with pytest.raises(NotSignedIn, match="twice"):
        identity_from_headers({"x-forwarded-email": ["ann@example.com", "eve@example.com"], "x-forwarded-user": ["1"]})
    with pytest.raises(NotSignedIn, match="did not say"):
        identity_from_headers({"x-forwarded-email": [" "], "x-forwarded-user": []})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST."])
def test_loopback_is_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", [None, "", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "unix:///s"]
)
def test_everything_else_is_not(address: str | None, tmp_path: Path) -> None:
    assert not is_loopback(address)
    sentence = why_closed(Settings(home=tmp_path), address, {})
    assert address or "every address" in sentence
    assert "LAKEHELM_IDENTITY" in sentence


def test_headers_are_believed_inside_of_databricks_apps_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, identity="databricks", roles={"*": "viewer"})
    assert why_closed(settings, "0.0.0.0", IN_APPS) == ""
    for missing in APPS_VARIABLES:
        assert missing in why_closed(settings, "127.0.0.1", {**IN_APPS, missing: ""})


def test_an_identity_without_roles_would_let_nobody_in_and_says_so(tmp_path: Path) -> None:
    for identity in ("oidc", "databricks"):
        assert "LAKEHELM_ROLES is empty" in why_closed(Settings(home=tmp_path, identity=identity), None, IN_APPS)


def test_one_address_has_one_role(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="twice"):
        Settings(home=tmp_path, roles={"ann@example.com": "viewer", "Ann@example.com": "admin"})
    assert len(Settings(home=tmp_path, roles={"ann": "viewer", "Ann": "admin"}).roles) == 2
