"""Many tills of one process, for the rule-stream benchmark: they follow and ack, and apply nothing.

A till that applies costs milliseconds of a processor, which a shop has and a machine with a thousand of them
doesn't. These read each frame once for all of them, and answer as a till does that has applied it.

    python -m benchmarks.stream_tills < JSON

The JSON is on one line: the address, streams as a list of [token, device], how many share a connection, and
how many of them stop reading after their first revision. All connect at once, as a fleet does that has power
again; one whose stream ends comes again after a moment. It prints a line {"at"} with the moment in which they
begin, and one {"at", "again"} whenever all others have acked a revision: the moment of each ack, and how many
streams had ended by then. Moments are those of `time.perf_counter`, which processes of one machine share. It
ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import grpc.aio
from dealwright.rule_stream.scope import PROTOCOL
from dealwright.v1.bundle_pb2 import Manifest
from dealwright.v1.rule_stream_service_pb2 import Ack, Cursor, Hello, SyncRequest, SyncResponse

Channel: TypeAlias = grpc.aio.Channel
Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
Open: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"

SYNC = "/dealwright.v1.RuleStreamService/Sync"

AGAIN_SECONDS = 1.0
"""The longest that a till waits until it comes again."""

NOTHING = Cursor()

KNOWN_MAX = 10_000
"""How many frames are remembered; tills of one scope get the same ones."""


class Answers:
    """What a till answers to each frame. Read once, however many tills get it."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Cursor, bytes] | None] = {}
        self._snapshot = Manifest()

    def to(self, frame: bytes) -> tuple[Cursor, bytes] | None:
        """What a till has with a frame, and its ack; None for frames without an answer."""
        if frame not in self._known:
            if len(self._known) > KNOWN_MAX:
                self._known.clear()
            self._known[frame] = self._read(frame)
        return self._known[frame]

    def _read(self, data: bytes) -> tuple[Cursor, bytes] | None:
        frame = SyncResponse.FromString(data).frame
        kind = frame.WhichOneof("kind")
        if kind == "snapshot_begin":
            self._snapshot = Manifest.FromString(frame.snapshot_begin.manifest.payload)
        if kind == "snapshot_end":
            return _ack(self._snapshot)
        if kind == "delta":
            return _ack(Manifest.FromString(frame.delta.manifest.payload))
        return None


def _ack(manifest: Manifest) -> tuple[Cursor, bytes]:
    has = Cursor(epoch=manifest.epoch, revision=manifest.revision, root=manifest.root)
    ack = Ack(epoch=has.epoch, revision=has.revision, root=has.root)
    return has, SyncRequest(ack=ack).SerializeToString()


class Arrivals:
    """When which revision was acked."""

    def __init__(self, streams: int, deaf: int) -> None:
        self._streams = streams
        self._deaf = deaf
        self._first = True
        self._at: dict[int, list[float]] = {}
        self.again = 0
        """How many streams have ended, so that their tills came again."""
        _say(at=[time.perf_counter()])

    def note(self, revision: int) -> None:
        times = self._at.setdefault(revision, [])
        times.append(time.perf_counter())
        # Of the first revision even the deaf ones hear.
        if len(times) == self._streams - (0 if self._first else self._deaf):
            self._first = False
            _say(at=self._at.pop(revision), again=self.again)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Crowd:
    """Tills that follow one server."""

    def __init__(self, streams: list[tuple[str, str]], deaf: int) -> None:
        self._streams = streams
        self._deaf = {device_id for _, device_id in streams[len(streams) - deaf :]}
        self._arrivals = Arrivals(len(streams), deaf)
        self._of_scope: dict[str, Answers] = {}
        """Tills with one token get the same bytes."""

    async def run(self, address: str, per_connection: int) -> None:
        """Until the input ends."""
        async with AsyncExitStack() as stack:
            tasks = []
            for group in _groups(self._streams, per_connection):
                # Otherwise all channels to one address would share one connection.
                own = (("grpc.use_local_subchannel_pool", 1),)
                channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, own))
                sync: Open = channel.stream_stream(SYNC)
                tasks += [asyncio.create_task(self._follow(sync, *stream)) for stream in group]
            await asyncio.to_thread(sys.stdin.readline)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, sync: Open, token: str, device_id: str) -> None:
        """One till, for ever."""
        answers = self._of_scope.setdefault(token, Answers())
        has = NOTHING
        while True:
            try:
                call = await connected(sync, token, device_id, has)
                while isinstance(frame := await call.read(), bytes):
                    if (answer := answers.to(frame)) is None:
                        continue
                    reached, ack = answer
                    await call.write(ack)
                    has = reached
                    self._arrivals.note(has.revision)
                    if device_id in self._deaf:
                        await asyncio.Event().wait()
            except grpc.aio.AioRpcError:
                # Whatever it was, the till comes again.
                pass
            self._arrivals.again += 1
            await asyncio.sleep(random.uniform(0, AGAIN_SECONDS))


async def connected(sync: Open, token: str, device_id: str, has: Cursor = NOTHING) -> Call:
    """A stream on which a till has said who it is, and what it has."""
    call: Call = sync(metadata=(("authorization", f"Bearer {token}"),))
    hello = Hello(protocol=PROTOCOL, device_id=device_id, cursor=has)
    await call.write(SyncRequest(hello=hello).SerializeToString())
    return call


def _groups(streams: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    return (streams[start : start + size] for start in range(0, len(streams), size))


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    asyncio.run(Crowd(asked["streams"], asked["deaf"]).run(asked["address"], asked["per_connection"]))
