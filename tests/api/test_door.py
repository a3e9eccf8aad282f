"""What holds for every request: who may, what is too large, which name was called, and what is told of it."""

import re
import socket
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from admin.api.door import HEADERS
from admin.api.requests import BODY_BYTES_MAX
from admin.api.routes import Route
from admin.api.server import listening
from admin.api.table import ROUTES
from server.access.rules import RULES
from server.actors import Role
from server.runtime.origin import REQUEST_ID
from server.runtime.settings import Address
from tests.api.people import API, PEOPLE, People, browser, reason, sample


async def test_nobody_gets_past_without_a_token(api: People) -> None:
    for route in ROUTES:
        if RULES[route.method].public:
            continue
        path = re.sub(r"{\w+}", "ten", route.path)
        for header in ({}, {"authorization": "Basic x"}):
            refused = await api.client.request(route.verb, path, headers=header)
            assert (refused.status_code, reason(refused)) == (401, "TOKEN_REQUIRED")
            assert refused.headers["www-authenticate"] == "Bearer"
        refused = await api.client.request(route.verb, path, headers={"authorization": "Bearer dw_x"})
        assert (refused.status_code, reason(refused)) == (401, "TOKEN_UNKNOWN")


@pytest.mark.parametrize("who", PEOPLE)
async def test_a_role_may_do_what_its_rules_say(api: People, who: str) -> None:
    for route in ROUTES:
        verb, path, body = empty(route)
        assert role_missing(await api.call(who, verb, path, body)) == denied(route, PEOPLE[who])


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DEVICE])
async def test_a_role_may_do_the_same_with_a_session(api: People, database: Engine, role: Role) -> None:
    page = browser(api, database, "joe", role)
    # The session ends last.
    for route in sorted(ROUTES, key=lambda route: route.method == "sessions/LogOut"):
        assert role_missing(await page.call(*empty(route))) == denied(route, role), (route.verb, route.path)
    assert reason(await page.call("GET", "/session")) == "SESSION_OVER"


async def test_nothing_is_changed_with_a_session_whose_page_does_not_ask(
    api: People, database: Engine
) -> None:
    page = browser(api, database, "joe", Role.ADMIN)
    for route in ROUTES:
        verb, path, body = empty(route)
        public = RULES[route.method].public
        for headers, why in (
            ({"sec-fetch-site": "cross-site"}, "OTHER_ORIGIN"),
            ({"x-csrf-token": None}, None if public else "CSRF_TOKEN_WRONG"),
        ):
            answered = await page.call(verb, path, body, headers=headers)
            if verb == "GET" or why is None:
                assert answered.status_code not in (401, 403), (verb, path)
            else:
                assert (answered.status_code, reason(answered)) == (403, why), (verb, path)


def empty(route: Route) -> tuple[str, str, dict[str, str] | None]:
    """The smallest request of a route, as its caller writes it."""
    path = re.sub(r"{\w+}", "ten", route.path).removeprefix(API)
    return route.verb, path, {} if route.verb in ("POST", "PUT") else None


def role_missing(answered: httpx.Response) -> bool:
    """Whether a request was refused for the roles of its caller."""
    assert answered.status_code < 500, answered.text
    return answered.status_code == 403 and reason(answered) == "ROLE_MISSING"


def denied(route: Route, role: Role) -> bool:
    """What the rule of a route says."""
    rule = RULES[route.method]
    return not rule.public and role not in rule.roles


async def test_a_body_is_json_of_a_limited_size(api: People) -> None:
    token = {"authorization": f"Bearer {api.tokens['ann']}"}

    async def post(content: bytes, kind: str = "application/json; charset=utf-8") -> httpx.Response:
        headers = {**token, "content-type": kind}
        return await api.client.post(f"{API}/promotions", content=content, headers=headers)

    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused = await post(b"{}", kind)
        assert (refused.status_code, reason(refused)) == (415, "TYPE_NOT_JSON")
    refused = await post(b" " * (BODY_BYTES_MAX + 1))
    assert (refused.status_code, reason(refused)) == (413, "BODY_TOO_LARGE")
    largest = await post(b'{"comment": ""}'.ljust(BODY_BYTES_MAX))
    assert reason(largest) != "BODY_TOO_LARGE"
    for content in (b"", b"{", b"\xff", b'{"comment": 1, "comment": 2}', b"NaN", b"[" * 100_000):
        refused = await post(content)
        assert (refused.status_code, reason(refused)) == (400, "UNREADABLE")
        assert "Traceback" not in refused.text


async def test_nesting_has_a_limit(api: People) -> None:
    condition: dict[str, Any] = {"always": {}}
    for _ in range(200):
        condition = {"not": condition}
    refused = await api.call("ann", "POST", "/promotions:validate", {"promotion": {"condition": condition}})
    assert (refused.status_code, reason(refused)) == (400, "UNREADABLE")


async def test_only_our_own_names_are_answered(api: People) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        refused = await api.client.get("/healthz", headers={"host": host})
        assert (refused.status_code, reason(refused)) == (421, "HOST_UNKNOWN")
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"):
        assert (await api.client.get("/healthz", headers={"host": host})).status_code == 200


async def test_browsers_are_told_to_do_nothing_with_it(api: People) -> None:
    found = [
        await api.client.get("/healthz"),
        await api.client.get("/openapi.json"),
        await api.client.get("/nothing"),
        await api.client.get(f"{API}/promotions"),
        await api.client.get("/healthz", headers={"host": "evil.example"}),
    ]
    for response in found:
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert "server" not in response.headers


async def test_what_the_api_is_can_be_asked_without_a_token(api: People) -> None:
    document = (await api.client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert document["paths"].keys() == {route.path for route in ROUTES}


async def test_a_slash_at_the_end_changes_nothing(api: People) -> None:
    assert (await api.call("vera", "GET", "/promotions/")).status_code == 200


def test_a_body_waits_for_no_acknowledgement_of_its_head() -> None:
    with listening(Address("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        listener.settimeout(20)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_metrics_have_routes_and_classes_not_ids(api: People) -> None:
    await api.call("ann", "POST", "/promotions", {"promotion": sample("ten")})
    await api.call("ann", "GET", "/promotions/ten")
    await api.call("ann", "GET", "/promotions/six")
    await api.client.request("BREW", "/promotions/six")
    seen = {
        (labels["verb"], labels["route"], labels["status"])
        for family in api.metrics.registry.collect()
        if family.name == "dealwright_http_request_seconds"
        for labels in (sample.labels for sample in family.samples)
    }
    one = f"{API}/promotions/{{promotion_id}}"
    assert seen == {
        ("POST", f"{API}/promotions", "2xx"),
        ("GET", one, "2xx"),
        ("GET", one, "4xx"),
        ("other", "other", "4xx"),
    }


async def test_every_answer_has_the_id_of_its_request(api: People) -> None:
    chosen = await api.client.get("/api/v1/promotions", headers={REQUEST_ID: "browser-1"})
    made = [await api.client.get("/healthz", headers={REQUEST_ID: "two words"}) for _ in range(2)]

    assert chosen.headers[REQUEST_ID] == "browser-1"
    assert len({answer.headers[REQUEST_ID] for answer in made} - {"two words"}) == 2
