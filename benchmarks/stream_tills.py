"""Many tills of one process, for the rule-stream benchmark: they follow and ack, and apply nothing.

A till that applies costs milliseconds of a processor, which a shop has and a machine with a thousand of them
doesn't. These read each frame once for all of them, and answer as a till does that has applied it. A real one
stands beside them in the benchmark.

    python -m benchmarks.stream_tills < JSON

The JSON is on one line: address, streams as a list of [token, device], and how many share a connection. It
prints a JSON line {"revision", "at": [...]} when all have acked a revision, with the time of each ack as
`time.perf_counter` has it, which all processes of a machine share; and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TypeAlias

import grpc.aio
from dealwright.rule_stream.scope import PROTOCOL
from dealwright.v1.bundle_pb2 import Manifest
from dealwright.v1.rule_stream_service_pb2 import Ack, Hello, SyncRequest, SyncResponse

Channel: TypeAlias = grpc.aio.Channel
Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"
Open: TypeAlias = "grpc.aio.StreamStreamMultiCallable[bytes, bytes]"

SYNC = "/dealwright.v1.RuleStreamService/Sync"

KNOWN_MAX = 10_000
"""How many frames are remembered; tills of one scope get the same ones."""


class Answers:
    """What a till answers to each frame. Read once, however many tills get it."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, bytes] | None] = {}
        self._snapshot = Manifest()

    def to(self, frame: bytes) -> tuple[int, bytes] | None:
        """The revision that is reached with a frame, and the ack; None for frames without an answer."""
        if frame not in self._known:
            if len(self._known) > KNOWN_MAX:
                self._known.clear()
            self._known[frame] = self._read(frame)
        return self._known[frame]

    def _read(self, data: bytes) -> tuple[int, bytes] | None:
        frame = SyncResponse.FromString(data).frame
        kind = frame.WhichOneof("kind")
        if kind == "snapshot_begin":
            self._snapshot = Manifest.FromString(frame.snapshot_begin.manifest.payload)
        if kind == "snapshot_end":
            return _ack(self._snapshot)
        if kind == "delta":
            return _ack(Manifest.FromString(frame.delta.manifest.payload))
        return None


def _ack(manifest: Manifest) -> tuple[int, bytes]:
    ack = Ack(epoch=manifest.epoch, revision=manifest.revision, root=manifest.root)
    return manifest.revision, SyncRequest(ack=ack).SerializeToString()


class Arrivals:
    """When which revision was acked."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._at: dict[int, list[float]] = {}

    def note(self, revision: int) -> None:
        times = self._at.setdefault(revision, [])
        times.append(time.perf_counter())
        if len(times) == self._count:
            print(json.dumps({"revision": revision, "at": self._at.pop(revision)}), flush=True)


async def follow(sync: Open, token: str, device_id: str, arrivals: Arrivals) -> None:
    """One till, until its stream ends."""
    # Tills of one scope get the same bytes; what a snapshot is of is said only in its first frame.
    answers = _of_scope.setdefault(token, Answers())
    call: Call = sync(metadata=(("authorization", f"Bearer {token}"),))
    await call.write(SyncRequest(hello=Hello(protocol=PROTOCOL, device_id=device_id)).SerializeToString())
    while isinstance(frame := await call.read(), bytes):
        if (answer := answers.to(frame)) is not None:
            revision, ack = answer
            await call.write(ack)
            arrivals.note(revision)


_of_scope: dict[str, Answers] = {}


async def run(address: str, streams: list[tuple[str, str]], per_connection: int) -> None:
    arrivals = Arrivals(len(streams))
    async with AsyncExitStack() as stack:
        tasks = []
        for number, group in enumerate(_groups(streams, per_connection)):
            # Channels with the same options would share one connection.
            options = (("grpc.use_local_subchannel_pool", 1), ("dealwright.number", number))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options))
            sync: Open = channel.stream_stream(SYNC)
            tasks += [asyncio.create_task(follow(sync, token, device, arrivals)) for token, device in group]
        await asyncio.to_thread(sys.stdin.readline)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _groups(streams: list[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    return (streams[start : start + size] for start in range(0, len(streams), size))


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    asyncio.run(run(asked["address"], asked["streams"], asked["per_connection"]))
