"""The gateway as its callers know it: a real process, real workers, databricks-sdk in front."""

import json
import threading
import time

import psutil
import pytest

from serving.client import EndpointClient, Served
from serving.endpoint_metrics import parse
from serving.errors import EndpointExists, EndpointMissing, GatewayDown, RequestRejected, UpdateFailed, UpdateInProgress
from settings import Settings
from tests.serving.gateway_process import free_port

CHATBOT = "/api/2.0/serving-endpoints"


def _text(body: bytes) -> str:
    return json.loads(body)["output"][0]["content"][0]["text"]


def test_a_new_endpoint_answers_and_says_which_version_did(gateway):
    gateway.serve("answers", 1)
    answer = gateway.client.ask("answers", "hello")
    assert answer.text == "models:/echo.chatbot/1 heard hello"
    assert answer.served_model_name == "answers-1"
    assert answer.status_code == 200
    assert [endpoint.name for endpoint in gateway.client.list()].count("answers") == 1


def test_every_exchange_is_a_row_of_the_inference_table_with_the_version_that_answered(gateway):
    gateway.serve("logged", 1)
    gateway.serve("logged", 2)
    answer = gateway.client.ask("logged", "hello", client_request_id="mine-1", requester="Łukasz")
    (row,) = gateway.wait_for_rows([answer.request_id])
    assert row["client_request_id"] == "mine-1"
    assert row["requester"] == "Łukasz"
    assert row["status_code"] == 200
    assert json.loads(row["request"])["input"][0]["content"] == "hello"
    assert json.loads(row["response"]) == answer.body
    (entity,) = [e for e in gateway.rows("served_entities") if e["served_entity_id"] == row["served_entity_id"]]
    assert (entity["endpoint_name"], entity["entity_name"], entity["entity_version"]) == ("logged", "echo.chatbot", "2")


def test_the_callers_own_request_id_is_not_passed_on_to_the_model(gateway):
    gateway.serve("private", 1)
    _, _, body = gateway.ask("private", "hello", client_request_id="mine", temperature=0.5)
    assert json.loads(body)["keys"] == ["input", "temperature"]


def test_traffic_is_split_by_the_percentages(gateway):
    served = [Served("split-1", "echo.chatbot", "1"), Served("split-2", "echo.chatbot", "2")]
    gateway.client.create("split", served, {"split-1": 75, "split-2": 25})
    names = [gateway.client.ask("split", "x").served_model_name for _ in range(40)]
    assert (names.count("split-1"), names.count("split-2")) == (30, 10)


def test_a_served_entity_without_traffic_answers_whoever_asks_for_it(gateway):
    gateway.serve("direct", 1, 2, live=1)
    assert gateway.client.ask("direct", "x").served_model_name == "direct-1"
    assert gateway.client.ask("direct", "x", served_entity="direct-2").served_model_name == "direct-2"
    with pytest.raises(EndpointMissing, match="direct-3"):
        gateway.client.ask("direct", "x", served_entity="direct-3")


def test_a_version_that_is_ready_takes_over_before_the_call_returns(gateway):
    gateway.serve("back", 1)
    gateway.serve("back", 2)
    body = {
        "served_entities": [{"name": "back-1", "entity_name": "echo.chatbot", "entity_version": "1"}],
        "traffic_config": {"routes": [{"served_model_name": "back-1", "traffic_percentage": 100}]},
    }
    status, _, answer = gateway.request("PUT", f"{CHATBOT}/back/config", body)
    described = json.loads(answer)
    assert status == 200
    assert described["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    assert described["config"]["config_version"] == 3
    assert "pending_config" not in described
    assert gateway.client.ask("back", "x").served_model_name == "back-1"


def test_a_hot_swap_under_load_loses_no_request(gateway):
    gateway.serve("swapped", 1)
    answers, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            status, headers, body = gateway.ask("swapped", "sleep 0.02")
            answers.append((status, headers["served-model-name"], body))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for version in (2, 3, 2, 4):
        gateway.serve("swapped", version)
        answered = len(answers)
        while f"swapped-{version}" not in [name for _, name, _ in answers[answered:]]:
            time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} == {200}
    for _, name, body in answers:
        assert _text(body).startswith(f"models:/echo.chatbot/{name[-1]} ")


def test_a_version_that_cannot_be_loaded_changes_nothing(gateway):
    gateway.serve("steady", 1)
    with pytest.raises(UpdateFailed, match="this version is broken"):
        gateway.client.update("steady", [Served("steady-2", "broken.chatbot", "2")], {"steady-2": 100})
    endpoint = gateway.client.get("steady")
    assert (endpoint.ready, endpoint.config_version, endpoint.updating) == (True, 1, "UPDATE_FAILED")
    assert [(entity.state, entity.traffic) for entity in endpoint.pending] == [("DEPLOYMENT_FAILED", 100)]
    assert gateway.client.ask("steady", "x").served_model_name == "steady-1"
    gateway.serve("steady", 3)
    assert gateway.client.get("steady").updating == "NOT_UPDATING"


def test_while_an_update_runs_the_old_version_serves_and_a_second_update_is_refused(gateway):
    gateway.serve("busy", 1)
    slow = [Served("busy-2", "slow.chatbot", "2")]
    assert gateway.client.update("busy", slow, {"busy-2": 100}, wait=False).updating == "IN_PROGRESS"
    assert gateway.client.ask("busy", "x").served_model_name == "busy-1"
    with pytest.raises(UpdateInProgress, match="busy is being updated"):
        gateway.client.update("busy", slow, {"busy-2": 100})
    while gateway.client.get("busy").updating == "IN_PROGRESS":
        time.sleep(0.05)
    assert gateway.client.ask("busy", "x").served_model_name == "busy-2"


def test_the_version_before_stays_warm_and_the_one_before_that_is_stopped(gateway):
    def processes() -> set[str]:
        text = gateway.client.metrics_text("warm")
        return {name for name in ("warm-1", "warm-2", "warm-3") if f'served_model_name="{name}"' in text}

    for version in (1, 2, 3):
        gateway.serve("warm", version)
    assert processes() == {"warm-2", "warm-3"}


def test_a_model_that_raises_is_a_500_that_names_the_error_and_is_logged(gateway):
    gateway.serve("raises", 1)
    status, headers, body = gateway.ask("raises", "raise a secret")
    assert status == 500
    assert json.loads(body) == {
        "error_code": "INTERNAL_ERROR",
        "message": "The model raised KeyError: 'raise a secret'",
    }
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert row["status_code"] == 500
    assert "The model raised KeyError" in gateway.client.logs("raises", "raises-1")
    for log in (gateway.settings.home / "logs").iterdir():
        assert "secret" not in log.read_text(), log


def test_a_worker_that_dies_is_a_503_for_its_requests_and_harms_no_other(gateway):
    gateway.serve("dies", 1, 2)
    gateway.serve("lives", 1)
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(gateway.ask("lives", "sleep 0.3")))
    thread.start()
    status, headers, body = gateway.ask("dies", "die")
    thread.join()
    assert status == 503
    assert json.loads(body)["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert waiting[0][0] == 200
    assert gateway.client.ask("dies", "x", served_entity="dies-1").served_model_name == "dies-1"
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert row["status_code"] == 503
    gateway.wait_until_answers("dies", "dies-2")


def test_while_a_version_with_traffic_is_started_again_the_others_answer_for_it(gateway):
    served = [
        Served("covers-1", "echo.chatbot", "1"),
        Served("covers-2", "slow.chatbot", "2"),
        Served("covers-3", "echo.chatbot", "3"),
    ]
    gateway.client.create("covers", served, {"covers-1": 50, "covers-2": 50})
    asked_for = "/serving-endpoints/covers/served-models/covers-2/invocations"
    assert gateway.request("POST", asked_for, {"input": [{"role": "user", "content": "die"}]})[0] == 503
    answers = [gateway.ask("covers", "x") for _ in range(10)]
    assert [status for status, _, _ in answers] == [200] * 10
    assert {headers["served-model-name"] for _, headers, _ in answers} == {"covers-1"}
    status, _, body = gateway.request("POST", asked_for, {"input": [{"role": "user", "content": "x"}]})
    assert (status, json.loads(body)["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), "whoever asks for it, gets it"
    diverted = {entity.name: entity.diverted for entity in parse(gateway.client.metrics_text("covers"))}
    assert diverted == {"covers-1": 0, "covers-2": 5, "covers-3": 0}
    log = (gateway.settings.home / "logs" / "gateway.log").read_text()
    assert log.count("covers-2 does not answer: covers-1 answers in its place until it does.") == 1
    gateway.wait_until_answers("covers", "covers-2")
    names = [gateway.client.ask("covers", "x").served_model_name for _ in range(20)]
    assert names.count("covers-2") == 10


def test_a_streamed_answer_arrives_in_events_and_is_logged_joined(gateway):
    gateway.serve("streams", 1)
    status, headers, body = gateway.ask("streams", "one two", stream=True)
    events = [line.removeprefix("data: ") for line in body.decode().splitlines() if line]
    assert status == 200
    assert headers["served-model-name"] == "streams-1"
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["delta"] for event in events[:-2]]
    assert "".join(deltas).strip() == "models:/echo.chatbot/1 heard one two"
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert _text(row["response"].encode()) == "models:/echo.chatbot/1 heard one two"


@pytest.mark.parametrize(("question", "logged"), [("die-midway never", 503), ("raise-midway never", 500)])
def test_a_stream_that_breaks_off_ends_with_an_error_event_and_is_logged_as_an_error(gateway, question, logged):
    gateway.serve("breaks", 1)
    gateway.wait_until_answers("breaks", "breaks-1")
    status, headers, body = gateway.ask("breaks", question, stream=True)
    assert status == 200
    assert b"event: error" in body
    assert b"never" not in body
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert row["status_code"] == logged
    gateway.wait_until_answers("breaks", "breaks-1")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_400_and_is_logged(gateway, body):
    gateway.serve("strict", 1)
    status, headers, answer = gateway.request("POST", "/serving-endpoints/strict/invocations", body)
    assert status == 400
    assert json.loads(answer)["error_code"] == "INVALID_PARAMETER_VALUE"
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert row["status_code"] == 400


def test_a_ten_megabyte_question_is_answered_and_logged_as_too_large(gateway):
    gateway.serve("large", 1)
    status, headers, body = gateway.ask("large", "x" * 10_000_000, client_request_id="big")
    assert status == 200
    assert len(_text(body)) > 10_000_000
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert (row["request"], row["response"], row["client_request_id"]) == (None, None, "big")
    assert row["logging_error_codes"] == ["MAX_REQUEST_SIZE_EXCEEDED", "MAX_RESPONSE_SIZE_EXCEEDED"]
    status, _, body = gateway.ask("large", "x" * 17_000_000)
    assert (status, json.loads(body)["message"]) == (400, "The request is larger than 16 MiB.")


@pytest.mark.parametrize(("given", "status"), [("x" * 4096, 200), ("x" * 4097, 400), (["\x7f" * 4096], 400)])
def test_a_request_id_of_the_caller_that_is_no_id_is_a_400_and_is_logged(gateway, given, status):
    gateway.serve("ids", 1)
    answered, headers, _ = gateway.ask("ids", "x", client_request_id=given)
    assert answered == status
    (row,) = gateway.wait_for_rows([headers["x-request-id"]])
    assert row["client_request_id"] == (given if status == 200 else None)


def test_an_endpoint_whose_inference_table_is_off_is_not_logged(gateway):
    gateway.serve("quiet", 1)
    gateway.client.set_inference_table("quiet", False)
    assert gateway.client.get("quiet").inference_table is False
    unlogged = gateway.client.ask("quiet", "x").request_id
    gateway.client.set_inference_table("quiet", True)
    logged = gateway.client.ask("quiet", "x").request_id
    assert len(gateway.wait_for_rows([logged])) == 1
    assert gateway.wait_for_rows([unlogged], seconds=0) == []


def test_only_a_caller_with_the_token_gets_further_than_health(gateway):
    for path in (CHATBOT, f"{CHATBOT}/answers", "/nowhere"):
        status, _, body = gateway.request("GET", path, token="wrong")
        assert (status, json.loads(body)["error_code"]) == (401, "UNAUTHENTICATED")
    assert gateway.request("GET", "/health", token="")[0] == 200
    assert gateway.request("GET", "/.well-known/databricks-config", token="")[0] == 200
    token_file = gateway.settings.home / "gateway.token"
    assert token_file.stat().st_mode & 0o777 == 0o600


def test_health_names_the_process_and_not_the_folder(gateway):
    _, _, body = gateway.request("GET", "/health", token="")
    health = json.loads(body)
    assert health["status"] == "ok"
    assert health["process_id"] == gateway.process.pid
    assert str(gateway.settings.home) not in body.decode()


def test_what_is_not_there_is_a_404_in_the_apis_words(gateway):
    assert gateway.client.get("nobody") is None
    for method, path in (
        ("GET", f"{CHATBOT}/nobody"),
        ("DELETE", f"{CHATBOT}/nobody"),
        ("GET", f"{CHATBOT}/nobody/metrics"),
        ("POST", "/serving-endpoints/nobody/invocations"),
        ("GET", "/serving-endpoints/nobody/invocations"),
        ("GET", "/"),
    ):
        status, _, body = gateway.request(method, path, {} if method == "POST" else None)
        assert (status, json.loads(body)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), path
    with pytest.raises(EndpointMissing):
        gateway.client.ask("nobody", "x")


@pytest.mark.parametrize("name", ["named?x=1", "named#x", "other/../named"])
def test_a_name_is_never_more_than_a_name(gateway, name):
    gateway.serve("named", 1)
    assert gateway.client.get(name) is None
    with pytest.raises(EndpointMissing):
        gateway.client.ask(name, "x")
    with pytest.raises(EndpointMissing):
        gateway.client.ask("named", "x", served_entity="named-1/invocations?")


def test_an_endpoint_is_made_once(gateway):
    gateway.serve("once", 1)
    with pytest.raises(EndpointExists, match="once already"):
        gateway.client.create("once", [Served("once-1", "echo.chatbot", "1")], {"once-1": 100})


def test_a_deleted_endpoint_is_gone_and_its_end_is_recorded(gateway):
    gateway.serve("gone", 1)
    gateway.client.delete("gone")
    assert gateway.client.get("gone") is None
    with pytest.raises(EndpointMissing):
        gateway.client.ask("gone", "x")
    deadline = time.monotonic() + 20
    while "gone" not in [r["endpoint_name"] for r in gateway.rows("served_entities") if r["endpoint_delete_time"]]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_tags_are_added_and_removed(gateway):
    gateway.serve("tagged", 1)
    add = {"add_tags": [{"key": "team", "value": "a"}, {"key": "tier", "value": "1"}]}
    gateway.request("PATCH", f"{CHATBOT}/tagged/tags", add)
    _, _, body = gateway.request("PATCH", f"{CHATBOT}/tagged/tags", {"delete_tags": ["tier"]})
    assert json.loads(body) == {"tags": [{"key": "team", "value": "a"}]}


def test_the_sdks_own_calls_work_against_the_gateway(gateway):
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

    token = (gateway.settings.home / "gateway.token").read_text()
    workspace = WorkspaceClient(host=gateway.settings.gateway_url, token=token, auth_type="pat")
    entity = ServedEntityInput(name="sdk-1", entity_name="echo.chatbot", entity_version="1")
    config = EndpointCoreConfigInput(name="sdk", served_entities=[entity])
    made = workspace.serving_endpoints.create_and_wait("sdk", config=config)
    assert made.state.ready.value == "READY"
    second = ServedEntityInput(name="sdk-2", entity_name="echo.chatbot", entity_version="2")
    changed = workspace.serving_endpoints.update_config_and_wait("sdk", served_entities=[second])
    assert changed.config.config_version == 2
    assert changed.config.served_entities[0].state.deployment.value == "DEPLOYMENT_READY"
    assert "request_count_total" in workspace.serving_endpoints.export_metrics("sdk").contents.read().decode()
    assert workspace.serving_endpoints.logs("sdk", "sdk-2").logs is not None
    workspace.serving_endpoints.delete("sdk")


def test_a_gateway_that_is_not_there_is_said_at_once(tmp_path):
    client = EndpointClient(Settings(home=tmp_path, gateway_port=free_port()))
    with pytest.raises(GatewayDown, match="Start the gateway"):
        client.list()


def test_a_rejected_question_carries_its_status(gateway):
    gateway.serve("rejects", 1)
    with pytest.raises(RequestRejected, match="KeyError") as rejected:
        gateway.client.ask("rejects", "raise this")
    assert (rejected.value.status_code, rejected.value.error_code) == (500, "INTERNAL_ERROR")


def test_workers_end_when_their_endpoint_is_deleted(gateway):
    def workers() -> set[int]:
        return {child.pid for child in psutil.Process(gateway.process.pid).children(recursive=True)}

    before = workers()
    gateway.serve("ends", 1)
    (started,) = workers() - before
    gateway.client.delete("ends")
    deadline = time.monotonic() + 20
    while psutil.pid_exists(started):
        assert time.monotonic() < deadline
        time.sleep(0.05)
