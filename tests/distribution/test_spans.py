"""Revisions on their way to tills are spans, where traces are wanted."""

import asyncio
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from dealwright.v1.rule_stream_service_pb2 import (
    NACK_REASON_DISK,
    Hello,
    Nack,
    SyncRequest,
    SyncResponse,
)
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions
from server.distribution.keys import read_root_key
from server.distribution.sessions import DELIVERY
from tests.access.calls import bearer, serving, token_for
from tests.definitions.samples import percent_off
from tests.distribution.test_streams import publish
from tests.distribution.tills import SYNC, WAIT_SECONDS, BareStream, following
from tests.operations.collector import collecting

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01")


async def refuse(channel: grpc.aio.Channel, token: str) -> None:
    """Takes a whole revision, and has no room for it."""
    sync: BareStream = channel.stream_stream(SYNC)
    call = sync(metadata=(*bearer(token), TRACED))
    await call.write(SyncRequest(hello=Hello(protocol=1, device_id="full")).SerializeToString())
    kind, epoch = "", 0
    while kind != "snapshot_end":
        data = await call.read()
        assert isinstance(data, bytes)
        frame = SyncResponse.FromString(data).frame
        kind = frame.WhichOneof("kind") or ""
        if kind == "welcome":
            epoch = frame.welcome.epoch
    nack = Nack(epoch=epoch, revision=1, reason=NACK_REASON_DISK, detail="hunter2")
    await call.write(SyncRequest(nack=nack).SerializeToString())
    await call.done_writing()


async def seen(registry: CollectorRegistry, name: str, count: int, **labels: str) -> None:
    """Waits until something was counted as often."""
    while (registry.get_sample_value(name, labels) or 0) < count:
        await asyncio.sleep(0.02)


async def test_each_revision_is_a_span_until_the_till_answers(
    database: Engine, definitions: Definitions, keys_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(definitions, percent_off("ten", 10))
    token = token_for(database, "till", Role.DEVICE, store_ids=("menteng",))
    root_key = read_root_key(keys_dir)
    with collecting(monkeypatch) as collector:
        async with (
            serving(database, keys_dir=keys_dir, traces="otlp") as (application, channel),
            asyncio.timeout(2 * WAIT_SECONDS),
        ):
            registry = application.metrics.registry
            await refuse(channel, token)
            await seen(registry, "dealwright_stream_nacks_total", 1, reason="NACK_REASON_DISK")
            async with following(str(application.grpc_address), token, root_key, "menteng") as till:
                await till.at(1)
                publish(definitions, percent_off("ten", 20))
                await till.at(2)
                await seen(registry, "dealwright_stream_ack_seconds_count", 2)

    def told(span: Any) -> dict[str, str | int]:
        values = {each.key: each.value for each in span.attributes}
        assert values.pop("dealwright.request_id").string_value
        return {
            name.removeprefix("dealwright."): value.string_value or value.int_value
            for name, value in values.items()
        }

    refused, first, second = (span for span in collector.spans if span.name == DELIVERY)
    assert told(refused) == {
        "device_id": "full",
        "scope_id": "menteng",
        "revision": 1,
        "error.type": "NACK_REASON_DISK",
    }
    assert (refused.trace_id.hex(), refused.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert [told(span)["revision"] for span in (first, second)] == [1, 2]
    assert [span.status.code for span in (refused, first, second)] == [2, 0, 0]
    assert first.trace_id not in (second.trace_id, refused.trace_id)
    assert all(span.start_time_unix_nano < span.end_time_unix_nano for span in (refused, first, second))
    assert "hunter2" not in repr(collector.spans)
