"""What a till answers is read until its call is over, whoever ends the stream."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from dealwright.v1.rule_stream_service_pb2 import (
    GOODBYE_REASON_DRAIN,
    Ack,
    Hello,
    SyncRequest,
    SyncResponse,
)
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.distribution.rpc import READER
from tests.access.calls import bearer, owner, serving, token_for
from tests.definitions.samples import jakarta_settings, percent_off
from tests.distribution.tills import SYNC, WAIT_SECONDS, BareStream

HELLO = Hello(protocol=1, device_id="till-1")


def publish(definitions: Definitions) -> None:
    definitions.publish("kopi", Publication((percent_off("ten", 10),), settings=jakarta_settings()))


async def test_a_stream_that_the_server_ends_gives_no_read_up(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    # gRPC never frees a read that is given up: each stream would cost the server memory for good.
    publish(definitions)
    token = token_for(database, "till", Role.DEVICE)
    async with serving(database, keys_dir=keys_dir) as (application, channel), asyncio.timeout(WAIT_SECONDS):
        sync: BareStream = channel.stream_stream(SYNC)
        call = sync(metadata=bearer(token))
        await call.write(SyncRequest(hello=HELLO).SerializeToString())
        await call.read()
        (reader,) = (task for task in asyncio.all_tasks() if task.get_name() == READER)
        application.sessions.drain()
        frames = []
        while isinstance(data := await call.read(), bytes):
            frames.append(SyncResponse.FromString(data).frame)
        assert frames[-1].goodbye.reason == GOODBYE_REASON_DRAIN
        await asyncio.wait({reader})
        assert not reader.cancelled()
        assert reader.exception() is None


async def test_what_a_till_answers_after_its_stream_has_ended_does_not_count(
    database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions)
    async with serving(database, keys_dir=keys_dir) as (application, _):
        session = application.sessions.open(owner(), HELLO, answers=True)
        known = session.client

        async def answers() -> AsyncIterator[SyncRequest]:
            application.sessions.close(session)
            yield SyncRequest(ack=Ack(epoch=application.distribution.log.epoch, revision=1))

        await application.sessions.read(session, answers())
        # Else operators would see it as connected, for good.
        assert session.client is known
