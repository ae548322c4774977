"""What can go wrong between a caller and an endpoint, each with one sentence for the person who reads it."""

STATUS_OF_ERROR_CODE = {
    "INVALID_PARAMETER_VALUE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The error codes of the serving API and the HTTP status that each has."""


class ServingError(Exception):
    """An endpoint could not do what was asked."""


class TelemetryFailed(ServingError):
    """Figures could not be sent to the collector of the settings."""


class GatewayDown(ServingError):
    """Nothing that speaks the serving API answers at the configured address."""


class EndpointMissing(ServingError):
    """There is no endpoint, or no served entity in it, of that name."""


class EndpointExists(ServingError):
    """An endpoint of that name exists already."""


class UpdateInProgress(ServingError):
    """The endpoint is being updated, and takes one update at a time."""


class UpdateFailed(ServingError):
    """The new configuration did not become ready, so the old one still serves."""


class UpdateInterrupted(UpdateFailed):
    """The update was cancelled, or the gateway ended while it ran: the old configuration still serves."""


class RequestRejected(ServingError):
    """The endpoint answered with an error.

    `status_code` is the HTTP status, `error_code` the word of the serving API for it.
    """

    def __init__(self, message: str, *, status_code: int, error_code: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_code = error_code


class NotAllowed(RequestRejected):
    """Lakehelm's token is not accepted (401), or may not do what was asked (403)."""


class CreatorLeft(NotAllowed):
    """The endpoint's creator has lost the permissions that every change of it is checked with."""


class TooManyRequests(RequestRejected):
    """The endpoint or the workspace takes no more requests for now (429).

    `retry_after_seconds` is how long it asks to wait; None where it does not say.
    """

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message, status_code=429, error_code="REQUEST_LIMIT_EXCEEDED")
        self.retry_after_seconds = retry_after_seconds


class NotAvailable(RequestRejected):
    """The endpoint cannot answer for the moment (503), or took too long (504). Asking again later may help.

    Of a change, it is not known whether it happens: look at the endpoint's state.
    """


class CannotServe(ServingError):
    """The gateway cannot start in this workspace, on this port."""
