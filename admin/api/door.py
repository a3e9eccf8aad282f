"""Around every request: was it sent to one of our names, what may the answer be used for, and the metrics."""

import time
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.api.problems import Problem
from server.runtime.metrics import Metrics

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

    def __init__(self, application: ASGIApp, metrics: Metrics, hosts: Collection[str]) -> None:
        self._application = application
        self._metrics = metrics
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begin, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, text in HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        scope["path"] = scope["path"].rstrip("/") or "/"
        try:
            await self._answer(scope, receive, sending)
        finally:
            verb = scope["method"] if scope["method"] in VERBS else UNKNOWN
            # A class of statuses; nothing was answered when the caller had left.
            timer = self._metrics.http_seconds.timer(verb, scope.get(_ROUTE, UNKNOWN), f"{status // 100}xx")
            timer.observe(time.perf_counter() - begin)

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
