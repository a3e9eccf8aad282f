"""The HTTP application: routes of the table, each behind the same checks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from admin.api import cookie, openapi
from admin.api.answers import Answer
from admin.api.callers import Callers
from admin.api.door import Door, named
from admin.api.problems import Problem, problem_of
from admin.api.repetition import fingerprint, key_of, once
from admin.api.requests import asked, body_of
from admin.api.routes import Methods, Route
from admin.api.table import ROUTES
from server.access.passwords import HASHES_AT_ONCE
from server.actors import Actor
from server.answers.service import Answers
from server.runtime.errors import Unauthenticated
from server.runtime.metrics import Metrics
from server.runtime.spans import Spans
from server.runtime.throttles import Throttles, network

Endpoint = Callable[[Request], Awaitable[Response]]

SESSION_OVER = "SESSION_OVER"
"""The reason of a refusal whose session is worth nothing any more."""

OPENAPI, HEALTH = "/openapi.json", "/healthz"
"""What anybody may ask: what the API is, and whether it lives."""


def application(
    methods: Methods,
    callers: Callers,
    answers: Answers,
    metrics: Metrics,
    hosts: Collection[str],
    routes: Sequence[Route] = ROUTES,
    throttles: Throttles | None = None,
    spans: Spans | None = None,
) -> Door:
    """The API over some methods. `hosts` are the names under which it may be called."""
    throttles = throttles or Throttles()
    hashing = asyncio.Semaphore(HASHES_AT_ONCE)
    description = Answer(openapi.text(routes).encode())
    listed = [
        _listed(route, _endpoint(route, methods, callers, answers, throttles, hashing)) for route in routes
    ]
    listed += [
        StarletteRoute(path, _constant(path, answer))
        for path, answer in ((OPENAPI, description), (HEALTH, Answer(b'{"status": "ok"}')))
    ]
    starlette = Starlette(routes=listed, exception_handlers={HTTPException: _unrouted})
    starlette.router.redirect_slashes = False
    return Door(starlette, metrics, hosts, spans)


def _listed(route: Route, endpoint: Endpoint) -> StarletteRoute:
    # A path means the same with a slash at its end; the door takes it away.
    return StarletteRoute(route.path.rstrip("/"), endpoint, methods=[route.verb])


def _endpoint(
    route: Route,
    methods: Methods,
    callers: Callers,
    answers: Answers,
    throttles: Throttles,
    hashing: asyncio.Semaphore,
) -> Endpoint:
    def answered(request: Request, body: bytes | None, actor: Actor) -> Answer:
        """In a thread, since it waits for the database."""

        def now() -> Answer:
            return route.answer(methods, actor, asked(request, body))

        key = key_of(request) if route.repeatable else None
        if key is None:
            return now()
        return once(answers, actor, key, fingerprint(request, body), now, secret=route.secret)

    async def respond(request: Request) -> Response:
        named(request.scope, route.path)
        try:
            actor = await _admitted(request, route, callers, throttles)
            body = await body_of(request) if request.method in ("POST", "PUT") else None
            async with hashing if route.hashes else contextlib.nullcontext():
                return _response(await asyncio.to_thread(answered, request, body, actor))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - an engine's panic is no Exception, and no reason to end
            return _response(_refusal(error, request).answer())

    return respond


async def _admitted(request: Request, route: Route, callers: Callers, throttles: Throttles) -> Actor:
    try:
        actor = await callers.admitted(request, route.method)
    except Unauthenticated:
        throttles.strangers.take(network(request.client.host if request.client else ""))
        raise
    throttles.take_http(route.path, actor.token_id)
    return actor


def _refusal(error: BaseException, request: Request) -> Problem:
    problem = problem_of(error, conditional="if-match" in request.headers)
    if problem.reason == SESSION_OVER:
        # The browser needn't show it any more.
        return replace(problem, headers={**problem.headers, "set-cookie": cookie.CLEARING})
    return problem


def _constant(path: str, answer: Answer) -> Endpoint:
    async def respond(request: Request) -> Response:
        named(request.scope, path)
        return _response(answer)

    return respond


async def _unrouted(_: Request, error: Exception) -> Response:
    """No such path, or no such verb there."""
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        problem = Problem(status, "VERB_UNKNOWN", "this path has other verbs", headers=headers)
    else:
        problem = Problem(status, "PATH_UNKNOWN", f"there is no such path; see {OPENAPI}", headers=headers)
    return _response(problem.answer())


def _response(answer: Answer) -> Response:
    return Response(answer.body, int(answer.status), dict(answer.headers), answer.media_type)
