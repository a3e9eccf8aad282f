"""Access: every method has its rule, and nobody gets past it."""

import asyncio
import importlib.resources
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1 import definition_service_pb2 as schema
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    EvaluateRequest,
    EvaluateResponse,
    RefundRequest,
    ReplayRequest,
    Sale,
)
from dealwright.v1.lifecycle_pb2 import PromotionTarget
from dealwright.v1.refund_pb2 import ReturnedUnits
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from sqlalchemy import Engine, text

from server.access.grants import Grants
from server.access.rpc import GuardedServer
from server.access.rules import HTTP_ALONE, RULES, Rule, require_role
from server.access.service import NAME_TOKENS_MAX, Access
from server.access.tokens import digest, looks_like_one
from server.actors import Role
from server.audit.service import Audit
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from server.runtime.errors import Denied, Invalid, Refusal, Unauthenticated, Unknown
from server.runtime.settings import Address, SettingsError
from tests.access.calls import SETTINGS, Caller, ask, bearer, owner, reason, serving, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import COMPARE, EVALUATE, EXPLAIN, REFUND, REPLAY, latte_request

METHODS = [
    f"/{file.package}.{service.name}/{method.name}"
    for file in FileDescriptorSet.FromString(
        (importlib.resources.files("dealwright") / "descriptors.binpb").read_bytes()
    ).file
    for service in file.service
    for method in service.method
]
"""Every method of the schema."""

GUARDED = [method for method in METHODS if not RULES[method].public]


async def refusal(
    channel: grpc.aio.Channel, method: str, request: bytes = b"", **how: Any
) -> tuple[Any, str]:
    """The status and the reason with which a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(channel, method, request, **how)
    return refused.value.code(), reason(refused.value)


def test_every_method_of_the_schema_has_a_rule_and_no_rule_is_left_over() -> None:
    ours = {method for method in RULES if method.startswith("/dealwright.")}
    assert set(METHODS) == ours
    assert all(rule.public or Role.ADMIN in rule.roles for rule in RULES.values())


async def test_every_method_that_the_server_registers_has_a_rule(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    register = GuardedServer.add_registered_method_handlers

    def noting(self: GuardedServer, service: str, handlers: Any) -> None:
        seen.extend(f"/{service}/{name}" for name in handlers)
        register(self, service, handlers)

    monkeypatch.setattr(GuardedServer, "add_registered_method_handlers", noting)
    async with serving(database):
        pass

    assert set(seen) == RULES.keys() - HTTP_ALONE.keys()
    assert set(METHODS) <= set(seen)


def test_every_role_may_do_something_and_only_admin_everything() -> None:
    for role in Role:
        allowed = [method for method in GUARDED if role in RULES[method].roles]
        assert allowed
        assert (allowed == GUARDED) == (role is Role.ADMIN)


async def test_a_method_without_a_rule_is_denied_to_everybody(database: Engine) -> None:
    token = token_for(database, "ann", *Role)
    grants = Grants(Access(database))
    await grants.refresh()
    assert grants.grant(token).roles == frozenset(Role)
    assert Rule().roles == frozenset()
    with pytest.raises(Denied, match="Invented is for nobody"):
        require_role("/dealwright.v1.DefinitionService/Invented", frozenset(Role))


async def test_no_method_answers_without_a_token_or_with_a_wrong_one(database: Engine) -> None:
    expired = Access(database)
    token = token_for(database, "ann", Role.ADMIN)
    late = expired.create(owner(), "late", [Role.ADMIN], lifetime=timedelta(milliseconds=1))
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    async with serving(database, access="tokens") as (_, channel):
        for method in GUARDED:
            assert await refusal(channel, method) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REQUIRED")
            for bad in (wrong, late, "", "x" * 1000):
                code, why = await refusal(channel, method, metadata=bearer(bad))
                assert (code, why) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_UNKNOWN")
            code, why = await refusal(channel, method, metadata=(("authorization", f"Basic {token}"),))
            assert (code, why) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REQUIRED")


@pytest.mark.parametrize("role", Role)
async def test_a_role_may_call_its_methods_and_no_others(database: Engine, role: Role) -> None:
    token = token_for(database, "ann", role)
    async with serving(database, access="tokens") as (_, channel):
        for method in GUARDED:
            try:
                await ask(channel, method, b"", metadata=bearer(token))
            except grpc.aio.AioRpcError as error:
                code, why = error.code(), reason(error)
            else:
                code, why = grpc.StatusCode.OK, ""
            assert code is not grpc.StatusCode.INTERNAL, method
            assert (why == "ROLE_MISSING") == (role not in RULES[method].roles), method


async def test_pricing_is_open_on_this_machine_and_definitions_never_are(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    request = latte_request().SerializeToString()
    list_promotions = "/dealwright.v1.DefinitionService/ListPromotions"
    async with serving(database) as (_, channel):
        answer = await ask(channel, EVALUATE, request)
        assert EvaluateResponse.FromString(answer).result.totals.discount_minor == 500_000
        assert (await refusal(channel, list_promotions))[1] == "TOKEN_REQUIRED"
    async with serving(database, access="tokens") as (_, channel):
        assert (await refusal(channel, EVALUATE, request))[1] == "TOKEN_REQUIRED"
        assert (await refusal(channel, EXPLAIN, request))[1] == "TOKEN_REQUIRED"


async def test_a_token_for_stores_prices_their_carts_alone(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    till = bearer(token_for(database, "till", Role.DEVICE, store_ids=("menteng", "ubud")))
    request = latte_request()
    async with serving(database, access="tokens") as (_, channel):
        for method in (EVALUATE, EXPLAIN):
            for store_id, why in (("kemang", "OTHER_STORE"), ("", "OTHER_STORE")):
                request.cart.store_id = store_id
                code, found = await refusal(channel, method, request.SerializeToString(), metadata=till)
                assert (code, found) == (grpc.StatusCode.PERMISSION_DENIED, why)
            assert (await refusal(channel, method, b"\xff", metadata=till))[1] == "NOT_A_MESSAGE"
            request.cart.store_id = "ubud"
            second = EvaluateRequest(cart=Cart(store_id="kemang"))
            twice = request.SerializeToString() + second.SerializeToString()
            assert (await refusal(channel, method, twice, metadata=till))[1] == "OTHER_STORE"
        answer = await ask(channel, EVALUATE, request.SerializeToString(), metadata=till)
    assert EvaluateResponse.FromString(answer).result.totals.discount_minor == 500_000


async def test_a_token_for_stores_looks_back_at_their_sales_alone(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    till = bearer(token_for(database, "till", Role.DEVICE, store_ids=("ubud",)))
    request = latte_request()
    sale = Sale(revision=1, request=request)

    def asked() -> dict[str, bytes]:
        sale.request.CopyFrom(request)
        returned = [ReturnedUnits(line_id="line-0", quantity=1)]
        return {
            method: message.SerializeToString()
            for method, message in {
                REPLAY: ReplayRequest(revision=1, request=request),
                COMPARE: CompareRequest(revision_before=1, revision_after=1, request=request),
                REFUND: RefundRequest(sale=sale, returned=returned),
            }.items()
        }

    async with serving(database, access="tokens") as (_, channel):
        for store_id in ("kemang", ""):
            request.cart.store_id = store_id
            for method, message in asked().items():
                found = await refusal(channel, method, message, metadata=till)
                assert found == (grpc.StatusCode.PERMISSION_DENIED, "OTHER_STORE"), method
        request.cart.store_id = "ubud"
        evaluated = await ask(channel, EVALUATE, request.SerializeToString(), metadata=till)
        sale.result.CopyFrom(EvaluateResponse.FromString(evaluated).result)
        for method, message in asked().items():
            assert await ask(channel, method, message, metadata=till)


async def test_a_token_of_another_company_prices_nothing_here(
    database: Engine, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    stranger = bearer(token_for(database, "till", Role.DEVICE, company_id="roti"))
    async with serving(database, access="tokens", company="kopi") as (_, channel):
        found = await refusal(channel, EVALUATE, latte_request().SerializeToString(), metadata=stranger)
    assert found == (grpc.StatusCode.PERMISSION_DENIED, "OTHER_COMPANY")


async def test_the_company_is_that_of_the_token(database: Engine, definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    async with serving(database, company="kopi") as (_, channel):
        await asyncio.sleep(0)
        stranger = Caller(channel, token_for(database, "ann", Role.ADMIN, company_id="roti"))
        await asyncio.sleep(0.3)
        listed = await stranger("ListPromotions", schema.ListPromotionsRequest())
        assert list(listed.records) == []
        ten = PromotionTarget(promotion_id="ten")
        for method, request in (
            ("GetPromotion", schema.GetPromotionRequest(promotion_id="ten")),
            (
                "PausePromotions",
                schema.PausePromotionsRequest(promotions=[ten]),
            ),
            ("ListHistory", schema.ListHistoryRequest(promotion_id="ten")),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stranger(method, request)
            assert (refused.value.code(), reason(refused.value)) == (
                grpc.StatusCode.NOT_FOUND,
                "PROMOTION_UNKNOWN",
            )


async def test_a_revoked_token_is_forgotten_with_the_next_refresh(database: Engine) -> None:
    token = token_for(database, "ann", Role.VIEWER)
    access = Access(database)
    async with serving(database) as (application, channel):
        caller = Caller(channel, token)
        await caller("ListPromotions", schema.ListPromotionsRequest())
        (kept,) = access.tokens("kopi")
        access.revoke(owner(), kept.id)
        await application.grants.refresh()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller("ListPromotions", schema.ListPromotionsRequest())
    assert reason(refused.value) == "TOKEN_UNKNOWN"
    (kept,) = access.tokens("kopi")
    assert kept.last_use_time is not None
    assert (kept.last_use_time.second, kept.last_use_time.microsecond) == (0, 0)


async def test_tokens_known_go_on_when_the_database_is_away(database: Engine) -> None:
    token = token_for(database, "ann", Role.VIEWER)
    access = Access(database)
    grants = Grants(access)
    await grants.refresh()
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE api_token RENAME TO elsewhere"))

    await grants.refresh()

    assert grants.grant(token).name == "ann"


async def test_a_token_ends_at_its_time_without_any_refresh(database: Engine) -> None:
    Definitions(database).create_company(owner())
    token = Access(database).create(owner(), "ann", [Role.VIEWER], lifetime=timedelta(seconds=1))
    grants = Grants(Access(database))
    await grants.refresh()
    assert grants.grant(token).name == "ann"
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated) as refused:
        grants.grant(token)
    assert refused.value.reason == "TOKEN_EXPIRED"


def test_a_name_has_two_tokens_at_most_for_rotation(database: Engine) -> None:
    access = Access(database)
    for _ in range(NAME_TOKENS_MAX):
        token_for(database, "till", Role.DEVICE)
    with pytest.raises(Refusal) as refused:
        token_for(database, "till", Role.DEVICE)
    assert refused.value.reason == "TOO_MANY_TOKENS"
    access.revoke(owner(), access.tokens("kopi")[0].id)
    token_for(database, "till", Role.DEVICE)
    token_for(database, "other till", Role.DEVICE)
    with pytest.raises(Unknown):
        access.revoke(owner("roti"), access.tokens("kopi")[1].id)


@pytest.mark.parametrize(("name", "roles"), [("", [Role.VIEWER]), ("x" * 65, [Role.VIEWER]), ("ann", [])])
def test_a_token_needs_a_name_and_a_role(database: Engine, name: str, roles: list[Role]) -> None:
    Definitions(database).create_company(owner())
    with pytest.raises(Invalid):
        Access(database).create(owner(), name, roles)


def test_no_secret_is_kept_anywhere(database: Engine) -> None:
    token = token_for(database, "ann", Role.ADMIN)
    # The secret itself may have the character that stands before it.
    _, _, secret = token.split("_", 2)

    assert looks_like_one(token)
    with database.connect() as connection:
        tables = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all()
        kept = [str(row) for table in tables for row in connection.execute(text(f'SELECT * FROM "{table}"'))]
    assert kept
    assert not any(secret in row for row in kept)
    assert any(str(digest(token)) in row for row in kept)
    assert [entry.action for entry in Audit(database).entries("kopi")] == ["create"]


def test_the_first_token_is_made_once(database: Engine) -> None:
    Definitions(database).create_company(owner())
    access = Access(database)
    first = access.create_first(owner(), "admin")
    assert first is not None
    assert looks_like_one(first)
    assert access.create_first(owner(), "admin") is None


async def test_a_server_without_tokens_beyond_this_machine_does_not_start(database: Engine) -> None:
    settings = replace(SETTINGS, grpc_address=Address("0.0.0.0", 0), allow_plaintext=True, access="open")
    with pytest.raises(SettingsError, match="would let anybody call"):
        Application(settings, database)
    assert not replace(settings, access="auto").open_pricing
