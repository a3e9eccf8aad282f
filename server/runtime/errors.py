"""The one place where exceptions become gRPC statuses. Only diagnostics and refusals leave."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import dealwright_engine
import grpc
import structlog
from dealwright.v1.diagnostic_pb2 import Diagnostic, Diagnostics
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    ErrorInfo,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.db.engine import DatabaseUnavailable, Unstorable
from server.runtime.origin import REQUEST_ID, current

log = structlog.get_logger()

DOMAIN = "dealwright"

DETAILS_BYTES_MAX = 4096
"""Details stop here, in bytes: they travel as a header, and clients refuse headers above 8 KiB."""

RETRY_SECONDS = 1
"""When a caller may try again that was told to."""

MESSAGE_LENGTH_MAX = 512
"""Longest message of a status, for the same reason."""

STATUS_DETAILS_KEY = "grpc-status-details-bin"


class NotReady(Exception):
    """No ruleset has been loaded yet."""


class Stopping(Exception):
    """The process ends and takes no more calls."""


class Refusal(Exception):
    """A call that is refused. The caller sees its sentence, its stable reason and its parameters."""

    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, reason: str, message: str, *, field: str = "", **parameters: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.parameters = parameters


class Invalid(Refusal):
    """What was asked for makes no sense, whatever the state of things."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class Unknown(Refusal):
    """What was asked for doesn't exist."""

    code = grpc.StatusCode.NOT_FOUND


class RevisionNotFound(Unknown):
    """A revision that was never published."""

    def __init__(self, revision: int) -> None:
        super().__init__("REVISION_NOT_FOUND", f"there is no revision {revision}", revision=str(revision))


class AlreadyThere(Refusal):
    """What was to be made exists."""

    code = grpc.StatusCode.ALREADY_EXISTS


class Stale(Refusal):
    """Somebody else was quicker; read again and decide anew."""

    code = grpc.StatusCode.ABORTED


class Denied(Refusal):
    """Whoever calls may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class Unauthenticated(Refusal):
    """Nobody knows who calls."""

    code = grpc.StatusCode.UNAUTHENTICATED


class TooMany(Refusal):
    """Too many calls or attempts; later there is room again."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, reason: str, message: str, *, retry_seconds: int, **parameters: str) -> None:
        super().__init__(reason, message, **parameters)
        self.retry_seconds = retry_seconds


class DefinitionsRefused(Exception):
    """Definitions that can't be saved or published; `diagnostics` says everything that is wrong with them."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.promotion_id} {d.field}: {d.message}".strip() for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True, slots=True)
class CallStatus:
    """How a call ends when it fails."""

    code: grpc.StatusCode
    message: str
    details: tuple[Message, ...]

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The rich status, as clients of google.rpc.Status read it, with the id of the call that fails."""
        origin = current()
        status = Status(code=self.code.value[0], message=self.message)
        for detail in (*self.details, *([RequestInfo(request_id=origin.request_id)] if origin else [])):
            packed = Any()
            packed.Pack(detail)
            status.details.append(packed)
        request_id = ((REQUEST_ID, origin.request_id),) if origin else ()
        return (*request_id, (STATUS_DETAILS_KEY, status.SerializeToString()))


def status_of(error: BaseException) -> CallStatus:
    """The status that a caller sees for an exception."""
    if isinstance(error, dealwright_engine.EngineError):
        return _invalid(Diagnostics.FromString(error.diagnostics).diagnostics)
    if isinstance(error, DefinitionsRefused):
        return _invalid(error.diagnostics)
    if isinstance(error, Refusal):
        return _refused(error)
    if isinstance(error, Unstorable):
        info = ErrorInfo(reason="VALUE_UNSTORABLE", domain=DOMAIN)
        return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, str(error), (info,))
    if isinstance(error, DatabaseUnavailable):
        log.error("database_unavailable", error=str(error))
        return _try_again("DATABASE_UNAVAILABLE", "the database is away")
    if isinstance(error, NotReady):
        return _try_again("NO_RULESET", "no ruleset is loaded yet")
    if isinstance(error, Stopping):
        return _try_again("STOPPING", "this server is stopping")
    reference = secrets.token_hex(8)
    log.error("call_failed", reference=reference, exc_info=error)
    info = ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"reference": reference})
    return CallStatus(grpc.StatusCode.INTERNAL, f"internal error, reference {reference}", (info,))


def _refused(refusal: Refusal) -> CallStatus:
    info = ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.parameters)
    details: tuple[Message, ...] = (info,)
    if refusal.field:
        violation = BadRequest.FieldViolation(
            field=refusal.field, description=str(refusal), reason=refusal.reason
        )
        details = (info, BadRequest(field_violations=[violation]))
    if isinstance(refusal, TooMany):
        details = (info, RetryInfo(retry_delay=Duration(seconds=refusal.retry_seconds)))
    return CallStatus(refusal.code, str(refusal)[:MESSAGE_LENGTH_MAX], details)


def _try_again(reason: str, message: str) -> CallStatus:
    retry = RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS))
    info = ErrorInfo(reason=reason, domain=DOMAIN)
    return CallStatus(grpc.StatusCode.UNAVAILABLE, f"{message}; try again", (info, retry))


def _invalid(diagnostics: Sequence[Diagnostic]) -> CallStatus:
    """The first diagnostic is the status's reason and message; all that fit are field violations."""
    violations = BadRequest()
    room = DETAILS_BYTES_MAX
    for diagnostic in diagnostics:
        violation = BadRequest.FieldViolation(
            field=diagnostic.field, description=diagnostic.message, reason=diagnostic.code.upper()
        )
        room -= violation.ByteSize() + 4
        if room < 0:
            break
        violations.field_violations.append(violation)
    first = diagnostics[0]
    message = f"{first.field}: {first.message}" if first.field else first.message
    info = ErrorInfo(reason=first.code.upper(), domain=DOMAIN)
    return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, message[:MESSAGE_LENGTH_MAX], (info, violations))
