"""The family of errors that a caller can meet.

    AgnesError
    ├── InvalidError        422/400   the input is wrong; nothing was changed
    ├── UnauthenticatedError 401      nobody we know is asking
    ├── DeniedError         403       somebody we know may not
    ├── NotFoundError       404       no such thing, or not for this person
    ├── ConflictError       409       the thing is in a state that forbids it
    ├── GoneError           410       it was here and will not come back
    ├── TooLargeError       413       over a stated limit
    ├── UnsupportedError    415       a kind of content that we do not take
    ├── LimitError          429       too many, too fast; `retry_after_seconds` tells when
    └── UnavailableError    503       a store, a model or a peer did not answer; try again

Leaves live beside the code that raises them. A leaf states facts as fields and derives its
message: what failed, on which thing. `hint` says what to do next. Neither ever holds a secret.
`agnes.edge.errors` maps the family to HTTP; a scheduled job retries only `UnavailableError`.
"""

from __future__ import annotations


class AgnesError(Exception):
    """Root of the family: a stable snake_case `code`, a `message`, a `hint` or None."""

    status = 500
    code = "internal_error"
    hint: str | None = None

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if hint is not None:
            self.hint = hint
        self.facts = facts
        """Extra JSON-able fields of the answer, such as `errors` of a validation."""


class InvalidError(AgnesError):
    status = 422
    code = "invalid"


class BadRequestError(InvalidError):
    """Refused by a rule of the domain rather than by the shape of the input (400)."""

    status = 400
    code = "bad_request"


class UnauthenticatedError(AgnesError):
    status = 401
    code = "unauthenticated"


class DeniedError(AgnesError):
    status = 403
    code = "denied"


class NotFoundError(AgnesError):
    status = 404
    code = "not_found"


class ConflictError(AgnesError):
    status = 409
    code = "conflict"


class GoneError(AgnesError):
    status = 410
    code = "gone"


class TooLargeError(AgnesError):
    status = 413
    code = "too_large"


class UnsupportedError(AgnesError):
    status = 415
    code = "unsupported"


class LimitError(AgnesError):
    status = 429
    code = "rate_limited"
    retry_after_seconds: int = 60


class UnavailableError(AgnesError):
    status = 503
    code = "unavailable"
