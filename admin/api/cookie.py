"""The cookie in which a browser keeps its session. Scripts can't read it, and other sites can't send it."""

from datetime import UTC, datetime

from starlette.requests import Request

from server.access.sessions import Opened

NAME = "__Host-dealwright_session"
"""Of a name that begins so, browsers make sure that it came over TLS or loopback, and from this very host."""

_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"

CLEARING = f"{NAME}=; Max-Age=0; {_ATTRIBUTES}"
"""What takes the cookie away."""


def shown(request: Request) -> str | None:
    """The secret of the session that a request came with, if there is one."""
    return request.cookies.get(NAME) or None


def keeping(opened: Opened) -> str:
    """What gives a browser the cookie of a session for as long as it can last."""
    seconds = max(0, int((opened.expire_time - datetime.now(UTC)).total_seconds()))
    return f"{NAME}={opened.secret}; Max-Age={seconds}; {_ATTRIBUTES}"
