"""Signing in at a real OpenID Connect provider on loopback, with a real Chromium, and what each role may then do."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import oidc_provider_mock
import pytest
from playwright.sync_api import Page, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from lakehouse import ledger
from lakehouse.runs import pending_requests
from settings import Settings
from tests.browser.conftest import SETTLED, Visit, running_app
from tests.browser.screenshots import take
from tests.dashboard import workspace
from tests.dashboard.raw_visit import shown_after, shown_to

pytestmark = pytest.mark.browser
Opener = Callable[..., Visit]
COOKIE_SECRET = "for this test " * 4
ROLES = '{"Vera@example.com": "viewer", "otto@example.com": "operator"}'


@dataclass(frozen=True)
class SignInApp:
    """The dashboard with `oidc`. Sign-ins are for `home`; `elsewhere` is the same dashboard at another address."""

    home: str
    elsewhere: str
    settings: Settings


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignInApp]:
    home = tmp_path_factory.mktemp("oidc")
    settings = Settings(home=home)
    workspace.write_operations(settings, workspace.utc_now())
    with oidc_provider_mock.run_server_in_thread(require_nonce=True) as provider:
        secrets = home / "secrets.toml"
        secrets.write_text(
            "[auth]\n"
            'redirect_uri = "http://localhost:{port}/oauth2callback"\n'
            f'cookie_secret = "{COOKIE_SECRET}"\n'
            'client_id = "lakehelm"\n'
            'client_secret = "for this test"\n'
            f'server_metadata_url = "http://localhost:{provider.server_port}/.well-known/openid-configuration"\n'
        )
        environment = {"IDENTITY": "oidc", "ROLES": ROLES, "GATEWAY_PORT": "9"}
        variables = {f"LAKEHELM_{name}": value for name, value in environment.items()}
        with running_app(home, STREAMLIT_SECRETS_FILES=str(secrets), **variables) as address:
            yield SignInApp(address.replace("127.0.0.1", "localhost"), address, settings)


def opened(visit: Opener, address: str, width: int = 1280) -> Page:
    page = visit(address, width=width).page
    # The provider's own pages ask for a style sheet on the internet.
    page.route(re.compile(r"^https://"), lambda route: route.abort())
    return page


def sign_in(page: Page, address: str, name: str, said: str) -> None:
    """Sign in from the page that is open, and wait until the dashboard says `said`."""
    page.get_by_role("button", name="Sign in").click()
    page.get_by_placeholder("sub").fill(name)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{address}/**")
    expect(page.get_by_text(re.compile(said))).to_be_attached()


def test_a_viewer_signs_in_sees_why_a_button_is_off_and_signs_out(app: SignInApp, visit: Opener) -> None:
    page = opened(visit, app.home)
    page.goto(f"{app.home}/jobs")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator("h1")).to_have_text("Lakehelm")
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    take(page, "sign-in-light-1280")
    sign_in(page, app.home, "VERA@example.com", "vera.*example.com · viewer")
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("link", name=re.compile("vera"))).to_have_count(0)
    page.goto(f"{app.home}/jobs")
    run_now = page.get_by_role("button", name="Run now")
    expect(run_now).to_be_disabled()
    # A page that is drawn anew under the mouse forgets it.
    page.wait_for_selector(SETTLED)
    run_now.hover(force=True)
    expect(page.get_by_text(re.compile("takes the role operator; vera.*is viewer"))).to_be_visible()
    sidebar.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


@pytest.mark.soak
def test_an_operator_on_a_phone_may_run_a_job_and_is_named_once_in_the_ledger(app: SignInApp, visit: Opener) -> None:
    page = opened(visit, app.home, width=390)
    page.goto(app.home)
    sign_in(page, app.home, "otto@example.com", "otto.*example.com · operator")
    page.goto(f"{app.home}/jobs")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text(re.compile("asked for by otto.*example.com"))).to_be_visible()
    page.get_by_test_id("stExpandSidebarButton").click()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text(re.compile("otto.*example.com · operator"))).to_be_in_viewport()
    expect(sidebar.get_by_role("button", name="Sign out")).to_be_in_viewport()
    take(page, "signed-in-light-390")
    assert [wish["requested_by"] for wish in pending_requests(app.settings)] == ["otto@example.com"]
    mine = [change for change in ledger.changes(app.settings) if change.actor == "otto@example.com"]
    assert [(change.action, change.role, change.outcome) for change in mine] == [("sign_in", "operator", "succeeded")]
    assert "secret" not in str(mine[0].evidence)


@pytest.mark.soak
def test_somebody_without_a_role_is_turned_away_and_the_ledger_says_so(app: SignInApp, visit: Opener) -> None:
    page = opened(visit, app.home)
    page.goto(app.home)
    sign_in(page, app.home, "eve@example.com", "eve.*example.com has no role in Lakehelm")
    page.goto(f"{app.home}/jobs")
    expect(page.get_by_text("has no role in Lakehelm")).to_be_visible()
    expect(page.locator("h1")).to_have_text("Lakehelm")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    mine = [change for change in ledger.changes(app.settings) if change.actor == "eve@example.com"]
    assert [(change.action, change.role, change.outcome) for change in mine] == [("sign_in", "none", "refused")]


def test_at_another_address_people_are_sent_to_the_one_that_sign_ins_are_for(app: SignInApp, visit: Opener) -> None:
    page = opened(visit, app.elsewhere)
    page.goto(app.elsewhere)
    there = page.get_by_role("link", name="Open Lakehelm there")
    expect(there).to_have_attribute("href", app.home)
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)


def signed_in_cookie(app: SignInApp, secret: str, signed_in_at: float) -> str:
    told = {"origin": app.home, "is_logged_in": True, "iat": int(signed_in_at), "email": "otto@example.com"}
    return create_signed_value(secret, USER_COOKIE_NAME, json.dumps(told)).decode()


def test_neither_forged_headers_nor_a_forged_cookie_sign_anybody_in(app: SignInApp) -> None:
    right = signed_in_cookie(app, COOKIE_SECRET, time.time())
    assert "· operator" in shown_to(app.home, user_cookie=right, until="· operator")
    wrong = signed_in_cookie(app, "not the dashboard's own secret, but as long", time.time())
    forged = shown_to(app.home, {"X-Forwarded-Email": "otto@example.com"}, user_cookie=wrong)
    assert "Sign in to see this page" in forged
    assert "· operator" not in forged


@pytest.mark.soak
def test_a_page_that_is_open_sends_nothing_more_once_the_sign_in_is_over(app: SignInApp) -> None:
    end = int(time.time()) + 20
    cookie = signed_in_cookie(app, COOKIE_SECRET, end - app.settings.sign_in_hours * 3600)
    after, late = shown_after(app.home, cookie, end)
    assert "sign in again" in after
    assert "delta" in after
    assert "delta" not in late
