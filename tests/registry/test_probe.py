import time
from typing import Any

import pytest

from registry.probe import QUESTION, REQUESTER, probe
from serving.endpoints import Answer
from serving.errors import GatewayDown, RequestRejected
from tests.registry.echo_production import EchoProduction
from tests.serving.gateway_process import GatewayProcess


class Endpoint:
    """Answers in turn as it was told: a text, an error, or seconds of silence."""

    def __init__(self, *turns: Any) -> None:
        self.turns = list(turns)
        self.bodies: list[dict[str, Any]] = []

    def invoke(self, name: str, body: dict[str, Any], **asked: Any) -> Answer:
        self.bodies.append(body)
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        if isinstance(turn, float):
            time.sleep(turn)
            turn = asked["served_entity"]
        return Answer("Lakehelm is …", {}, "r1", turn, 200, 0.004)


def status(code: int) -> RequestRejected:
    return RequestRejected(f"Status {code}.", status_code=code, error_code="X")


def asked(endpoint: Any, seconds: float = 5) -> tuple[bool, str]:
    found = probe(endpoint, "bot", "bot-3", "c1", seconds)
    assert found.name == "probe"
    return found.passed, found.sentence


def test_a_real_version_answers_and_the_question_is_marked_in_the_inference_table(
    production: EchoProduction, echo_gateway: GatewayProcess
) -> None:
    name = production.settings.endpoint
    found = probe(production.client, name, f"{name}-1", "change-7")
    assert found.passed
    assert found.sentence.startswith(f"{name}-1 answered the probe in ")
    deadline = time.monotonic() + 30
    while not (rows := [row for row in echo_gateway.rows() if row["client_request_id"] == "probe-change-7"]):
        assert time.monotonic() < deadline, "the probe was not logged"
        time.sleep(0.1)
    (row,) = rows
    assert row["requester"] == REQUESTER
    assert QUESTION in row["request"]


def test_a_model_that_takes_another_body_is_asked_in_its_way() -> None:
    endpoint = Endpoint(status(400), status(422), "bot-3")
    assert asked(endpoint) == (True, "bot-3 answered the probe in 4 ms.")
    assert [next(iter(body)) for body in endpoint.bodies] == ["input", "messages", "dataframe_split"]


def test_a_model_that_understands_no_usual_body_is_up_but_was_not_seen_to_answer() -> None:
    passed, sentence = asked(Endpoint(status(400), status(400), status(400)))
    assert not passed
    assert sentence.startswith("bot-3 is up, but does not understand the probe's question, so no answer was seen")


def test_a_version_that_is_just_coming_back_is_asked_again() -> None:
    assert asked(Endpoint(status(503), GatewayDown("Nothing answers."), "bot-3"))[0]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([status(500)], "answered the probe with an error (500): Status 500."),
        ([status(403)], "answered the probe with an error (403)"),
        (["bot-2"], "The probe asked bot-3, and bot-2 answered"),
        ([GatewayDown("Nothing answers.")] * 9, "The probe did not reach bot-3: Nothing answers."),
        ([3.0], "did not answer the probe within 0.3 seconds."),
    ],
)
def test_what_does_not_answer_rightly_is_told(turns: list[Any], told: str) -> None:
    passed, sentence = asked(Endpoint(*turns), 0.3)
    assert not passed
    assert told in sentence
