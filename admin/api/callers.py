"""Who makes a request, and whether they may: programs show a token, people have a session."""

import asyncio
import hmac
from urllib.parse import urlsplit

from starlette.requests import Request

from admin.api import cookie
from server.access.grants import Grants
from server.access.rules import RULES, Rule, require_role
from server.access.sessions import Sessions, csrf_token
from server.actors import Actor
from server.runtime.errors import Denied, Unauthenticated

SCHEME = "bearer "

CSRF_HEADER = "x-csrf-token"

READING = ("GET", "HEAD")
"""The verbs that change nothing, so that it doesn't matter whose page makes the browser send them."""

OUR_OWN = ("same-origin", "none")
"""What browsers say in Sec-Fetch-Site of a request from a page of the same origin, and of a typed address."""


class Callers:
    """Everybody who may call: the tokens in memory, and the sessions in the database."""

    def __init__(self, grants: Grants, sessions: Sessions) -> None:
        self.grants = grants
        self._sessions = sessions

    async def admitted(self, request: Request, method: str) -> Actor:
        """Who makes a request, or a refusal when nobody knows or the rule of the method doesn't let them."""
        source = f"HTTP {request.client.host if request.client else 'nowhere'}"
        if RULES.get(method, Rule()).public:
            _require_own_page(request)
            return Actor("", "", frozenset(), source)
        token = _token(request)
        if token is not None:
            actor = self.grants.grant(token).actor(source)
        else:
            actor = await self._with_session(request, source)
        require_role(method, actor.roles)
        return actor

    async def _with_session(self, request: Request, source: str) -> Actor:
        secret = session_of(request)
        if secret is None:
            raise Unauthenticated(
                "TOKEN_REQUIRED", "send a token as `Authorization: Bearer TOKEN`, or log in for a session"
            )
        _require_own_page(request)
        actor = await asyncio.to_thread(self._sessions.actor, secret, source)
        if request.method not in READING:
            _require_csrf_token(request, secret)
        return actor


def session_of(request: Request) -> str | None:
    """The secret of the session that a request shows. Where it shows a token, that is who calls."""
    return cookie.shown(request) if _token(request) is None else None


def _token(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    return header[len(SCHEME) :].strip() if header.lower().startswith(SCHEME) else None


def _require_own_page(request: Request) -> None:
    """Refuses what the page of another origin makes a browser send to change something."""
    if request.method in READING:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        ours = site in OUR_OWN
    else:
        # What an older browser says. What is no browser says neither, and sends no cookie by itself.
        ours = origin is None or _place(origin) == request.headers.get("host", "").lower()
    if not ours:
        raise Denied("OTHER_ORIGIN", "a page of another origin can't do this with the session of a browser")


def _place(origin: str) -> str:
    """The host and port of an origin; nothing where it is none, such as `null`."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _require_csrf_token(request: Request, secret: str) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), csrf_token(secret).encode()):
        raise Denied(
            "CSRF_TOKEN_WRONG", "send the csrf_token of GET /api/v1/session as X-CSRF-Token with what changes"
        )
