"""Each error of databricks-sdk as one of ours, with a sentence that says who must do what.

The gateway's own messages are sentences already and stay as they are. What Databricks says is kept at the end of ours,
shortened, and without what the SDK adds to it: its configuration, or a whole request with people's words in it.
"""

import re
from dataclasses import dataclass
from typing import Any

from serving.errors import (
    STATUS_OF_ERROR_CODE,
    EndpointMissing,
    GatewayDown,
    NotAllowed,
    NotAvailable,
    RequestRejected,
    ServingError,
    TooManyRequests,
    UpdateInProgress,
)

_LONGEST_QUOTE = 400
_WRONG_TOKEN = "invalid access token"
_SDK_CONFIG = re.compile(r"\.? Config: .*", re.DOTALL)
_SDK_GAVE_UP = "unable to parse response"
_UNREADABLE = "something that is no error of the serving API."
_NO_SUCH_API = ("ENDPOINT_NOT_FOUND", "No API found", _UNREADABLE)


@dataclass(frozen=True)
class Call:
    """A call of the serving API, as far as its errors need it. `seconds` is how long it may take."""

    method: str
    path: str
    host: str
    local: bool
    seconds: float

    @property
    def asks_the_model(self) -> bool:
        """Whether it is a question to an endpoint, and neither a look at it nor a change."""
        return self.path.endswith("/invocations")

    @property
    def changes(self) -> bool:
        """Whether it may have changed something when its answer is lost."""
        return self.method != "GET" and not self.asks_the_model

    @property
    def down(self) -> str:
        """What is said when nothing answers."""
        if self.local:
            return (
                f"Nothing answers at {self.host}. Start the gateway with `python -m serving`, or check LAKEHELM_HOST."
            )
        return f"Nothing answers at {self.host}. Check LAKEHELM_HOST, and the network between here and there."


def translated(error: Any, call: Call) -> ServingError:
    """Our error for a DatabricksError.

    Returns:
        EndpointMissing (404), UpdateInProgress (409), NotAllowed (401, 403), TooManyRequests (429), NotAvailable
        (503, 504), or RequestRejected for every other status.
    """
    status, error_code, quote = _read(error)
    if status == 404 and not any(sign in f"{error_code} {quote}" for sign in _NO_SUCH_API):
        return EndpointMissing(quote if call.local else f"Databricks knows no such endpoint or model. It says: {quote}")
    if status == 409:
        return UpdateInProgress(quote if call.local else _conflict(quote))
    if status == 429:
        wait = getattr(error, "retry_after_secs", None)
        return TooManyRequests(_sentence(call, status, quote), retry_after_seconds=wait)
    kind = {401: NotAllowed, 403: NotAllowed, 503: NotAvailable, 504: NotAvailable}.get(status, RequestRejected)
    return kind(_sentence(call, status, quote), status_code=status, error_code=error_code)


def too_slow(call: Call) -> NotAvailable:
    """The error for an answer that did not come within the time that this client waits."""
    afterwards = " Whether the change happens all the same is told by the endpoint's state." if call.changes else ""
    return NotAvailable(
        f"{call.host} did not answer within {call.seconds:g} seconds.{afterwards}",
        status_code=504,
        error_code="DEADLINE_EXCEEDED",
    )


def broken_off(call: Call) -> GatewayDown:
    """The error for a connection that ended before the answer was there."""
    if not call.changes:
        return GatewayDown(f"The connection to {call.host} broke off before the answer was there. {call.down}")
    return GatewayDown(
        f"The connection to {call.host} broke off before the answer was there: whether the change happens all the same "
        "is told by the endpoint's state."
    )


def not_json(call: Call) -> ServingError:
    """The error for an answer that is none of the serving API."""
    return ServingError(
        f"{call.host} answered {call.method} {call.path} with something that is not JSON, so it is no serving API: "
        "check LAKEHELM_HOST, or the proxy in between."
    )


def _read(error: Any) -> tuple[int, str, str]:
    """HTTP status, error code and what was said, without what the SDK added."""
    from databricks.sdk.errors.platform import STATUS_CODE_MAPPING

    error_code = str(error.error_code or "")
    classes = [status for status, kind in STATUS_CODE_MAPPING.items() if isinstance(error, kind)]
    # 502 stands for every status that the SDK has no class for: something in between answered.
    status = classes[-1] if classes else STATUS_OF_ERROR_CODE.get(error_code, 502)
    said = str(error)
    if status == 403 and _WRONG_TOKEN in str(error).lower():
        status, error_code = 401, ""  # Databricks' word for a token that it does not know
    said = _UNREADABLE if said.startswith(_SDK_GAVE_UP) else " ".join(_SDK_CONFIG.sub("", said).split())
    if len(said) > _LONGEST_QUOTE:
        said = said[: _LONGEST_QUOTE - 1] + "…"
    elif said and said[-1] not in ".!?":
        said += "."
    known = {number: code for code, number in STATUS_OF_ERROR_CODE.items()}
    worded = error_code and not error_code.isdecimal()  # Databricks writes "403" there when a token is wrong
    return status, error_code if worded else known.get(status, ""), said


def _conflict(quote: str) -> str:
    return (
        "The endpoint is being changed already, or has that name taken: it takes one update at a time. Wait until that "
        f"has ended, look at what it serves, and try again. Databricks says: {quote}"
    )


def _sentence(call: Call, status: int, quote: str) -> str:
    """What is said for a status that has no class of its own for the quote alone."""
    said = f" It says: {quote}"
    match status:
        case 401 if call.local:
            return (
                f"The gateway at {call.host} does not accept the token: use the one it was started with "
                "(LAKEHELM_GATEWAY_TOKEN, or gateway.token in its workspace), or start it again."
            )
        case 401:
            return f"{call.host} does not accept Lakehelm's token: set LAKEHELM_TOKEN to a valid one.{said}"
        case 403:
            return (
                f"Lakehelm's token may not do this at {call.host}: whoever manages the endpoint, or a workspace admin, "
                f"must give its owner {_permission(call)}.{said}"
            )
        case _ if status == 502 or quote == _UNREADABLE:
            return (
                f"{call.host} answered {call.method} {call.path} with an error that is none of the serving API's: look "
                f"at what listens there, which may be another program, and at a proxy in between.{said}"
            )
        case _ if call.local or (call.asks_the_model and status in (400, 500)):
            return quote
        case 404:
            return f"{call.host} has no serving API at this address: check LAKEHELM_HOST.{said}"
        case 429:
            return f"{call.host} takes no more requests for now: wait a moment, then try again.{said}"
        case 503:
            return f"{call.host} cannot answer for the moment: try again in some seconds.{said}"
        case 504:
            return f"{call.host} took too long: look at the endpoint's state before trying again.{said}"
        case 500:
            return (
                f"{call.host} failed inside (status 500): try again, and tell its administrators if it stays so.{said}"
            )
        case _:
            return f"{call.host} refuses this (status {status}).{said}"


def _permission(call: Call) -> str:
    if call.asks_the_model:
        return "CAN QUERY on the endpoint"
    if call.method == "GET":
        return "CAN VIEW on the endpoint"
    return "the right to create endpoints" if call.method == "POST" else "CAN MANAGE on the endpoint"
