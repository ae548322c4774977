"""One client, two servers: the real gateway, and the shapes in which Databricks answers. Same code, same outcome."""

import json
import time
from dataclasses import dataclass

import pytest

from serving import client as client_module
from serving.client import EndpointClient, Served
from serving.endpoint_metrics import parse
from serving.errors import (
    CreatorLeft,
    EndpointExists,
    EndpointMissing,
    GatewayDown,
    NotAllowed,
    NotAvailable,
    RequestRejected,
    ServingError,
    TooManyRequests,
    UpdateFailed,
    UpdateInProgress,
    UpdateInterrupted,
)
from settings import Settings
from tests.serving.databricks_server import API, TOKEN, databricks_server, shape
from tests.serving.gateway_process import free_port

MODEL = "echo.agents.support_bot"


@dataclass
class Server:
    kind: str
    client: EndpointClient
    host: str


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A Databricks workspace and the client of it, which waits less than it would there."""
    monkeypatch.setattr(client_module, "_POLL_SECONDS", 0.002)
    with databricks_server() as (found, host):
        found.client = EndpointClient(Settings(home=tmp_path, host=host, token=TOKEN), timeout_seconds=5)
        found.host = host
        yield found


@pytest.fixture(params=["gateway", "databricks"])
def server(request):
    if request.param == "databricks":
        workspace = request.getfixturevalue("workspace")
        return Server("databricks", workspace.client, workspace.host)
    gateway = request.getfixturevalue("gateway")
    return Server("gateway", gateway.client, gateway.settings.endpoint_host)


def served(name: str, *versions: int, model: str = MODEL) -> list[Served]:
    return [Served(f"{name}-{version}", model, str(version)) for version in versions]


# Every operation.


def test_an_endpoint_is_made_asked_changed_and_taken_away(server):
    client, name = server.client, "contract"
    made = client.create(name, served(name, 1), {f"{name}-1": 100})
    assert (made.name, made.ready, made.updating, made.pending, made.config_version) == (
        name,
        True,
        "NOT_UPDATING",
        None,
        1,
    )
    assert made.inference_table
    assert made.creator
    assert made.created_at is not None
    assert made.updated_at is not None

    changed = client.update(name, served(name, 2, 1), {f"{name}-2": 100})
    assert [(one.name, one.entity_version, one.traffic, one.ready) for one in changed.served] == [
        (f"{name}-2", "2", 100, True),
        (f"{name}-1", "1", 0, True),
    ]
    assert (changed.config_version, changed.update_message, changed.pending_since) == (2, "", None)
    assert changed.live.name == f"{name}-2"
    assert changed.running(MODEL, "1").name == f"{name}-1"
    assert changed.running(MODEL, "3") is None
    assert client.get(name) == changed

    answer = client.ask(name, "hello")
    assert (answer.served_model_name, answer.status_code) == (f"{name}-2", 200)
    assert answer.text == f"models:/{MODEL}/2 heard hello"
    assert answer.request_id
    assert client.ask(name, "hello", served_entity=f"{name}-1").text == f"models:/{MODEL}/1 heard hello"

    assert name in [endpoint.name for endpoint in client.list()]
    client.delete(name)
    assert client.get(name) is None
    assert name not in [endpoint.name for endpoint in client.list()]


def test_metrics_and_logs_are_read(server):
    client, name = server.client, "watched"
    client.create(name, served(name, 7), {f"{name}-7": 100})
    client.ask(name, "hello")
    (entity,) = parse(client.metrics_text(name))
    assert entity.requests_per_minute >= 1
    assert (entity.errors_4xx, entity.errors_5xx) == ((0, 0) if server.kind == "gateway" else (3, 1))
    assert 0 < entity.p50_ms <= entity.p95_ms
    assert entity.provisioned > 0
    assert (entity.in_flight is None) == (server.kind == "databricks")
    assert isinstance(client.logs(name, f"{name}-7"), str)


def test_logging_is_switched_without_touching_anything_else(server):
    client, name = server.client, "logging"
    client.create(name, served(name, 1), {f"{name}-1": 100})
    client.set_inference_table(name, False)
    assert client.get(name).inference_table is False
    client.set_inference_table(name, True)
    assert client.get(name).inference_table is True
    with pytest.raises(EndpointMissing):
        client.set_inference_table("nobody", True)


def test_the_rate_limits_of_an_endpoint_outlive_a_switch_of_its_logging(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")
    before = shape("endpoint")["ai_gateway"]
    workspace.client.set_inference_table("support-bot", False)
    table = {**before["inference_table_config"], "enabled": False}
    assert workspace.endpoints["support-bot"]["ai_gateway"] == {**before, "inference_table_config": table}


def test_on_databricks_the_inference_table_stands_beside_the_model(workspace):
    workspace.client.create("support-bot", served("support-bot", 1), {"support-bot-1": 100})
    (body,) = [body for method, path, body in workspace.calls if (method, path) == ("POST", API)]
    assert body["ai_gateway"]["inference_table_config"] == {
        "enabled": True,
        "catalog_name": "echo",
        "schema_name": "agents",
        "table_name_prefix": "support_bot",
    }


# Every error that both know.


def test_the_same_mistakes_are_the_same_errors(server):
    client, name = server.client, "mistakes"
    client.create(name, served(name, 1), {f"{name}-1": 100})
    with pytest.raises(EndpointExists, match="already"):
        client.create(name, served(name, 1), {f"{name}-1": 100})
    with pytest.raises(RequestRejected, match="100") as rejected:
        client.update(name, served(name, 1, 2), {f"{name}-1": 100, f"{name}-2": 20})
    assert (rejected.value.status_code, rejected.value.error_code) == (400, "INVALID_PARAMETER_VALUE")
    with pytest.raises(RequestRejected, match="KeyError"):
        client.ask(name, "raise this")
    for call in (
        lambda: client.ask("nobody", "x"),
        lambda: client.ask(name, "x", served_entity=f"{name}-9"),
        lambda: client.update("nobody", served("nobody", 1), {"nobody-1": 100}),
        lambda: client.metrics_text("nobody"),
        lambda: client.logs("nobody", "nobody-1"),
        lambda: client.delete("nobody"),
    ):
        with pytest.raises(EndpointMissing):
            call()


def test_a_version_that_does_not_come_up_changes_nothing_and_says_why(server):
    client, name = server.client, "failing"
    client.create(name, served(name, 1), {f"{name}-1": 100})
    with pytest.raises(UpdateFailed, match="this version is broken") as failed:
        client.update(name, served(name, 2, model="broken.agents.bot"), {f"{name}-2": 100})
    assert not isinstance(failed.value, UpdateInterrupted)
    endpoint = client.get(name)
    assert (endpoint.ready, endpoint.updating, endpoint.live.name) == (True, "UPDATE_FAILED", f"{name}-1")
    assert "this version is broken" in endpoint.update_message
    assert [(one.name, one.state) for one in endpoint.pending] == [(f"{name}-2", "DEPLOYMENT_FAILED")]
    assert client.ask(name, "x").served_model_name == f"{name}-1"


def test_one_update_at_a_time_and_the_pending_one_is_told(server):
    client, name = server.client, "pending"
    client.create(name, served(name, 1), {f"{name}-1": 100})
    begun = client.update(name, served(name, 2, model="slow.agents.bot"), {f"{name}-2": 100}, wait=False)
    assert (begun.updating, begun.live.name) == ("IN_PROGRESS", f"{name}-1")
    assert [(one.name, one.state, one.traffic) for one in begun.pending] == [(f"{name}-2", "DEPLOYMENT_CREATING", 100)]
    assert begun.pending_since is not None
    assert begun.update_message
    with pytest.raises(UpdateInProgress, match=r"being (updated|changed)"):
        client.update(name, served(name, 3), {f"{name}-3": 100})
    while (endpoint := client.get(name)).updating == "IN_PROGRESS":
        time.sleep(0.05)
    assert (endpoint.live.name, endpoint.pending) == (f"{name}-2", None)


def test_a_token_that_is_not_accepted_is_said_with_what_to_do(server, tmp_path, gateway):
    if server.kind == "databricks":
        other = EndpointClient(Settings(home=tmp_path, host=server.host, token="dapi-old"))
    else:
        other = EndpointClient(
            Settings(home=tmp_path, gateway_port=gateway.settings.gateway_port, gateway_token="another")
        )
    with pytest.raises(NotAllowed, match=r"LAKEHELM_(GATEWAY_)?TOKEN") as refused:
        other.list()
    assert (refused.value.status_code, refused.value.error_code) == (401, "UNAUTHENTICATED")
    assert "Config:" not in str(refused.value)


# Every error that only a workspace elsewhere has, for a look, a change and a question.

CALLS = {
    "look": lambda client: client.get("support-bot"),
    "change": lambda client: client.update("support-bot", served("support-bot", 8), {"support-bot-8": 100}),
    "question": lambda client: client.ask("support-bot", "what is my balance?"),
}


@pytest.mark.parametrize(
    ("answer", "kind", "status", "says"),
    [
        ("no_credential", NotAllowed, 401, "set LAKEHELM_TOKEN"),
        ("wrong_token", NotAllowed, 401, "set LAKEHELM_TOKEN"),
        ("no_such_api", RequestRejected, 404, "check LAKEHELM_HOST"),
        ("another_programs_404", RequestRejected, 404, "another program"),
        ("pending_update", UpdateInProgress, None, "one update at a time"),
        ("rate_limited", TooManyRequests, 429, "wait a moment"),
        ("internal", RequestRejected, 500, "internal error occurred"),
        ("bad_gateway", RequestRejected, 502, "a proxy in between"),
        ("unavailable", NotAvailable, 503, "try again in some seconds"),
        ("unavailable_without_a_word", NotAvailable, 503, "try again in some seconds"),
        ("deadline", NotAvailable, 504, "before trying again"),
        ("login_page", ServingError, None, "not JSON"),
        ("no_object", ServingError, None, "not JSON"),
    ],
)
@pytest.mark.parametrize("operation", CALLS)
def test_every_error_is_a_sentence_and_comes_at_once(workspace, operation, answer, kind, status, says):
    workspace.endpoints["support-bot"] = shape("endpoint")
    workspace.next_answers = [answer]
    begun = time.monotonic()
    with pytest.raises(kind) as raised:
        CALLS[operation](workspace.client)
    assert time.monotonic() - begun < 3, "a person does not wait as long as a Retry-After says"
    sentence = str(raised.value)
    assert says in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 700
    for leaked in ("Config:", "what is my balance", TOKEN, "<html", "This is likely a bug"):
        assert leaked not in sentence
    if status is not None:
        assert raised.value.status_code == status
    if answer == "rate_limited":
        assert raised.value.retry_after_seconds == 60


@pytest.mark.parametrize(
    ("operation", "needs"), [("look", "CAN VIEW"), ("change", "CAN MANAGE"), ("question", "CAN QUERY")]
)
def test_a_missing_permission_is_named_with_who_gives_it(workspace, operation, needs):
    workspace.endpoints["support-bot"] = {**shape("endpoint"), "permission_level": "CAN_VIEW"}
    workspace.next_answers = ["not_permitted"]
    with pytest.raises(NotAllowed, match=f"must give its owner {needs} on the endpoint") as refused:
        CALLS[operation](workspace.client)
    assert not isinstance(refused.value, CreatorLeft)
    assert refused.value.error_code == "PERMISSION_DENIED"


def test_a_creator_who_has_left_is_told_apart_from_a_caller_who_may_not(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")
    workspace.refused_paths = {("PUT", f"{API}/support-bot/config"): "not_permitted"}
    with pytest.raises(CreatorLeft) as refused:
        CALLS["change"](workspace.client)
    sentence = str(refused.value)
    assert "ana.lopes@example.com" in sentence
    assert "A workspace admin must" in sentence
    assert sentence.endswith("'Manage' on serving endpoint 'support-bot'.")
    assert workspace.client.get("support-bot").live.name == "support-bot-7"


def test_a_change_keeps_size_and_environment_that_others_have_set(workspace):
    entry = shape("endpoint")
    own = {
        **{"workload_type": "GPU_SMALL", "scale_to_zero_enabled": False},
        "min_provisioned_concurrency": 4,
        "max_provisioned_concurrency": 16,
        "environment_vars": {"API_KEY": "{{secrets/support/key}}"},
    }
    entry["config"]["served_entities"][0] |= (
        own  # beside its workload_size, which Databricks would not take together with a concurrency
    )
    workspace.endpoints["support-bot"] = entry
    present = workspace.client.get("support-bot")
    assert "secrets" not in repr(present)
    workspace.client.update("support-bot", served("support-bot", 7, 8), {"support-bot-8": 100}, present=present)
    (body,) = [body for method, _, body in workspace.calls if method == "PUT"]
    for entity, version in zip(body["served_entities"], ("7", "8"), strict=True):
        assert entity == {"name": f"support-bot-{version}", "entity_name": MODEL, "entity_version": version, **own}


def test_a_server_that_does_not_answer_in_time_is_said_and_the_change_is_not_repeated(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")
    workspace.seconds = 0.6
    hasty = EndpointClient(workspace.client._settings, timeout_seconds=0.2)
    with pytest.raises(NotAvailable, match=r"within 0.2 seconds. Whether the change happens"):
        CALLS["change"](hasty)
    with pytest.raises(NotAvailable, match=r"within 0.2 seconds.$"):
        CALLS["look"](hasty)
    assert [method for method, _, _ in workspace.calls].count("PUT") == 1


def test_a_connection_that_breaks_off_is_said_and_the_change_is_not_repeated(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")
    workspace.drops_connections = True
    with pytest.raises(GatewayDown, match="broke off before the answer was there: whether the change happens"):
        CALLS["change"](workspace.client)
    assert [method for method, _, _ in workspace.calls] == ["PUT"]


def test_a_workspace_that_is_not_there_is_said_at_once(tmp_path):
    client = EndpointClient(Settings(home=tmp_path, host=f"http://127.0.0.1:{free_port()}", token=TOKEN))
    begun = time.monotonic()
    with pytest.raises(GatewayDown, match=r"Nothing answers at .* Check LAKEHELM_HOST"):
        client.list()
    assert time.monotonic() - begun < 5


def test_an_update_is_waited_for_through_a_short_outage(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")

    def answer(method, path, token, body, usual=workspace.answer):
        found = usual(method, path, token, body)
        if method == "PUT":
            workspace.next_answers = ["unavailable", "rate_limited", "deadline"]
        return found

    workspace.answer = answer
    changed = CALLS["change"](workspace.client)
    assert (changed.updating, changed.live.name) == ("NOT_UPDATING", "support-bot-8")


def test_an_outage_that_lasts_ends_the_wait_with_what_is_known(workspace, monkeypatch):
    monkeypatch.setattr(client_module, "_LONGEST_OUTAGE_SECONDS", 0.05)
    workspace.endpoints["support-bot"] = shape("endpoint")

    def answer(method, path, token, body, usual=workspace.answer):
        return usual(method, path, token, body) if method == "PUT" else workspace.error("unavailable")

    workspace.answer = answer
    with pytest.raises(GatewayDown, match="was accepted, and then nobody could say how it went"):
        CALLS["change"](workspace.client)


def test_a_cancelled_update_is_no_failed_one(workspace):
    workspace.endpoints["support-bot"] = shape("endpoint")

    def answer(method, path, token, body, usual=workspace.answer):
        if method == "GET":
            workspace.progress["support-bot"] = ["canceled"]
        return usual(method, path, token, body)

    workspace.answer = answer
    with pytest.raises(UpdateInterrupted, match="was interrupted: The update was canceled"):
        CALLS["change"](workspace.client)
    assert workspace.client.get("support-bot").live.name == "support-bot-7"


# The shapes themselves.


def test_databricks_own_sdk_reads_every_shape_and_leaves_nothing_over(workspace):
    from databricks.sdk.service.serving import ServingEndpoint, ServingEndpointDetailed

    for listed in shape("list")["endpoints"]:
        assert ServingEndpoint.from_dict(listed).as_dict() == listed
    workspace.endpoints["support-bot"] = shape("endpoint")
    shown = [shape("endpoint")]
    workspace.update("support-bot", {**shape("endpoint")["config"]})
    for step in shape("updates"):
        workspace.show(workspace.endpoints["support-bot"], step)
        shown.append(workspace.endpoints["support-bot"].copy())
        assert ServingEndpointDetailed.from_dict(shown[-1]).as_dict() == shown[-1]
    assert ServingEndpointDetailed.from_dict(shown[0]).as_dict() == shown[0]


def test_the_gateway_answers_in_keys_that_databricks_own_sdk_knows(gateway):
    from databricks.sdk.service.serving import ServingEndpointDetailed

    gateway.serve("shapely", 1)
    gateway.serve("shapely", 2)
    gateway.client.update("shapely", [Served("shapely-3", "slow.chatbot", "3")], {"shapely-3": 100}, wait=False)
    _, _, body = gateway.request("GET", f"{API}/shapely")
    described = json.loads(body)
    extension = described.pop("lakehelm")
    assert extension["warm_standby"]["name"] == "shapely-1"
    read = ServingEndpointDetailed.from_dict(described).as_dict()
    assert read == {key: value for key, value in described.items() if value != []}
