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


class RequestRejected(ServingError):
    """The endpoint answered with an error.

    `status_code` is the HTTP status, `error_code` the word of the serving API for it.
    """

    def __init__(self, message: str, *, status_code: int, error_code: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.error_code = error_code


class CannotServe(ServingError):
    """The gateway cannot start in this workspace, on this port."""
