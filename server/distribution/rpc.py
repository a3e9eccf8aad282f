"""RuleStreamService over gRPC. Frames are bytes already: nothing is encoded per stream."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from dealwright.rule_stream.scope import PROTOCOL
from dealwright.v1 import rule_stream_service_pb2 as schema

from server.access.rpc import actor_of
from server.distribution import frames
from server.distribution.log import Scope
from server.runtime.errors import Invalid

if TYPE_CHECKING:
    from server.access.rpc import GuardedServer
    from server.actors import Actor
    from server.distribution.service import Distribution
    from server.distribution.sessions import Session, Sessions
    from server.runtime.intake import Intake

SERVICE = schema.DESCRIPTOR.services_by_name["RuleStreamService"].full_name
SYNC = f"/{SERVICE}/Sync"

HELLO_SECONDS = 10.0
"""How long a stream may stay without a word."""

READER = "reader of a rule stream"
"""The name of the task that reads what a till answers."""

_DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Context = grpc.aio.ServicerContext[Any, Any]


def register(server: GuardedServer, distribution: Distribution, sessions: Sessions, intake: Intake) -> None:
    """Adds the methods that tills call to a server; those for operators are in `calls`."""
    calls = RuleStreamCalls(distribution, sessions, intake)
    server.add_registered_method_handlers(
        SERVICE,
        {
            "Sync": grpc.stream_stream_rpc_method_handler(calls.sync, schema.SyncRequest.FromString),
            "Watch": grpc.unary_stream_rpc_method_handler(calls.watch, schema.WatchRequest.FromString),
            "GetBundle": grpc.unary_stream_rpc_method_handler(
                calls.get_bundle, schema.GetBundleRequest.FromString
            ),
            "Report": grpc.unary_unary_rpc_method_handler(
                calls.report,
                schema.ReportRequest.FromString,
                lambda response: response.SerializeToString(),
            ),
        },
    )


class RuleStreamCalls:
    """What each method does."""

    def __init__(self, distribution: Distribution, sessions: Sessions, intake: Intake) -> None:
        self._distribution = distribution
        self._sessions = sessions
        self._intake = intake
        self._reading: set[asyncio.Task[None]] = set()

    async def sync(self, requests: AsyncIterator[schema.SyncRequest], context: Context) -> None:
        self._intake.take(context)
        actor = actor_of(context)
        hello = await _hello(requests)
        session = self._sessions.open(actor, self._known(actor, hello), answers=True)
        # Never cancelled: it ends with the call, and gRPC doesn't free a read that is given up before
        # (https://github.com/grpc/grpc/issues/43360).
        reader = asyncio.create_task(self._read(session, requests), name=READER)
        self._reading.add(reader)
        reader.add_done_callback(self._reading.discard)
        try:
            await self._sessions.write(session, context.write)
        finally:
            self._sessions.close(session)

    async def watch(self, request: schema.WatchRequest, context: Context) -> None:
        self._intake.take(context)
        actor = actor_of(context)
        session = self._sessions.open(actor, self._known(actor, request.hello), answers=False)
        try:
            await self._sessions.write(session, context.write)
        finally:
            self._sessions.close(session)

    async def report(self, request: schema.ReportRequest, context: Context) -> schema.ReportResponse:
        self._intake.take(context)
        actor = actor_of(context)
        self._distribution.require_ready(actor)
        device_id = _device_id(request.device_id)
        answer = request.WhichOneof("answer")
        if answer == "ack":
            self._sessions.report_ack(actor, device_id, request.ack)
        elif answer == "nack":
            self._sessions.report_nack(actor, device_id, request.nack)
        else:
            raise Invalid("REQUIRED", "say ack or nack", field="answer")
        scope = Scope.of(actor.store_ids)
        return schema.ReportResponse(revision=self._distribution.log.revision_at(scope))

    async def get_bundle(self, request: schema.GetBundleRequest, context: Context) -> None:
        self._intake.take(context)
        actor = actor_of(context)
        etag = self._distribution.etag(actor)
        if request.if_none_match == etag:
            await context.write(schema.GetBundleResponse(etag=etag).SerializeToString())
            return
        data = await asyncio.to_thread(self._distribution.file, actor)
        for index, piece in enumerate(frames.pieces(data)):
            part = schema.GetBundleResponse(etag="" if index else etag, data=piece)
            await context.write(part.SerializeToString())

    async def _read(self, session: Session, requests: AsyncIterator[schema.SyncRequest]) -> None:
        # Once the call is over, reading is an error.
        with contextlib.suppress(Exception):
            await self._sessions.read(session, requests)

    def _known(self, actor: Actor, hello: schema.Hello) -> schema.Hello:
        """A hello that can be answered, or a refusal."""
        if hello.protocol != PROTOCOL:
            raise Invalid(
                "PROTOCOL_UNKNOWN",
                f"this server speaks version {PROTOCOL} of the protocol, not {hello.protocol}",
                field="hello.protocol",
            )
        _device_id(hello.device_id, "hello.device_id")
        self._distribution.require_ready(actor)
        return hello


async def _hello(requests: AsyncIterator[schema.SyncRequest]) -> schema.Hello:
    try:
        first = await asyncio.wait_for(anext(requests, schema.SyncRequest()), HELLO_SECONDS)
    except TimeoutError as error:
        raise Invalid("REQUIRED", "a stream begins with a hello", field="hello") from error
    if not first.HasField("hello"):
        raise Invalid("REQUIRED", "a stream begins with a hello", field="hello")
    return first.hello


def _device_id(device_id: str, field: str = "device_id") -> str:
    if not _DEVICE_ID.fullmatch(device_id):
        raise Invalid(
            "DEVICE_ID_INVALID",
            "a device has an id of 1 to 64 letters of a to z, digits, dots, hyphens and underscores",
            field=field,
        )
    return device_id
