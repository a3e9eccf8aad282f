"""Who calls the API: one person of each role, with a token or in a browser."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Engine

from admin.api.cookie import NAME
from server.access.grants import Grants
from server.access.sessions import Sessions, csrf_token
from server.access.users import Users
from server.actors import Actor, Role
from server.documents import to_value
from server.runtime.metrics import Metrics
from tests.definitions.samples import percent_off

API = "/api/v1"

PASSWORD = "a long walk in the rain"

PEOPLE = {
    "vera": Role.VIEWER,
    "ann": Role.AUTHOR,
    "ben": Role.APPROVER,
    "cara": Role.PUBLISHER,
    "otto": Role.OPERATOR,
    "audrey": Role.AUDITOR,
    "till": Role.DEVICE,
    "root": Role.ADMIN,
}


@dataclass(frozen=True)
class People:
    """A client, and the tokens of those who use it."""

    client: httpx.AsyncClient
    tokens: dict[str, str]
    metrics: Metrics
    grants: Grants

    async def call(self, who: str, verb: str, path: str, body: Any = None, **how: Any) -> httpx.Response:
        """A request of somebody, with a body as JSON if there is one."""
        headers = {"authorization": f"Bearer {self.tokens[who]}", **how.pop("headers", {})}
        if body is not None:
            how["json"] = body
        return await self.client.request(verb, API + path, headers=headers, **how)

    async def publish(self, promotion_id: str, percent: int = 10) -> None:
        """Brings a promotion into force, each step by who may take it."""
        created = await self.call("ann", "POST", "/promotions", {"promotion": sample(promotion_id, percent)})
        assert created.status_code == 201, created.text
        for who, action in (("ann", "submit"), ("ben", "approve"), ("cara", "publish")):
            done = await self.call(who, "POST", f"/promotions:{action}", about(promotion_id))
            assert done.status_code == 200, done.text


def sample(promotion_id: str, percent: int = 10) -> dict[str, Any]:
    """A promotion as JSON."""
    return to_value(percent_off(promotion_id, percent))


def about(*promotion_ids: str) -> dict[str, Any]:
    """A body that is about promotions."""
    return {"promotions": [{"promotion_id": promotion_id} for promotion_id in promotion_ids]}


def reason(response: httpx.Response) -> str:
    """The stable reason of a problem, which has to be one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:dealwright:problem:{problem['reason']}"
    return str(problem["reason"])


@dataclass(frozen=True)
class Browser:
    """Somebody in a browser: the cookie that it keeps, and the token that its page has read."""

    client: httpx.AsyncClient
    secret: str
    csrf_token: str

    async def call(self, verb: str, path: str, body: Any = None, **how: Any) -> httpx.Response:
        """A request of their page, with a body as JSON if there is one."""
        headers = {
            "cookie": f"{NAME}={self.secret}",
            "x-csrf-token": self.csrf_token,
            "sec-fetch-site": "same-origin",
            **how.pop("headers", {}),
        }
        if body is not None:
            how["json"] = body
        kept = {name: value for name, value in headers.items() if value is not None}
        return await self.client.request(verb, API + path, headers=kept, **how)


def browser(api: People, database: Engine, name: str, *roles: Role) -> Browser:
    """A new user who has a session."""
    root = Actor("root", "kopi", frozenset({Role.ADMIN}), "here")
    code = Users(database).create(root, name, roles)
    secret = Sessions(database).accept(code, PASSWORD, "HTTP 127.0.0.1").secret
    return Browser(api.client, secret, csrf_token(secret))
