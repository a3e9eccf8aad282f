"""A till on the network: the follower on a real stream, with the real engine, and a dictionary for a disk."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import dealwright_engine
import grpc.aio
from dealwright.rule_stream import (
    Activate,
    Close,
    Compile,
    Compiled,
    Connect,
    Device,
    Effect,
    Follower,
    Kept,
    Now,
    Send,
    Uncompilable,
    Write,
)
from dealwright.v1.rule_stream_service_pb2 import SyncResponse

BareStream: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"
BareCall: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"

SYNC = "/dealwright.v1.RuleStreamService/Sync"

WAIT_SECONDS = 60.0
"""How long a test waits for what must come; a busy machine needs some of it."""

_compiled: dict[bytes, dealwright_engine.Ruleset] = {}
"""Tills of one scope share what is compiled, so that a thousand of them fit into one process."""


class Till:
    """Follows until it is closed, and connects again by itself."""

    def __init__(
        self, channel: grpc.aio.Channel, token: str, root_key: bytes, device: Device, disk: dict[str, bytes]
    ) -> None:
        self.disk = disk
        self.follower = Follower(device, root_key, Kept(**disk))
        self.active: dealwright_engine.Ruleset | None = None
        self.received: dict[str, int] = {}
        """Bytes that came, by kind of frame."""
        self.frames: list[str] = []
        self.goodbyes: list[int] = []
        self.errors: list[grpc.StatusCode] = []
        self.deaf = False
        """Doesn't read what comes."""
        self._channel = channel
        self._token = token
        self._changed = asyncio.Condition()
        self._closing = False
        self._rulesets: dict[int, dealwright_engine.Ruleset] = {}
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()

    async def run(self) -> None:
        """For ever."""
        wait = self._do(self.follower.start(now())) or 0.0
        while True:
            await asyncio.sleep(wait)
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                self.errors.append(error.code())
            await self._tell()
            wait = min(self._do(self.follower.disconnected(now(), random.random())) or 0.0, 1.0)

    async def until(self, holds: Callable[[Till], bool]) -> None:
        """Waits for something to hold."""
        async with asyncio.timeout(WAIT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: holds(self))

    async def at(self, revision: int) -> None:
        await self.until(lambda till: till.follower.revision == revision and till.active is not None)

    async def _follow(self) -> None:
        open_sync: BareStream = self._channel.stream_stream(SYNC)
        call = open_sync(metadata=(("authorization", f"Bearer {self._token}"),))
        self._outgoing = asyncio.Queue()
        writer = asyncio.create_task(self._write(call))
        try:
            self._do(self.follower.connected(now()))
            self._closing = False
            while not self._closing:
                if self.deaf:
                    await asyncio.sleep(3600)
                data = await call.read()
                if not isinstance(data, bytes):
                    break
                self._take(data)
                await self._tell()
            if not self._closing and await call.code() is not grpc.StatusCode.OK:
                self.errors.append(await call.code())
        finally:
            writer.cancel()
            call.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await writer

    def _take(self, data: bytes) -> None:
        frame = SyncResponse.FromString(data).frame
        kind = frame.WhichOneof("kind") or ""
        self.frames.append(kind)
        self.received[kind] = self.received.get(kind, 0) + len(data)
        if kind == "goodbye":
            self.goodbyes.append(frame.goodbye.reason)
        self._do(self.follower.received(frame, now()))

    async def _write(self, call: BareCall) -> None:
        while True:
            await call.write(await self._outgoing.get())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _do(self, effects: list[Effect]) -> float | None:
        """Carries effects out; gives the wait before the next connection, if there is one among them."""
        wait = None
        for effect in effects:
            match effect:
                case Connect(after):
                    wait = after
                case Send(request):
                    self._outgoing.put_nowait(request.SerializeToString())
                case Compile(ticket, ruleset):
                    self._do(self.follower.compiled(ticket, self._compile(ticket, ruleset), now()))
                case Write(ticket, files):
                    self.disk.update(files)
                    if ticket is not None:
                        self._do(self.follower.written(ticket, True, now()))
                case Activate(ticket):
                    self.active = self._rulesets.pop(ticket)
                case Close():
                    self._closing = True
        return wait

    def _compile(self, ticket: int, ruleset: bytes) -> Compiled | Uncompilable:
        if ruleset not in _compiled:
            if len(_compiled) > 64:
                _compiled.clear()
            try:
                _compiled[ruleset] = dealwright_engine.Ruleset.compile(ruleset)
            except dealwright_engine.InvalidRuleset as error:
                return Uncompilable(str(error))
        self._rulesets[ticket] = _compiled[ruleset]
        return Compiled(tuple(_compiled[ruleset].unsupported))


@asynccontextmanager
async def following(
    address: str,
    token: str,
    root_key: bytes,
    *store_ids: str,
    device_id: str = "till-1",
    disk: dict[str, bytes] | None = None,
) -> AsyncIterator[Till]:
    """A till that follows a server."""
    device = Device(device_id, store_ids, dealwright_engine.VERSION, dealwright_engine.RULE_LANGUAGE)
    async with grpc.aio.insecure_channel(address) as channel:
        till = Till(channel, token, root_key, device, {} if disk is None else disk)
        task = asyncio.create_task(till.run())
        try:
            yield till
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def now() -> Now:
    return Now(time.monotonic(), time.time())
