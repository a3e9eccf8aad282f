"""Users over gRPC: whoever administers a company says who gets in."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from dealwright.v1 import access_service_pb2 as schema
from dealwright.v1.access_service_pb2_grpc import AccessServiceStub
from google.protobuf.message import Message
from sqlalchemy import Engine

from server.access.sessions import Sessions
from server.actors import Actor, Role
from server.audit.service import Audit
from server.runtime.errors import Unauthenticated
from tests.access.calls import CALL_SECONDS, bearer, reason, serving, token_for

PASSWORD = "a long walk in the rain"
HERE = "192.0.2.7"
AUTHOR, VIEWER = schema.ACCESS_ROLE_AUTHOR, schema.ACCESS_ROLE_VIEWER


class Administrator:
    """Calls AccessService with a token."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub: Any = AccessServiceStub(channel)
        self._metadata = bearer(token)

    async def __call__(self, request: Message) -> Any:
        method = type(request).__name__.removesuffix("Request")
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=CALL_SECONDS)

    async def refused(self, request: Message) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await self(request)
        return found.value.code(), reason(found.value)


@pytest_asyncio.fixture
async def call(database: Engine) -> AsyncIterator[Administrator]:
    token = token_for(database, "root", Role.ADMIN)
    async with serving(database) as (_, channel):
        yield Administrator(channel, token)


async def test_a_user_is_made_changed_and_kept_out(call: Administrator, database: Engine) -> None:
    sessions = Sessions(database)
    made = await call(schema.CreateUserRequest(name="Ann", roles=[AUTHOR], store_ids=["ubud"]))
    secret = sessions.accept(made.invitation_code, PASSWORD, HERE).secret
    assert sessions.actor(secret, HERE).store_ids == {"ubud"}

    changed = (await call(schema.SetUserRolesRequest(name="ANN", roles=[VIEWER, AUTHOR]))).user
    assert (changed.name, changed.roles) == ("ann", [AUTHOR, VIEWER])
    moved = (await call(schema.SetUserStoresRequest(name="ann", store_ids=["sanur", "menteng"]))).user
    assert moved.store_ids == ["menteng", "sanur"]
    assert sessions.actor(secret, HERE) == Actor(
        "ann",
        "kopi",
        frozenset({Role.AUTHOR, Role.VIEWER}),
        HERE,
        secret[4:14],
        frozenset({"menteng", "sanur"}),
    )
    assert not (await call(schema.SetUserStoresRequest(name="ann"))).user.store_ids

    (listed,) = (await call(schema.ListSessionsRequest(name="ann"))).sessions
    assert (listed.id, listed.source) == (secret[4:14], HERE)
    assert listed.create_time.seconds <= listed.use_time.seconds < listed.expire_time.seconds
    assert (await call(schema.EndSessionsRequest(name="ann"))).ended == 1
    assert not (await call(schema.ListSessionsRequest(name="ann"))).sessions

    disabled = (await call(schema.DisableUserRequest(name="ann"))).user
    assert disabled.HasField("disable_time")
    refused = await call.refused(schema.InviteUserRequest(name="ann"))
    assert refused == (grpc.StatusCode.FAILED_PRECONDITION, "USER_DISABLED")
    assert not (await call(schema.EnableUserRequest(name="ann"))).user.HasField("disable_time")
    (user,) = (await call(schema.ListUsersRequest())).users
    assert (user.name, user.HasField("password_time"), user.HasField("login_time")) == ("ann", True, True)
    entries = Audit(database).entries("kopi")
    assert [(entry.actor, entry.action) for entry in entries if entry.subject == "user"] == [
        ("root", "create"),
        ("ann", "choose_password"),
        ("root", "change"),
        ("root", "change"),
        ("root", "change"),
        ("root", "end_sessions"),
        ("root", "disable"),
        ("root", "enable"),
    ]
    assert entries[1].after == {"roles": ["author"], "store_ids": ["ubud"]}


async def test_a_password_that_is_reset_is_worth_nothing_at_once(
    call: Administrator, database: Engine
) -> None:
    sessions = Sessions(database)
    first = (await call(schema.CreateUserRequest(name="ann", roles=[AUTHOR]))).invitation_code
    secret = sessions.accept(first, PASSWORD, HERE).secret
    invited = (await call(schema.InviteUserRequest(name="ann"))).invitation_code
    sessions.actor(secret, HERE)

    fresh = (await call(schema.ResetPasswordRequest(name="ann", invitation_hours=1))).invitation_code

    with pytest.raises(Unauthenticated):
        sessions.actor(secret, HERE)
    with pytest.raises(Unauthenticated):
        sessions.log_in("kopi", "ann", PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        sessions.accept(invited, PASSWORD, HERE)
    (user,) = (await call(schema.ListUsersRequest())).users
    assert not user.HasField("password_time")
    assert user.HasField("invitation_expire_time")
    sessions.accept(fresh, PASSWORD, HERE)


WRONG: tuple[tuple[Message, str], ...] = (
    (schema.CreateUserRequest(roles=[AUTHOR]), "NAME_INVALID"),
    (schema.CreateUserRequest(name="ben"), "REQUIRED"),
    (schema.CreateUserRequest(name="ben", roles=[schema.ACCESS_ROLE_UNSPECIFIED]), "ENUM_UNKNOWN"),
    (schema.CreateUserRequest.FromString(b"\x0a\x03ben\x12\x01\x63"), "ENUM_UNKNOWN"),
    (schema.CreateUserRequest(name="ben", roles=[schema.ACCESS_ROLE_DEVICE]), "ROLE_OF_TILLS"),
    (schema.CreateUserRequest(name="ben", roles=[AUTHOR], invitation_hours=721), "OUT_OF_RANGE"),
    (schema.CreateUserRequest(name="ben", roles=[AUTHOR], invitation_hours=-1), "OUT_OF_RANGE"),
    (schema.CreateUserRequest(name="ben", roles=[AUTHOR], invitation_hours=2**31 - 1), "OUT_OF_RANGE"),
    (schema.SetUserRolesRequest(name="ben"), "REQUIRED"),
    (schema.SetUserStoresRequest(name="ben"), "USER_UNKNOWN"),
    (schema.DisableUserRequest(name="ben"), "USER_UNKNOWN"),
    (schema.EnableUserRequest(), "NAME_INVALID"),
    (schema.InviteUserRequest(name="ben"), "USER_UNKNOWN"),
    (schema.ResetPasswordRequest(name="ben"), "USER_UNKNOWN"),
    (schema.ListSessionsRequest(name="ben"), "USER_UNKNOWN"),
    (schema.EndSessionsRequest(name="ben"), "USER_UNKNOWN"),
)


async def test_what_makes_no_sense_is_refused(call: Administrator) -> None:
    for request, why in WRONG:
        code, found = await call.refused(request)
        assert found == why, request
        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


async def test_the_longest_invitation_is_thirty_days(call: Administrator) -> None:
    await call(schema.CreateUserRequest(name="ann", roles=[AUTHOR], invitation_hours=720))
    found = await call.refused(schema.CreateUserRequest(name="ann", roles=[AUTHOR]))
    assert found == (grpc.StatusCode.ALREADY_EXISTS, "USER_EXISTS")
    (user,) = (await call(schema.ListUsersRequest())).users
    held = user.invitation_expire_time.seconds - user.create_time.seconds
    assert abs(held - 720 * 3600) < 60


async def test_administrators_of_some_stores_or_of_another_company_reach_nobody(
    database: Engine, call: Administrator
) -> None:
    await call(schema.CreateUserRequest(name="ann", roles=[AUTHOR]))
    bound = token_for(database, "manager", Role.ADMIN, store_ids=("ubud",))
    other = token_for(database, "root", Role.ADMIN, company_id="roti")
    async with serving(database, company="kopi") as (_, channel):
        for request in (
            schema.CreateUserRequest(name="ben", roles=[AUTHOR]),
            schema.SetUserStoresRequest(name="ann"),
            schema.ResetPasswordRequest(name="ann"),
            schema.ListSessionsRequest(name="ann"),
        ):
            found = await Administrator(channel, bound).refused(request)
            assert found == (grpc.StatusCode.PERMISSION_DENIED, "STORES_ONLY")
        stranger = Administrator(channel, other)
        assert not (await stranger(schema.ListUsersRequest())).users
        assert (await stranger.refused(schema.ResetPasswordRequest(name="ann")))[1] == "USER_UNKNOWN"
