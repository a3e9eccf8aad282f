"""Reading requests: what a route is asked, within limits."""

import re
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from admin.api.answers import JSON, Asked
from admin.api.callers import session_of
from admin.api.problems import HttpRefusal, Problem
from server.documents import Value, parse_json

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Largest body that is read, as over gRPC."""

QUERY_CHARS_MAX = 8192
"""Longest query that is read."""

_ETAG = re.compile(r'"([0-9]{1,18})"')


async def body_of(request: Request) -> bytes:
    """The body as it was sent, or a refusal as soon as it is too long."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        raise _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "TYPE_NOT_JSON", f"send the body as {JSON}")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > BODY_BYTES_MAX:
                raise _refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "BODY_TOO_LARGE",
                    f"a body has at most {BODY_BYTES_MAX} bytes",
                )
    except ClientDisconnect as error:
        raise _refusal(HTTPStatus.BAD_REQUEST, "BODY_INCOMPLETE", "the body ended early") from error
    return bytes(body)


def asked(request: Request, body: bytes | None) -> Asked:
    """What a request asks, with its body as plain values."""
    if len(request.url.query) > QUERY_CHARS_MAX:
        raise _refusal(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "QUERY_TOO_LONG",
            f"a query has at most {QUERY_CHARS_MAX} characters",
        )
    query: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        query.setdefault(name, []).append(text)
    value: Value = None if body is None else parse_json(body, "the body").value
    path = {name: str(text) for name, text in request.path_params.items()}
    known = request.headers.get("if-none-match", "").removeprefix("W/").strip('"')
    return Asked(path, query, value, _etag(request), known, session_of(request))


def _etag(request: Request) -> str | None:
    text = request.headers.get("if-match")
    if text is None:
        return None
    found = _ETAG.fullmatch(text)
    if found is None:
        raise _refusal(
            HTTPStatus.BAD_REQUEST, "ETAG_INVALID", "send If-Match as the ETag was received, in its quotes"
        )
    return found[1]


def _refusal(status: HTTPStatus, reason: str, detail: str) -> HttpRefusal:
    return HttpRefusal(Problem(status, reason, detail))
