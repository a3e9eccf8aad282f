"""Promotions of a newer version on an older server and older tills."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from dealwright.rule_stream import Compile, Effect, Follower, Kept, Send, Uncompilable, Write
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_UNSUPPORTED,
    Cursor,
    Frame,
    Hello,
    ListClientsRequest,
    ListClientsResponse,
    StreamClient,
    SyncRequest,
    SyncResponse,
    Welcome,
)
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution.keys import read_root_key
from server.distribution.log import BUNDLE_LIFE_SECONDS, Log, NotUnderstood
from server.distribution.stream import Stream
from server.runtime.app import Application
from tests.access.calls import ask, bearer, serving, token_for
from tests.definitions.newer import publish_as_newer
from tests.definitions.samples import percent_off
from tests.distribution.simulation.server import signer
from tests.distribution.test_follower import (
    ALL,
    HERE,
    NOON,
    THERE,
    compiled,
    in_force,
    log_of,
    newest,
    the,
    till,
)
from tests.distribution.tills import WAIT_SECONDS, following
from tests.evaluation.requests import EVALUATE, latte_request

LIST = "/dealwright.v1.RuleStreamService/ListClients"
SKIP = {"rule_language": 2, "on_unsupported": "ON_UNSUPPORTED_SKIP"}
LUNCH = {"stacking": {"groups": [{"name": "lunch"}]}}


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that the server does by itself."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def unsupporting(application: Application) -> float | None:
    return application.metrics.registry.get_sample_value("dealwright_streams_unsupporting")


async def test_operators_see_what_tills_cannot_apply_after_they_connect_anew_too(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10), percent_off("other", 20)]))
    newer = publish_as_newer(database, "ten", SKIP)
    device, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    admin = bearer(token_for(database, "ann", Role.ADMIN))
    disk: dict[str, bytes] = {}

    async with serving(database, keys_dir=keys_dir) as (application, channel):

        async def client() -> StreamClient:
            await application.clients.write()
            asked = ListClientsRequest().SerializeToString()
            answer = await ask(channel, LIST, asked, metadata=admin)
            return ListClientsResponse.FromString(answer).clients[0]

        for frame_of_a_set in ("snapshot_end", None):
            address = str(application.grpc_address)
            async with following(address, device, root_key, disk=disk) as till:
                await till.at(newer)
                await until(lambda: unsupporting(application) == 1)
                seen = await client()
                assert (seen.revision, list(seen.unsupported_ids)) == (newer, ["ten"])
                assert till.frames.count("snapshot_end") == (frame_of_a_set is not None)
            await until(lambda: unsupporting(application) == 0)


async def test_what_a_server_cannot_read_it_does_not_hand_on(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    both = [percent_off("ten", 10), percent_off("richer", 50)]
    both[1].stacking.groups.add(name="lunch")
    first = definitions.publish("kopi", Publication(both)).revision
    device, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    async with (
        serving(database, keys_dir=keys_dir, refresh_seconds=0.05) as (application, channel),
        following(str(application.grpc_address), device, root_key) as till,
    ):
        await till.at(first)
        newer = publish_as_newer(database, "ten", {"only_on_mars": True, **LUNCH})
        holder = application.holder
        await until(lambda: holder.active is not None and holder.active.revision == newer)

        priced = await ask(channel, EVALUATE, latte_request().SerializeToString(), metadata=bearer(device))
        said = {
            verdict.promotion_id: verdict.reason
            for verdict in EvaluateResponse.FromString(priced).result.verdicts
        }
        assert said == {"ten": Reason.REASON_UNSUPPORTED, "richer": Reason.REASON_BLOCKED}
        assert application.distribution.log.revision == first

        without = Publication([percent_off("other", 30)], deleted_ids=("ten",))
        last = definitions.publish("kopi", without).revision
        await till.at(last)


def test_a_log_says_what_it_cannot_hand_on() -> None:
    published = newest(2, "a", "b", "c", "d", "e")
    for promotion in published.general.promotions:
        promotion.rule_language = 2**31 - 1

    with pytest.raises(NotUnderstood, match=r"revision 2 .* can read a, b, c: upgrade this one"):
        Log(signer()).prepare(published)


def welcomed(follower: Follower) -> list[Effect]:
    """What a till does once a server has answered."""
    follower.connected(HERE)
    return follower.received(Frame(welcome=Welcome(company_id="kopi", scope_id="*", epoch=1)), HERE)


def sent(effects: list[Effect]) -> SyncRequest:
    send = the(Send, effects)
    assert isinstance(send, Send)
    return send.request


def not_compiled(follower: Follower, effects: list[Effect]) -> list[Effect]:
    asked = the(Compile, effects)
    assert isinstance(asked, Compile)
    return follower.compiled(asked.ticket, Uncompilable("a needs more"), HERE)


def test_a_till_says_anew_what_it_has_in_force() -> None:
    follower = in_force(log_of(3, "a"))
    follower.disconnected(HERE, 0.5)

    ack = sent(welcomed(follower)).ack

    assert (ack.revision, ack.root) == (3, follower.root)


def test_an_older_engine_than_the_disk_is_told_and_the_next_revision_tried() -> None:
    log = log_of(3, "a")
    follower = till(Kept(bundle=log.bundle(ALL, NOON).SerializeToString()))
    not_compiled(follower, follower.start(HERE))

    stream = Stream(log, ALL, Hello(cursor=Cursor(epoch=1, revision=3, root=follower.root)), THERE)
    follower.connected(HERE)
    nack = sent(not_compiled(follower, received(follower, stream))).nack

    assert not follower.active
    assert (nack.revision, nack.reason, nack.detail) == (3, NACK_REASON_UNSUPPORTED, "a needs more")
    stream.refused(nack)
    log.publish(log.prepare(newest(4, "b")))
    the(Write, compiled(follower, received(follower, stream)))


def received(follower: Follower, stream: Stream) -> list[Effect]:
    """What follows from the frames that come, up to one that something has to be compiled for."""
    while (data := stream.next(THERE)) is not None:
        effects = follower.received(SyncResponse.FromString(data).frame, HERE)
        if any(isinstance(effect, Compile) for effect in effects):
            return effects
    raise AssertionError("there was nothing to compile")


def test_what_expired_on_the_disk_is_not_tried_again() -> None:
    bundle = log_of(3, "a").bundle(ALL, NOON - BUNDLE_LIFE_SECONDS).SerializeToString()
    follower = till(Kept(bundle=bundle))
    follower.start(HERE)

    assert not [effect for effect in welcomed(follower) if isinstance(effect, (Compile, Send))]
