"""The one place where exceptions become HTTP statuses: problems as RFC 9457 has them, from gRPC statuses."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo  # type: ignore[import-untyped]

from admin.api.answers import Answer
from server.documents import DocumentError
from server.runtime.errors import Stale, status_of

MEDIA_TYPE = "application/problem+json"

TYPE = "urn:dealwright:problem:"
"""What the type of a problem begins with; the stable reason follows."""

STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The HTTP status of each gRPC status; every other one is an internal error."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request isn't answered as it was meant."""

    status: HTTPStatus
    reason: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self) -> Answer:
        value: dict[str, Any] = {
            "type": f"{TYPE}{self.reason}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "reason": self.reason,
        }
        if self.errors:
            value["errors"] = [
                {"field": wrong.field, "reason": wrong.reason, "message": wrong.message}
                for wrong in self.errors
            ]
        if self.parameters:
            value["parameters"] = self.parameters
        body = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")
        return Answer(body, self.status, self.headers, MEDIA_TYPE)


class HttpRefusal(Exception):
    """What only HTTP can refuse, such as a body without its type."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem_of(error: BaseException, *, conditional: bool = False) -> Problem:
    """The problem that a caller sees for an exception. `conditional`: the request had If-Match."""
    if isinstance(error, HttpRefusal):
        return error.problem
    if isinstance(error, DocumentError):
        return _unreadable(error)
    status = status_of(error)
    info, violations, retry = ErrorInfo(reason="INTERNAL"), BadRequest(), RetryInfo()
    for detail in status.details:
        for known in (info, violations, retry):
            if isinstance(detail, type(known)):
                known.CopyFrom(detail)
    http_status = STATUSES.get(status.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if isinstance(error, Stale) and conditional:
        http_status = HTTPStatus.PRECONDITION_FAILED
    if http_status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if retry.HasField("retry_delay"):
        headers["retry-after"] = str(retry.retry_delay.seconds)
    return Problem(
        http_status,
        info.reason,
        status.message,
        tuple(FieldProblem(one.field, one.reason, one.description) for one in violations.field_violations),
        dict(info.metadata),
        headers,
    )


def _unreadable(error: DocumentError) -> Problem:
    """A body or a query that is no message."""
    errors = tuple(FieldProblem(one.field, "UNREADABLE", one.message) for one in error.problems)
    return Problem(HTTPStatus.BAD_REQUEST, "UNREADABLE", str(error.problems[0]), errors)
