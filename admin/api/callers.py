"""Who makes a request, and whether they may."""

from starlette.requests import Request

from server.access.grants import Grants
from server.access.rules import RULES, Rule, require_role
from server.actors import Actor
from server.runtime.errors import Unauthenticated

SCHEME = "bearer "

NOBODY = Actor("", "", frozenset(), "")
"""Whoever calls what is public."""


def admitted(request: Request, method: str, grants: Grants) -> Actor:
    """Who makes a request, or a refusal when nobody knows or the rule of the method doesn't let them."""
    if RULES.get(method, Rule()).public:
        return NOBODY
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(SCHEME):
        raise Unauthenticated("TOKEN_REQUIRED", "send a token as `Authorization: Bearer TOKEN`")
    grant = grants.grant(header[len(SCHEME) :].strip())
    require_role(method, grant.roles)
    host = request.client.host if request.client else "nowhere"
    return grant.actor(f"HTTP {host}")
