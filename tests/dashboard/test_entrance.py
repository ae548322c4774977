"""Nobody comes in who may not: what the app itself says and shows, whatever a visitor sends."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboard.queries import operations
from lakehouse import ledger
from lakehouse.runs import pending_requests
from registry.identity import APPS_VARIABLES
from settings import Settings, get_settings
from tests.browser.conftest import running_app
from tests.dashboard.conftest import APP, PAGES, use
from tests.dashboard.raw_visit import shown_to

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "0123456789abcdef" * 2,
    "client_id": "lakehelm",
    "client_secret": "TOP-SECRET",
    "server_metadata_url": "https://id.example/.well-known/openid-configuration",
}
CLAIMS = {"is_logged_in": True, "iat": 4_000_000_000, "iss": "https://id.example", "sub": "00u1"}
FORGED = {"X-Forwarded-Email": "ann@example.com", "X-Forwarded-User": "1", "X-Forwarded-Preferred-Username": "ann"}
ROLES = {"ann@example.com": "admin"}
Opener = Callable[..., AppTest]


@pytest.fixture
def oidc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    """Open a page of an app with `identity` = `oidc`, with these secrets and this person."""
    use(monkeypatch, tmp_path, IDENTITY="oidc", ROLES=json.dumps({"ann@example.com": "operator", "*": "viewer"}))

    def opened(auth: dict[str, Any] | None, user: dict[str, Any] | None = None, name: str = "jobs") -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        return seen_by(app, auth, user).switch_page(str(PAGES / f"{name}.py")).run()

    yield opened
    get_settings.cache_clear()


def seen_by(app: AppTest, auth: dict[str, Any] | None, user: dict[str, Any] | None) -> AppTest:
    app.secrets = {"other": "x"} if auth is None else {"auth": auth}
    app.user = user or {}
    return app


def words(app: AppTest) -> str:
    shown = [*app.title, *app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    return "\n".join(str(element.value) for element in shown).replace("\\", "").replace("\u2060", "")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({name: "" for name in AUTH}, "redirect_uri, cookie_secret, client_id, client_secret and server_metadata_url"),
        ({"client_id": ""}, "client_id is missing"),
        ({"cookie_secret": "xxx"}, "cookie_secret"),
        ({"redirect_uri": "http://localhost:8501/"}, "/oauth2callback"),
        ({"redirect_uri": "http://lakehelm.example/oauth2callback"}, "use https://"),
        ({"server_metadata_url": "http://id.example/.well-known/openid-configuration"}, "use https://"),
        ({"server_metadata_url": "id.example"}, "server_metadata_url"),
    ],
)
def test_what_signing_in_lacks_is_said_in_one_sentence_without_a_secret(
    oidc: Opener, change: dict[str, str], named: str
) -> None:
    app = oidc({**AUTH, **change})
    assert named in words(app)
    assert "TOP-SECRET" not in words(app)
    assert [title.value for title in app.title] == ["Lakehelm"]
    assert not app.button
    assert not app.exception


def test_without_a_section_auth_the_sentence_says_where_it_goes(oidc: Opener) -> None:
    assert ".streamlit/secrets.toml" in words(oidc(None))


def test_headers_that_streamlit_would_trust_are_refused(oidc: Opener) -> None:
    before = config.get_option("server.trustedUserHeaders")
    config.set_option("server.trustedUserHeaders", {"X-Forwarded-Email": "email"})
    try:
        assert "trustedUserHeaders" in words(oidc(AUTH, {**CLAIMS, "email": "ann@example.com"}))
    finally:
        config.set_option("server.trustedUserHeaders", before)


@pytest.mark.parametrize("user", [{}, {**CLAIMS, "iat": 1, "email": "ann@example.com"}])
def test_no_page_opens_without_a_sign_in_that_still_lasts(oidc: Opener, user: dict[str, Any]) -> None:
    app = oidc(AUTH, user)
    pages = sorted(PAGES.glob("*.py"))
    assert len(pages) >= 7
    for page in pages:
        app.switch_page(str(page)).run()
        assert [title.value for title in app.title] == ["Lakehelm"]
        assert [button.key for button in app.button] == ["sign_in"]
        assert "sign in" in words(app).lower()
    assert not Path(get_settings().lake).exists()


def test_nothing_ends_a_run_half_way() -> None:
    # After st.stop() Streamlit keeps what refreshed by itself on the page before, and goes on sending it.
    files = [*PAGES.glob("*.py"), *APP.parent.rglob("*.py")]
    assert len(files) > 30
    assert [file.name for file in files if re.search(r"^\s*st\.stop\(", file.read_text("utf-8"), re.MULTILINE)] == []


def test_a_viewer_sees_who_they_are_and_why_a_button_is_off(oidc: Opener) -> None:
    app = oidc(AUTH, {**CLAIMS, "email": "Eve@Example.com"})
    assert "eve@example.com · viewer" in words(app)
    assert [title.value for title in app.title] == ["Jobs"]
    button = app.button(key="run_now")
    assert button.disabled
    assert "takes the role operator" in button.help


def test_the_action_itself_asks_for_the_role_whatever_was_drawn(oidc: Opener) -> None:
    def act() -> None:
        import streamlit as st

        from dashboard.actions.jobs import run_metrics_job_now
        from registry.errors import NotAllowed

        try:
            run_metrics_job_now()
        except NotAllowed as error:
            st.error(str(error))

    for user, refusal in (({}, "Sign in"), ({**CLAIMS, "email": "eve@example.com"}, "takes the role operator")):
        app = seen_by(AppTest.from_function(act), AUTH, user).run()
        assert refusal in app.error[0].value
    assert pending_requests(get_settings()) == []
    assert not seen_by(AppTest.from_function(act), AUTH, {**CLAIMS, "email": "ann@example.com"}).run().error
    assert [wish["requested_by"] for wish in pending_requests(get_settings())] == ["ann@example.com"]


def test_a_sign_in_is_in_the_ledger_once_whatever_is_opened(oidc: Opener) -> None:
    user = {**CLAIMS, "email": "ann@example.com"}
    for _ in range(2):
        oidc(AUTH, user)
    oidc(AUTH, {**user, "iat": user["iat"] + 5})
    found = ledger.changes(get_settings())
    assert [(change.action, change.actor, change.role) for change in found] == [
        ("sign_in", "ann@example.com", "operator")
    ] * 2
    assert found[0].evidence["provider"] == "https://id.example"
    assert operations.last_changes() == []


def test_a_ledger_that_cannot_be_written_keeps_nobody_out(oidc: Opener) -> None:
    log = Path(get_settings().lake, "ledger", "_delta_log")
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("this is no Delta log\n")
    app = oidc(AUTH, {**CLAIMS, "email": "ann@example.com"})
    assert [title.value for title in app.title] == ["Jobs"]


def test_databricks_headers_open_nothing_outside_of_databricks_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Opener
) -> None:
    use(monkeypatch, tmp_path, IDENTITY="databricks", ROLES='{"*": "viewer"}')
    app = page()
    get_settings.cache_clear()
    assert "this is no Databricks App" in words(app)
    assert [title.value for title in app.title] == ["Lakehelm"]


def test_without_sign_in_a_forged_header_changes_nothing_and_a_foreign_name_is_refused(tmp_path: Path) -> None:
    with running_app(tmp_path, LAKEHELM_GATEWAY_PORT="9", LAKEHELM_ROLES=json.dumps(ROLES)) as address:
        shown = shown_to(address, FORGED, until="· admin")
        assert "person: ann" not in shown
        assert "· admin" in shown
        rebound = shown_to(address, {"Host": "evil.example", "Origin": "http://evil.example"})
    assert "asked for another name" in rebound
    assert "· admin" not in rebound


def test_started_by_hand_for_every_address_it_lets_nobody_in(tmp_path: Path) -> None:
    with running_app(tmp_path, STREAMLIT_SERVER_ADDRESS="0.0.0.0") as address:
        shown = shown_to(address)
    assert "it may listen on 127" in shown
    assert "· admin" not in shown


def test_inside_of_databricks_apps_the_forwarded_person_comes_in_and_nobody_else(tmp_path: Path) -> None:
    environment = {
        **dict.fromkeys(APPS_VARIABLES, "1"),
        "LAKEHELM_IDENTITY": "databricks",
        "LAKEHELM_ROLES": json.dumps(ROLES),
        "LAKEHELM_GATEWAY_PORT": "9",
    }
    with running_app(tmp_path, **environment) as address:
        assert "· admin" in shown_to(address, FORGED, until="· admin")
        nobody = shown_to(address)
        twice = shown_to(address, [*FORGED.items(), ("X-Forwarded-Email", "eve@example.com")])
        stranger = shown_to(address, {"X-Forwarded-Email": "eve@example.com", "X-Forwarded-User": "2"})
    assert "did not say who you are" in nobody
    assert "says twice who you are" in twice
    assert "has no role in Lakehelm" in stranger
    assert not any("· admin" in shown for shown in (nobody, twice, stranger))
    outcomes = [(change.actor, change.outcome) for change in ledger.changes(Settings(home=tmp_path))]
    assert outcomes == [("eve@example.com", "refused"), ("ann@example.com", "succeeded")]
