"""The one place where exceptions become gRPC statuses. Only the engine's diagnostics leave."""

import secrets
from dataclasses import dataclass

import dealwright_engine
import grpc
import structlog
from dealwright.v1.diagnostic_pb2 import Diagnostics
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.db.engine import DatabaseUnavailable

log = structlog.get_logger()

DOMAIN = "dealwright"

DETAILS_BYTES_MAX = 4096
"""Details stop here, in bytes: they travel as a header, and clients refuse headers above 8 KiB."""

RETRY_SECONDS = 1
"""When a caller may try again that was told to."""

STATUS_DETAILS_KEY = "grpc-status-details-bin"


class NotReady(Exception):
    """No ruleset has been loaded yet."""


class Stopping(Exception):
    """The process ends and takes no more calls."""


class RevisionNotFound(LookupError):
    """A revision that was never published."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"there is no revision {revision}")
        self.revision = revision


@dataclass(frozen=True, slots=True)
class CallStatus:
    """How a call ends when it fails."""

    code: grpc.StatusCode
    message: str
    details: tuple[Message, ...]

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The rich status, as clients of google.rpc.Status read it."""
        status = Status(code=self.code.value[0], message=self.message)
        for detail in self.details:
            packed = Any()
            packed.Pack(detail)
            status.details.append(packed)
        return ((STATUS_DETAILS_KEY, status.SerializeToString()),)


def status_of(error: BaseException) -> CallStatus:
    """The status that a caller sees for an exception."""
    if isinstance(error, dealwright_engine.InvalidRequest):
        return _invalid(error.diagnostics)
    if isinstance(error, NotReady):
        return _try_again("NO_RULESET", "no ruleset is loaded yet")
    if isinstance(error, Stopping):
        return _try_again("STOPPING", "this server is stopping")
    if isinstance(error, RevisionNotFound):
        info = ErrorInfo(
            reason="REVISION_NOT_FOUND", domain=DOMAIN, metadata={"revision": str(error.revision)}
        )
        return CallStatus(grpc.StatusCode.NOT_FOUND, str(error), (info,))
    if isinstance(error, DatabaseUnavailable):
        log.warning("call_without_database", error=str(error))
        return _try_again("DATABASE_UNAVAILABLE", "the database of past revisions can't be reached")
    reference = secrets.token_hex(8)
    log.error("call_failed", reference=reference, exc_info=error)
    info = ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"reference": reference})
    return CallStatus(grpc.StatusCode.INTERNAL, f"internal error, reference {reference}", (info,))


def _try_again(reason: str, message: str) -> CallStatus:
    retry = RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS))
    info = ErrorInfo(reason=reason, domain=DOMAIN)
    return CallStatus(grpc.StatusCode.UNAVAILABLE, f"{message}; try again", (info, retry))


def _invalid(encoded: bytes) -> CallStatus:
    """The first diagnostic is the status's reason and message; all that fit are field violations."""
    diagnostics = Diagnostics.FromString(encoded).diagnostics
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
    return CallStatus(grpc.StatusCode.INVALID_ARGUMENT, message[:512], (info, violations))
