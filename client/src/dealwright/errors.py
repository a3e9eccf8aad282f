"""What can go wrong, as exceptions. `reason` is stable; the text is a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    ErrorInfo,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from dealwright.v1.diagnostic_pb2 import Diagnostics

DETAILS_KEY = "grpc-status-details-bin"


class DealwrightError(Exception):
    """Everything that this library raises on purpose."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request."""

    field: str
    """The path of the field, such as cart.lines[0].quantity."""
    reason: str
    """Stable code, such as OUT_OF_RANGE."""
    message: str


class CallFailed(DealwrightError):
    """A call that wasn't answered. The subclasses say which kind of failure it was."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        parameters: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """Stable code of the service, such as NO_RULESET. Empty: the service didn't say anything itself."""
        self.parameters = dict(parameters or {})
        """What the reason is about, such as {"revision": "7"}."""
        self.violations = violations
        """The fields of the request that are at fault."""
        self.retry_after = retry_after
        """Seconds after which the service says to try again. None: it didn't."""
        self.request_id = request_id
        """By which the service's log has the call. Empty: the service didn't answer itself."""


class Invalid(CallFailed):
    """The request is at fault; `violations` names the fields."""


class NotFound(CallFailed):
    """What was asked for doesn't exist."""


class AlreadyThere(CallFailed):
    """What was to be made exists."""


class Refused(CallFailed):
    """The state of things doesn't allow it."""


class Stale(CallFailed):
    """Somebody else was quicker; read again and decide anew."""


class Denied(CallFailed):
    """The token doesn't allow it."""


class Unauthenticated(CallFailed):
    """There is no token, or one that nobody knows."""


class Unavailable(CallFailed):
    """The service can't be reached, or can't answer now."""


class DeadlineExceeded(CallFailed):
    """No answer came in time. Whether the call was carried out isn't known."""


_KINDS: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.INVALID_ARGUMENT: Invalid,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyThere,
    grpc.StatusCode.FAILED_PRECONDITION: Refused,
    grpc.StatusCode.ABORTED: Stale,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


def of_call(error: grpc.RpcError) -> CallFailed:
    """The exception for a failed call of gRPC."""
    code, text, details = error.code(), error.details() or "", _details(error)
    info, bad, retry, call = ErrorInfo(), BadRequest(), RetryInfo(), RequestInfo()
    for detail in details.details:
        for message in (info, bad, retry, call):
            detail.Unpack(message)
    return _KINDS.get(code, CallFailed)(
        text or code.name.lower().replace("_", " "),
        code=code,
        reason=info.reason,
        parameters=info.metadata,
        violations=tuple(
            Violation(each.field, each.reason, each.description) for each in bad.field_violations
        ),
        retry_after=retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None,
        request_id=call.request_id,
    )


def of_diagnostics(found: Diagnostics) -> Invalid:
    """The exception for a request that the engine refuses, as the service would tell it."""
    first = found.diagnostics[0]
    return Invalid(
        f"{first.field}: {first.message}" if first.field else first.message,
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=first.code.upper(),
        violations=tuple(
            Violation(each.field, each.code.upper(), each.message) for each in found.diagnostics
        ),
    )


def _details(error: grpc.RpcError) -> Status:
    """The rich status of a failed call; an empty one where a proxy has answered."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == DETAILS_KEY:
            return Status.FromString(value)
    return Status()
