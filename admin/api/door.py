"""Around every request: its id, was it sent to one of our names, what the answer may be used for, metrics."""

import contextlib
import time
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.api.problems import Problem
from server.runtime.metrics import Metrics
from server.runtime.origin import REQUEST_ID, arrive, current
from server.runtime.spans import Spans

UNKNOWN = "other"
"""How metrics call paths and verbs that aren't there."""

VERBS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""What browsers are told of every answer that doesn't say otherwise."""

_ROUTE = "dealwright.route"


def named(scope: Scope, path: str) -> None:
    """Notes for the metrics which route answers."""
    scope[_ROUTE] = path


class Door:
    """The application as a server calls it."""

    def __init__(
        self, application: ASGIApp, metrics: Metrics, hosts: Collection[str], spans: Spans | None = None
    ) -> None:
        self._application = application
        self._metrics = metrics
        self._spans = spans
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begin, status = time.perf_counter(), 0
        origin = arrive((name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"])

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = origin.request_id
                for name, text in HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        scope["path"] = scope["path"].rstrip("/") or "/"
        verb = scope["method"] if scope["method"] in VERBS else UNKNOWN
        try:
            with self._spans.call(verb) if self._spans else contextlib.nullcontext() as span:
                await self._answer(scope, receive, sending)
                if span is not None:
                    span.update_name(f"{verb} {scope.get(_ROUTE, UNKNOWN)}")
                    span.set_attribute("http.response.status_code", status)
        finally:
            # A class of statuses; nothing was answered when the caller had left.
            timer = self._metrics.http_seconds.timer(verb, scope.get(_ROUTE, UNKNOWN), f"{status // 100}xx")
            known = current()
            timer.observe(time.perf_counter() - begin, known.exemplar if known else "")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _host(scope) in self._hosts:
            await self._application(scope, receive, send)
            return
        # A page of another name that leads here could otherwise read what only this network may.
        answer = Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "HOST_UNKNOWN",
            "this isn't one of the server's names; add it to DEALWRIGHT_ADMIN_HOSTS",
        ).answer()
        response = Response(answer.body, int(answer.status), media_type=answer.media_type)
        await response(scope, receive, send)


def _host(scope: Scope) -> str:
    """The name under which a request came, without its port."""
    host = Headers(scope=scope).get("host", "").lower()
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
