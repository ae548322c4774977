"""Why a multimodal model did not answer, as one sentence for the person who asked: which model, what, what to do.

The errors of the providers may hold keys, headers and the image. So none of their text is passed on but what a server
says about a request that it rejects, shortened and without anything that looks like a key.
"""

import json
import re
from collections.abc import Mapping

from pydantic_ai import exceptions as failures

from vision.errors import ModelUnavailable
from vision.models.providers import Place

_KEY_LIKE = re.compile(
    r"(?:bearer\s+|basic\s+)?\b(?:[\w-]*(?:sk|key|dapi|AIza|token)[-_\w.]*|[A-Za-z0-9+/_.-]{24,}=*)", re.I
)
_MARKS = re.compile(r"[\[\]<>*_`|\\#]")
_MOST_LETTERS = 160

_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (failures.ModelAuthenticationError, "{model} did not accept the key: check {key_setting}."),
    (
        failures.ModelQuotaExceededError,
        "The account for {model} has used up its quota or credit: top it up, or ask another model.",
    ),
    (
        failures.ModelRateLimitError,
        "{model} takes no more questions for now (too many requests): try again in a minute.",
    ),
    (
        failures.ModelContextWindowExceededError,
        "The image and the conversation are too long for {model}: start anew, or ask another model.",
    ),
    (failures.ModelNotFoundError, "There is no model {name} at {address}: check LAKEHELM_VISION_MODELS."),
    (failures.ModelRequestRejectedError, "{model} rejected the question; perhaps it takes no images.{said}"),
    (
        failures.ModelUnavailableError,
        "{model} failed on its own side{status}: try again later, or ask another model.",
    ),
    (failures.ModelServerError, "{model} failed on its own side{status}: try again later, or ask another model."),
    (
        TimeoutError,
        "{model} said nothing for {silence:g} seconds and was given up: try again, or ask another model.",
    ),
    (
        failures.ModelTimeoutError,
        "{model} said nothing for {silence:g} seconds and was given up: try again, or ask another model.",
    ),
    (failures.ModelConnectionError, "The connection to {model} broke off: try again."),
    (failures.ContentFilterError, "{model} declined to answer: the content filter of its provider took effect."),
    (failures.AgentRunError, "{model} sent something that is no answer{status}: check what listens at {address}."),
)
"""The first that fits is said."""
_UNREACHED = "{model} cannot be reached at {address}: check {reach}."
_REDIRECTED = "{address} points elsewhere for {model}; the image is sent only to the address in the settings."
_OTHERWISE = "{model} could not be asked at {address}: check {key_setting} and what listens there."


def unavailable(error: Exception, place: Place, silence: float) -> ModelUnavailable:
    """The error in plain words. silence: seconds after which a model that says nothing is given up."""
    return ModelUnavailable(_sentence(error, place, silence))


def _sentence(error: Exception, place: Place, silence: float) -> str:
    unreached = isinstance(error, failures.ModelConnectionError) and error.phase in ("connect", "pool")
    status = getattr(error.__cause__, "status_code", 0)
    if unreached and not isinstance(error, TimeoutError):
        sentence = _UNREACHED
    elif 300 <= status < 400:
        sentence = _REDIRECTED
    else:
        sentence = next((words for kind, words in _SENTENCES if isinstance(error, kind)), _OTHERWISE)
    said = _said(error.body, place) if isinstance(error, failures.ModelRequestRejectedError) else ""
    return sentence.format(
        model=place.model,
        name=place.name,
        address=place.address,
        key_setting=place.key_setting,
        reach=place.address_setting or "the network of this machine",
        silence=silence,
        status=_status(error),
        said=said,
    )


def _status(error: Exception) -> str:
    return f" (HTTP {error.status_code})" if isinstance(error, failures.ModelHTTPError) else ""


def _said(body: object, place: Place) -> str:
    """What the server says, as plain words without keys, or nothing."""
    message = _message(body)
    key = place.key.get_secret_value()
    if key:
        message = message.replace(key, "…")
    words = " ".join(_MARKS.sub(" ", _KEY_LIKE.sub("…", message)).split())
    shown = words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]}…"
    return f" It says: “{shown}”" if shown else ""


def _message(body: object) -> str:
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return ""
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, Mapping) else inner
        return message if isinstance(message, str) else ""
    return ""
