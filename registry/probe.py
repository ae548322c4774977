"""One harmless question to a version that has just got traffic, to see that it answers.

It is marked in the inference table: client request id `probe-<change id>`, and on the local gateway the requester
`lakehelm-probe`.
"""

import threading
import time
from typing import Any

from registry.plans import Verification
from serving.client import EndpointClient
from serving.endpoints import Answer
from serving.errors import GatewayDown, RequestRejected, ServingError

REQUESTER = "lakehelm-probe"
QUESTION = "What is Lakehelm?"
SECONDS = 15.0
"""How long an answer may take. A version that is still being started is asked again within this time."""

_PAUSE_SECONDS = 0.2
_BODIES: tuple[dict[str, Any], ...] = (
    {"input": [{"role": "user", "content": QUESTION}]},
    {"messages": [{"role": "user", "content": QUESTION}]},
    {"dataframe_split": {"columns": ["question"], "data": [[QUESTION]]}},
)
"""The same question as a ResponsesAgent, a chat model and a plain pyfunc take it."""


def probe(client: EndpointClient, endpoint: str, served: str, change_id: str, seconds: float = SECONDS) -> Verification:
    """Ask the served entity one question. Never raises for what the endpoint does: the sentence says what was seen.

    A version that takes none of the usual bodies is up, but nobody has seen it answer: not passed.
    """
    found: list[Verification] = []

    def ask() -> None:
        found.append(_asked(client, endpoint, served, f"probe-{change_id}", time.monotonic() + seconds))

    # A thread of its own: one answer may take as long as the client allows, which is longer than anybody should wait.
    asking = threading.Thread(target=ask, name="probe", daemon=True)
    asking.start()
    asking.join(seconds)
    return found[0] if found else _seen(False, f"{served} did not answer the probe within {seconds:g} seconds.")


def _asked(client: EndpointClient, endpoint: str, served: str, request_id: str, deadline: float) -> Verification:
    bodies = list(_BODIES)
    while True:
        try:
            answer = client.invoke(
                endpoint, bodies[0], client_request_id=request_id, served_entity=served, requester=REQUESTER
            )
            return _judged(answer, served)
        except RequestRejected as error:
            if error.status_code in (400, 422):
                bodies.pop(0)
                if not bodies:
                    told = (
                        f"{served} is up, but does not understand the probe's question, so no answer was seen: {error}"
                    )
                    return _seen(False, told)
                continue
            if error.status_code not in (429, 502, 503) or time.monotonic() + _PAUSE_SECONDS > deadline:
                return _seen(False, f"{served} answered the probe with an error ({error.status_code}): {error}")
        except GatewayDown as error:
            if time.monotonic() + _PAUSE_SECONDS > deadline:
                return _seen(False, f"The probe did not reach {served}: {error}")
        except ServingError as error:
            return _seen(False, f"The probe did not reach {served}: {error}")
        time.sleep(_PAUSE_SECONDS)


def _judged(answer: Answer, served: str) -> Verification:
    took = f"in {answer.seconds * 1000:.0f} ms"
    if answer.served_model_name and answer.served_model_name != served:
        return _seen(False, f"The probe asked {served}, and {answer.served_model_name} answered {took}.")
    return _seen(True, f"{served} answered the probe {took}.")


def _seen(passed: bool, sentence: str) -> Verification:
    return Verification("probe", passed, sentence)
