"""People log in over HTTP: what their browser keeps, for how long, and what nobody else can do with it."""

import asyncio
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from admin.api.cookie import CLEARING, NAME
from server.access import passwords
from server.access.backoff import NAME_FREE
from server.access.sessions import SESSION_IDLE, SESSION_LIFETIME, Sessions
from server.access.users import Users
from server.actors import Role
from server.audit.service import Audit
from server.definitions.service import Definitions
from tests.access.calls import owner
from tests.api.people import API, PASSWORD, Browser, People, about, browser, reason, sample

OTHER = "another walk in the sun"
SESSION = "/session"


def cookie_of(response: httpx.Response) -> Morsel[str]:
    """The one cookie that an answer sets."""
    (text_of_it,) = response.headers.get_list("set-cookie")
    return SimpleCookie(text_of_it)[NAME]


async def log_in(api: People, name: str, password: str = PASSWORD, **how: Any) -> httpx.Response:
    body = {"name": name, "password": password, **how.pop("body", {})}
    return await api.client.post(API + SESSION, json=body, **how)


def browser_of(api: People, answered: httpx.Response) -> Browser:
    """What the browser has that got an answer with a session."""
    assert answered.status_code == 200, answered.text
    return Browser(api.client, cookie_of(answered).value, answered.json()["csrf_token"])


def later(database: Engine, column: str, by: timedelta) -> None:
    """As if so much time had passed for every session."""
    with database.begin() as connection:
        connection.execute(text(f"UPDATE staff_session SET {column} = {column} - :by"), {"by": by})


async def test_an_invitation_is_accepted_and_the_user_logs_in_and_out(api: People, database: Engine) -> None:
    code = Users(database).create(owner(), "joe@example.org", [Role.AUTHOR, Role.VIEWER])
    body = {"code": code, "password": "short"}
    refused = await api.client.post(f"{API}/session:accept-invitation", json=body)
    assert (refused.status_code, reason(refused)) == (400, "PASSWORD_LENGTH")
    body["password"] = PASSWORD
    page = browser_of(api, await api.client.post(f"{API}/session:accept-invitation", json=body))
    again = await api.client.post(f"{API}/session:accept-invitation", json=body)
    assert (again.status_code, reason(again)) == (401, "INVITATION_UNKNOWN")

    shown = await page.call("GET", SESSION)

    assert shown.status_code == 200
    expire_time = shown.json().pop("expire_time")
    assert shown.json() == {
        "name": "joe@example.org",
        "company_id": "kopi",
        "roles": ["ACCESS_ROLE_AUTHOR", "ACCESS_ROLE_VIEWER"],
        "store_ids": [],
        "expire_time": expire_time,
        "csrf_token": page.csrf_token,
    }
    out = await page.call("DELETE", SESSION)
    assert (out.status_code, out.json(), out.headers["set-cookie"]) == (200, {}, CLEARING)
    assert reason(await page.call("GET", SESSION)) == "SESSION_OVER"
    back = browser_of(api, await log_in(api, " JOE@example.org "))
    assert (await back.call("GET", "/promotions")).status_code == 200
    assert back.secret != page.secret


async def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(
    api: People, database: Engine
) -> None:
    browser(api, database, "joe", Role.VIEWER)
    answered = await log_in(api, "joe")
    kept = cookie_of(answered)
    assert (kept["path"], kept["secure"], kept["httponly"], kept["samesite"]) == ("/", True, True, "Strict")
    assert kept["domain"] == ""
    assert SESSION_LIFETIME.total_seconds() - 60 <= int(kept["max-age"]) <= SESSION_LIFETIME.total_seconds()
    assert kept.value not in answered.text
    assert cookie_of(await browser_of(api, answered).call("DELETE", SESSION))["max-age"] == "0"


async def test_a_session_does_what_its_user_may_and_the_audit_log_names_them(
    api: People, database: Engine
) -> None:
    joe, eve = (
        browser(api, database, name, role) for name, role in (("joe", Role.AUTHOR), ("eve", Role.APPROVER))
    )
    made = await joe.call(
        "POST", "/promotions", {"promotion": sample("ten")}, headers={"idempotency-key": "k"}
    )
    assert made.status_code == 201
    again = await joe.call(
        "POST", "/promotions", {"promotion": sample("ten")}, headers={"idempotency-key": "k"}
    )
    assert (again.status_code, again.content) == (201, made.content)
    assert (await joe.call("POST", "/promotions:submit", about("ten"))).status_code == 200
    assert reason(await joe.call("POST", "/promotions:approve", about("ten"))) == "ROLE_MISSING"
    assert (await eve.call("POST", "/promotions:approve", about("ten"))).status_code == 200
    done = [
        (entry.actor, entry.action, entry.source)
        for entry in Audit(database).entries("kopi")
        if entry.subject == "promotion"
    ]
    assert done == [
        ("joe", "create", "HTTP 127.0.0.1"),
        ("joe", "submit", "HTTP 127.0.0.1"),
        ("eve", "approve", "HTTP 127.0.0.1"),
    ]


async def test_other_roles_and_the_end_of_a_session_hold_at_once(api: People, database: Engine) -> None:
    users = Users(database)
    page = browser(api, database, "joe", Role.AUDITOR)
    assert (await page.call("GET", "/audit")).status_code == 200
    users.set_roles(owner(), "joe", [Role.VIEWER])
    assert reason(await page.call("GET", "/audit")) == "ROLE_MISSING"
    users.end_sessions(owner(), "joe")
    refused = await page.call("GET", "/promotions")
    assert (refused.status_code, reason(refused)) == (401, "SESSION_OVER")
    assert refused.headers["set-cookie"] == CLEARING
    page = browser_of(api, await log_in(api, "joe"))
    users.disable(owner(), "joe")
    assert reason(await page.call("GET", "/promotions")) == "SESSION_OVER"


async def test_a_session_is_over_when_it_was_idle_or_open_for_too_long(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.VIEWER)
    later(database, "use_time", SESSION_IDLE - timedelta(minutes=5))
    assert (await page.call("GET", SESSION)).status_code == 200
    later(database, "use_time", SESSION_IDLE - timedelta(minutes=5))
    assert (await page.call("GET", SESSION)).status_code == 200
    later(database, "use_time", SESSION_IDLE)
    assert reason(await page.call("GET", SESSION)) == "SESSION_OVER"
    page = browser_of(api, await log_in(api, "joe"))
    later(database, "expire_time", SESSION_LIFETIME)
    assert reason(await page.call("GET", SESSION)) == "SESSION_OVER"


async def test_another_password_ends_the_sessions_and_opens_one(api: People, database: Engine) -> None:
    here = browser(api, database, "joe", Role.VIEWER)
    there = browser_of(api, await log_in(api, "joe"))
    change = {"password": OTHER, "new_password": OTHER}
    wrong = await here.call("POST", "/session:change-password", change)
    assert (wrong.status_code, reason(wrong)) == (409, "PASSWORD_WRONG")
    assert [error["field"] for error in wrong.json()["errors"]] == ["password"]
    change["password"] = PASSWORD
    fresh = browser_of(api, await here.call("POST", "/session:change-password", change))
    for page in (here, there):
        assert reason(await page.call("GET", SESSION)) == "SESSION_OVER"
    assert (await fresh.call("GET", SESSION)).json()["csrf_token"] == fresh.csrf_token
    assert reason(await log_in(api, "joe")) == "LOGIN_REFUSED"
    assert (await log_in(api, "joe", OTHER)).status_code == 200


async def test_a_login_ends_the_session_that_the_browser_had(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.VIEWER)
    second = browser_of(api, await page.call("POST", SESSION, {"name": "joe", "password": PASSWORD}))
    assert reason(await page.call("GET", SESSION)) == "SESSION_OVER"
    assert (await second.call("GET", SESSION)).status_code == 200


async def test_whoever_guesses_is_told_nothing_and_then_waits(api: People, database: Engine) -> None:
    browser(api, database, "joe", Role.VIEWER)
    Users(database).create(owner(), "new", [Role.VIEWER])

    async def guess(name: str, company_id: str = "kopi") -> tuple[int, str]:
        answered = await log_in(api, name, OTHER, body={"company_id": company_id})
        assert "set-cookie" not in answered.headers
        return answered.status_code, answered.text

    answers = {
        await guess(*who) for who in (("joe",), ("new",), ("nobody",), ("joe", "roti"), ("\x00", "\x00"))
    }
    assert len(answers) == 1
    ((status, told),) = answers
    assert status == 401
    assert "LOGIN_REFUSED" in told
    waits = []
    for name in ("joe", "nobody"):
        # The first wait is a second, which a busy machine may spend on a guess, and the second one two.
        refused = await log_in(api, name, OTHER)
        for _ in range(NAME_FREE + 5):
            if refused.status_code != 429:
                refused = await log_in(api, name, OTHER)
        assert (refused.status_code, reason(refused)) == (429, "LOGIN_LATER")
        waits.append(int(refused.headers["retry-after"]))
    assert all(wait > 0 for wait in waits)


async def test_a_login_needs_a_name_and_a_password(api: People) -> None:
    whole = {"name": "joe", "password": PASSWORD}
    wrong: tuple[Any, ...] = ({}, {"name": "joe"}, {**whole, "password": 7}, {**whole, "company": "kopi"}, [])
    for body in wrong:
        refused = await api.client.post(API + SESSION, json=body)
        assert (refused.status_code, reason(refused)) == (400, "UNREADABLE")


async def test_texts_that_are_half_characters_are_wrong_as_any_other(api: People, database: Engine) -> None:
    browser(api, database, "joe", Role.VIEWER)
    headers = {"content-type": "application/json"}
    for name in (b'"joe"', b'"\\ud800"'):
        content = b'{"name": %s, "password": "\\ud800 a long walk"}' % name
        refused = await api.client.post(API + SESSION, content=content, headers=headers)
        assert (refused.status_code, reason(refused)) == (401, "LOGIN_REFUSED")


async def test_where_there_are_several_companies_a_login_names_one(api: People, database: Engine) -> None:
    browser(api, database, "joe", Role.VIEWER)
    Definitions(database).create_company(owner("roti"))
    refused = await log_in(api, "joe")
    assert (refused.status_code, reason(refused)) == (400, "REQUIRED")
    assert [error["field"] for error in refused.json()["errors"]] == ["company_id"]
    named = await log_in(api, "joe", body={"company_id": "kopi"})
    assert named.json()["company_id"] == "kopi"


async def test_a_token_is_told_who_it_is_and_has_no_session(api: People) -> None:
    shown = (await api.call("ann", "GET", SESSION)).json()
    assert shown == {"name": "ann", "company_id": "kopi", "roles": ["ACCESS_ROLE_AUTHOR"], "store_ids": []}
    refused = await api.call("ann", "DELETE", SESSION)
    assert (refused.status_code, reason(refused)) == (409, "NO_SESSION")
    change = {"password": PASSWORD, "new_password": OTHER}
    assert reason(await api.call("ann", "POST", "/session:change-password", change)) == "NO_SESSION"


async def test_a_token_beside_a_cookie_is_who_calls(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.VIEWER)
    bearer = {"authorization": f"Bearer {api.tokens['root']}"}
    shown = (await page.call("GET", SESSION, headers=bearer)).json()
    assert (shown["name"], "csrf_token" in shown) == ("root", False)
    wrong = await page.call("GET", SESSION, headers={"authorization": "Bearer dw_x"})
    assert reason(wrong) == "TOKEN_UNKNOWN"
    # What a proxy asks for is no token of ours.
    basic = await page.call("GET", SESSION, headers={"authorization": "Basic am9lOng="})
    assert basic.json()["name"] == "joe"


ORIGINS: tuple[tuple[dict[str, str | None], bool], ...] = (
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "cross-site", "origin": "http://HOST"}, False),
    ({"sec-fetch-site": None}, True),
    ({"sec-fetch-site": None, "origin": "http://HOST"}, True),
    ({"sec-fetch-site": None, "origin": "http://evil.example"}, False),
    # The same name at another port is another origin.
    ({"sec-fetch-site": None, "origin": "http://127.0.0.1:1"}, False),
    ({"sec-fetch-site": None, "origin": "null"}, False),
    ({"sec-fetch-site": None, "origin": "http://[::1"}, False),
)
"""What browsers say of the page that asks, and whether it may."""


async def test_only_pages_of_the_same_origin_change_anything(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.AUTHOR)
    host = api.client.base_url.netloc.decode()
    for number, (headers, allowed) in enumerate(ORIGINS):
        sent = {name: value and value.replace("HOST", host) for name, value in headers.items()}
        body: dict[str, Any] = {"promotion": sample(f"p{number}")}
        answered = await page.call("POST", "/promotions", body, headers=sent)
        assert answered.status_code == (201 if allowed else 403), headers
        # Nobody is logged in as somebody else by another page either.
        entered = await log_in(api, "joe", headers={name: value for name, value in sent.items() if value})
        assert entered.status_code == (200 if allowed else 403), headers
        assert allowed or {reason(answered), reason(entered)} == {"OTHER_ORIGIN"}


async def test_what_changes_needs_the_csrf_token_of_the_very_session(api: People, database: Engine) -> None:
    page = browser(api, database, "joe", Role.AUTHOR)
    other = browser_of(api, await log_in(api, "joe"))
    for token in (None, "", "0" * 64, "\u00e4", other.csrf_token):
        header = {"x-csrf-token": None if token is None else token.encode("latin-1")}
        refused = await page.call("POST", "/promotions", {"promotion": sample("ten")}, headers=header)
        assert (refused.status_code, reason(refused)) == (403, "CSRF_TOKEN_WRONG")
        assert (await page.call("GET", "/promotions", headers=header)).status_code == 200


async def test_a_crowd_at_the_door_leaves_room_for_those_inside(
    api: People, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords are hashed few at a time, and those who wait for that take no thread."""
    page = browser(api, database, "joe", Role.VIEWER)
    release, matches = asyncio.Event(), passwords.matches
    loop = asyncio.get_running_loop()

    def slow(password: str, kept: str | None) -> bool:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(timeout=20)
        return matches(password, kept)

    monkeypatch.setattr(passwords, "matches", slow)
    crowd = [asyncio.create_task(log_in(api, f"name{number}", OTHER)) for number in range(12)]
    try:
        inside = await page.call("GET", "/promotions")
        assert inside.status_code == 200
        assert not any(task.done() for task in crowd)
    finally:
        release.set()
        answered = await asyncio.gather(*crowd)
    assert {one.status_code for one in answered} == {401}


async def test_no_secret_is_kept_or_logged(
    api: People, database: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    browser(api, database, "joe", Role.VIEWER)
    page = browser_of(api, await log_in(api, "joe"))
    await log_in(api, "joe", OTHER)
    await page.call("DELETE", SESSION)
    out, err = capfd.readouterr()
    with database.connect() as connection:
        tables = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all()
        kept = [str(row) for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    for secret in (page.secret[15:], page.csrf_token, PASSWORD, OTHER):
        assert not any(secret in row for row in kept)
        assert secret not in out + err
    assert Sessions(database).log_in("kopi", "joe", PASSWORD, "here").secret[4:14] != page.secret[4:14]
