"""The Models page over a real registry, with an endpoint that answers and without one."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.queries import models, registry_ready
from registry.versions import CHAMPION, ModelVersion, client
from settings import Settings, get_settings
from tests.dashboard.conftest import Month, use
from tests.dashboard.endpoint_server import described, endpoint_server
from tests.dashboard.test_pages import texts

Opener = Callable[..., AppTest]
PROD = "prod.models-page"


@pytest.fixture(scope="module")
def registered(trained_chatbots: Settings) -> Settings:
    """The shared workspace with a production model of this file's own: copies of test versions 1 and 2, 2 is live."""
    settings = trained_chatbots.model_copy(update={"prod_model": PROD})
    registry = client(settings)
    for number in ("1", "2"):
        registry.copy_model_version(f"models:/test.chatbot/{number}", PROD)
    registry.set_registered_model_alias(PROD, CHAMPION, "2")
    return settings


@pytest.fixture
def workspace(registered: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    yield use(monkeypatch, registered.home, PROD_MODEL=PROD)
    get_settings.cache_clear()


def settled(app: AppTest) -> AppTest:
    """Draw the page again until the registry has told everything."""
    deadline = time.monotonic() + 60
    while ("Asking" in texts(app) or "is starting" in texts(app)) and time.monotonic() < deadline:
        time.sleep(0.1)
        app.run()
    assert not app.exception
    assert "could not be shown" not in texts(app)
    return app


def tables(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)


def test_test_and_production_stand_side_by_side_and_what_is_live_is_shown(workspace: Settings, page: Opener) -> None:
    app = settled(page("models"))
    shown = [frame.value for frame in app.dataframe if "Version" in frame.value]
    assert [list(frame["Version"]) for frame in shown] == [["v4", "v3", "v2", "v1"], ["v2", "v1"]]
    assert list(shown[1]["Stage"]) == [["Production"], ["Archived"]]
    assert (app.selectbox(key="model").value, app.selectbox(key="version").value) == (PROD, "2")
    assert "logged model m" in tables(app)
    assert "retrieval\\-threshold" in tables(app)
    assert "golden\\_hit\\_rate" in tables(app)


def test_a_link_opens_a_version_and_what_it_is_compared_with(workspace: Settings, page: Opener) -> None:
    app = settled(page("models", model="test.chatbot", version="challenger-or-not", compare="3"))
    assert "has no version challenger\\-or\\-not" in texts(app)
    app = settled(page("models", model="test.chatbot", version="2", compare=f"{PROD}/1"))
    assert "test.chatbot v2 beside prod.models-page v1" in "\n".join(str(one.value) for one in app.subheader)
    assert "**sentences**" in tables(app)
    assert "**passage**" in tables(app)
    assert "test\\.chatbot v2 and prod\\.models\\-page v1 answered on no endpoint" in texts(app)


def test_an_alias_in_a_link_means_the_version_that_has_it_now(workspace: Settings, page: Opener) -> None:
    app = settled(page("models", model=PROD, version="champion"))
    assert f"{PROD} v2" in [one.value for one in app.subheader]


def test_a_version_that_is_not_there_leaves_the_page_standing(workspace: Settings, page: Opener) -> None:
    app = settled(page("models", model=PROD, version="4711", compare="nobody/1"))
    assert "has no version 4711" in "\n".join(error.value for error in app.error)
    assert len([frame for frame in app.dataframe if "Version" in frame.value]) == 2


def test_a_file_is_shown_as_it_stands_never_as_markdown(workspace: Settings, page: Opener) -> None:
    app = settled(page("models", model="test.chatbot", version="2"))
    key = "file test.chatbot 2"
    assert any("python_function" in code.value for code in app.code)
    app = settled(app.selectbox(key=key).set_value("requirements.txt").run())
    assert any(code.value.startswith("mlflow==") for code in app.code)
    binary = next(path for path in app.selectbox(key=key).options if path.endswith(".npy"))
    app = settled(app.selectbox(key=key).set_value(binary).run())
    assert "is no text" in texts(app)


def test_versions_come_a_page_at_a_time(workspace: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PAGE", 3)
    app = settled(page("models"))
    app = settled(app.button(key="older test.chatbot").click().run())
    assert next(list(frame.value["Version"]) for frame in app.dataframe if "Version" in frame.value) == ["v1"]
    assert app.button(key="older test.chatbot").disabled
    app = settled(app.button(key="newer test.chatbot").click().run())
    assert next(list(frame.value["Version"]) for frame in app.dataframe if "Version" in frame.value)[0] == "v4"


def test_the_endpoints_that_serve_a_version_are_named(
    registered: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = described({"1": 10, "2": 90})
    for entity in description["config"]["served_entities"]:
        entity["entity_name"] = PROD
    with endpoint_server(description) as port:
        use(monkeypatch, registered.home, PROD_MODEL=PROD, GATEWAY_PORT=str(port), GATEWAY_TOKEN="for this test")
        app = settled(page("models"))
        assert "**chatbot** with 90 % of the traffic" in tables(app)
        assert [list(frame.value["Traffic"]) for frame in app.dataframe if "Traffic" in frame.value][1] == [
            "90 %",
            "10 %",
        ]
    get_settings.cache_clear()


def test_without_a_gateway_the_registry_is_still_shown(workspace: Settings, page: Opener) -> None:
    app = settled(page("models"))
    deadline = time.monotonic() + 30
    while "Not known" not in tables(app) and time.monotonic() < deadline:
        app = app.run()
    assert "Not known: Nothing answers" in tables(app)


def test_a_client_that_is_still_being_imported_is_said_calmly(
    workspace: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_ready, "_ready", threading.Event())
    monkeypatch.setattr(registry_ready, "_thread", threading.current_thread())
    app = page("models")
    assert "The registry's client is starting" in texts(app)
    assert not app.error
    monkeypatch.setattr(registry_ready, "_problem", "The registry's client could not be loaded: no module")
    assert "could not be loaded" in texts(app.run())


def test_looking_makes_no_registry(empty: Settings, page: Opener) -> None:
    app = page("models")
    assert "No model is registered yet" in texts(app)
    assert not (empty.home / "mlflow.db").exists()
    empty.home.mkdir(exist_ok=True)
    # As it is while another process makes MLflow's tables.
    (empty.home / "mlflow.db").touch()
    assert not registry_ready.registry_exists(empty)


def test_what_was_measured_of_two_versions_is_compared_with_its_cost(month: Month) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    a, b = (
        ModelVersion("prod.chatbot", number, (), "Archived", moment, moment, "", "models:/m-1") for number in ("1", "2")
    )
    found = {score.score.metric: score for score in models.measured(a, b)}
    assert found["response_fk_grade"].comparison.difference < 0
    assert found["cost_usd"].comparison.n_a > 100
    rows = month.rows[month.rows["entity_version"] == "1"]
    assert found["execution_duration_ms"].comparison.mean_a == pytest.approx(
        rows["execution_duration_ms"].mean(), rel=0.05
    )
