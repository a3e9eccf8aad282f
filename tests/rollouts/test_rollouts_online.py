"""Rollouts on a real server: tills and server price alike in the cohort and outside of it, at every step."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dealwright.v1 import rollout_service_pb2 as schema
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse, ExplainResponse
from dealwright.v1.rollout_service_pb2_grpc import RolloutServiceStub
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.lifecycle import Action
from server.definitions.promotions import Promotions
from server.definitions.service import Definitions
from server.definitions.transitions import Target
from server.distribution.keys import read_root_key
from tests.access.calls import CALL_SECONDS, ask, bearer, owner, reason, serving, token_for
from tests.definitions.people import ANN, BEN, write
from tests.definitions.samples import percent_off
from tests.distribution.tills import Till, following
from tests.evaluation.requests import EVALUATE, EXPLAIN, latte_request
from tests.operations.proxy import database_through
from tests.operations.test_snapshot import application, until
from tests.rollouts.shops import open_shops, roll_out


def latte_at(store_id: str) -> EvaluateRequest:
    request = latte_request()
    request.cart.store_id = store_id
    return request


async def test_tills_and_server_price_alike_in_and_outside_of_a_cohort(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    open_shops(definitions)
    root_key = read_root_key(keys_dir)
    shop = bearer(token_for(database, "shop", Role.VIEWER))

    def till_of(address: str, *store_ids: str) -> AbstractAsyncContextManager[Till]:
        token = token_for(database, "+".join(store_ids) or "every", Role.DEVICE, store_ids=store_ids)
        return following(address, token, root_key, *store_ids)

    async with serving(database, keys_dir=keys_dir) as (server, channel):
        address = str(server.grpc_address)

        async def alike(till: Till, store_id: str) -> int:
            """The discount of a cart, for which server and till have the same result."""
            request = latte_at(store_id).SerializeToString()
            online = EvaluateResponse.FromString(await ask(channel, EVALUATE, request, metadata=shop))
            explained = ExplainResponse.FromString(await ask(channel, EXPLAIN, request, metadata=shop))
            assert till.active is not None
            offline = EvaluateResponse.FromString(till.active.evaluate(request, 0))
            assert explained.result.totals == online.result.totals
            assert explained.result.revision == online.result.revision
            assert offline.result == online.result
            return online.result.totals.discount_minor // 50_000

        async with (
            till_of(address, "menteng") as ahead,
            till_of(address, "medan") as other,
            till_of(address, "medan", "menteng") as both,
            till_of(address) as every,
        ):
            everyone = (ahead, other, both, every)
            for till in everyone:
                await till.at(1)
            second = roll_out(definitions)
            await ahead.at(second)
            assert [await alike(ahead, "menteng"), await alike(other, "medan")] == [20, 10]
            assert await alike(every, "") == 10
            assert [till.follower.revision for till in (other, both, every)] == [1, 1, 1]

            third = definitions.promote(owner(), None).revision
            for till in everyone:
                await till.at(third)
            assert [await alike(ahead, "menteng"), await alike(other, "medan")] == [20, 20]
            assert [till.frames.count("snapshot_begin") for till in everyone] == [1, 1, 1, 1]

            await ahead.at(roll_out(definitions, percent=50))
            assert await alike(ahead, "menteng") == 50
            fifth = definitions.stop_rollout(owner(), None).revision
            for till in everyone:
                await till.at(fifth)
            assert [await alike(ahead, "menteng"), await alike(other, "medan")] == [20, 20]


async def test_a_server_that_starts_in_the_middle_knows_who_has_what(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    open_shops(definitions)
    second = roll_out(definitions)
    root_key = read_root_key(keys_dir)
    ahead = token_for(database, "menteng", Role.DEVICE, store_ids=("menteng",))
    other = token_for(database, "medan", Role.DEVICE, store_ids=("medan",))
    async with serving(database, keys_dir=keys_dir) as (server, channel):
        address = str(server.grpc_address)
        assert server.holder.at("MENTENG").revision == second
        assert server.holder.at("medan").revision == server.holder.at("").revision == 1
        async with (
            following(address, ahead, root_key, "menteng") as till,
            following(address, other, root_key, "medan") as outside,
        ):
            await till.at(second)
            await outside.at(1)
        # What is no request is refused as always, though it is read for its store.
        shop = bearer(token_for(database, "shop", Role.VIEWER))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(channel, EVALUATE, b"\xff", metadata=shop)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_server_that_starts_without_its_database_knows_who_has_what(
    database_url: str, definitions: Definitions, tmp_path: Path
) -> None:
    open_shops(definitions)
    second = roll_out(definitions)
    async with database_through(database_url) as (engine, network):
        before = application(engine, tmp_path / "snapshot")
        await before.start()
        await until((tmp_path / "snapshot").exists)
        await before.stop()

        network.cut()
        after = application(engine, tmp_path / "snapshot")
        await after.start()
        try:
            revisions = [after.holder.at(store_id).revision for store_id in ("menteng", "medan", "")]
        finally:
            await after.stop()
    assert revisions == [second, 1, 1]


async def test_people_start_follow_promote_and_stop_rollouts(
    database: Engine, definitions: Definitions
) -> None:
    open_shops(definitions)
    promotions = Promotions(database)

    def approve(promotion_id: str) -> None:
        write(promotions, percent_off(promotion_id, 5))
        promotions.act(ANN, Action.SUBMIT, [Target(promotion_id)])
        promotions.act(BEN, Action.APPROVE, [Target(promotion_id)])

    async with serving(database) as (_, channel):
        stub = RolloutServiceStub(channel)

        async def call(role: Role, method: str, request: object) -> object:
            metadata = bearer(tokens[role])
            return await getattr(stub, method)(request, metadata=metadata, timeout=CALL_SECONDS)

        tokens = {role: token_for(database, role.value, role) for role in Role}
        await asyncio.to_thread(approve, "new")
        start = schema.StartRolloutRequest(store_ids=["menteng"], comment="try", tills_min=2)
        start.promotions.add(promotion_id="new")
        start.bake.FromSeconds(600)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(Role.OPERATOR, "StartRollout", start)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        started = await call(Role.PUBLISHER, "StartRollout", start)
        assert isinstance(started, schema.StartRolloutResponse)
        assert (started.revision, [each.subject_id for each in started.differences]) == (2, ["new"])

        got = await call(Role.VIEWER, "GetRollout", schema.GetRolloutRequest())
        assert isinstance(got, schema.GetRolloutResponse)
        assert list(got.rollout.store_ids) == ["Menteng"]
        assert got.rollout.state == schema.ROLLOUT_STATE_RUNNING
        assert (got.rollout.bake.seconds, got.rollout.tills_min, got.rollout.author) == (600, 2, "publisher")
        assert got.progress == schema.RolloutProgress()

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(Role.OPERATOR, "PromoteRollout", schema.PromoteRolloutRequest())
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        tried = await call(Role.PUBLISHER, "PromoteRollout", schema.PromoteRolloutRequest(dry_run=True))
        assert isinstance(tried, schema.PromoteRolloutResponse)
        assert [each.subject_id for each in tried.differences] == ["new"]
        assert (await call(Role.VIEWER, "GetRollout", schema.GetRolloutRequest())) == got
        stopped = await call(
            Role.OPERATOR, "StopRollout", schema.StopRolloutRequest(revision=2, comment="no")
        )
        assert isinstance(stopped, schema.StopRolloutResponse)
        assert stopped.revision == 3
        listed = await call(Role.VIEWER, "ListRollouts", schema.ListRolloutsRequest(page_size=1))
        assert isinstance(listed, schema.ListRolloutsResponse)
        (only,) = listed.rollouts
        assert (only.state, only.end_revision) == (schema.ROLLOUT_STATE_STOPPED, 3)
        assert (only.end_author, only.end_comment) == ("operator", "no")
        after = schema.ListRolloutsRequest(page_token=listed.next_page_token)
        assert await call(Role.VIEWER, "ListRollouts", after) == schema.ListRolloutsResponse()

        start.bake.FromNanoseconds(1)
        for method, request, why in (
            ("StartRollout", start, "OUT_OF_RANGE"),
            ("StopRollout", schema.StopRolloutRequest(), "NO_ROLLOUT"),
            ("GetRollout", schema.GetRolloutRequest(revision=1), "ROLLOUT_UNKNOWN"),
            ("ListRollouts", schema.ListRolloutsRequest(page_size=501), "OUT_OF_RANGE"),
            ("ListRollouts", schema.ListRolloutsRequest(page_token="x"), "NOT_GIVEN_OUT"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(Role.PUBLISHER, method, request)
            assert reason(refused.value) == why
