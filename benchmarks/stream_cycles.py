"""Tills that connect and are gone again, over and over: what a server's memory comes to.

DEALWRIGHT_BENCH_CYCLES=100000 make bench B=streams
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import TypeAlias

import grpc.aio

from benchmarks.markdown import table
from benchmarks.stream_servers import Installation, Server, progress
from benchmarks.stream_tills import SYNC, Answers, Call, Open, connected

Visit: TypeAlias = Callable[[Call, Answers], Coroutine[None, None, None]]

CYCLES = int(os.environ.get("DEALWRIGHT_BENCH_CYCLES", "5000"))

PARTS = 5
"""After how many equal parts memory is read. What a process needs once, it has after the first."""

AT_ONCE = 20
"""How many tills come and go beside each other."""

EACH = CYCLES // PARTS // AT_ONCE
"""How often each of them does so in a part."""

SECONDS = 450.0
"""After so long, the parts that are left are left out."""

SETTLE_SECONDS = 1.0
"""Until the server has noticed the last of them."""


def cycles(installation: Installation) -> str:
    """The memory of two servers after more and more streams that were cut, by what was under way on them."""
    with installation.serving(len(VISITS)) as servers:
        memory = [
            asyncio.run(_memory(server, installation.tokens[0], name, visit))
            for server, (name, visit) in zip(servers, VISITS.items(), strict=True)
        ]
    rows = [
        (count, *(each[part] if part < len(each) else "" for each in memory))
        for part, count in enumerate(_counts())
    ]
    return table(("streams opened and cut", *(f"{name}: MiB of the server" for name in VISITS)), rows)


def _counts() -> list[str]:
    return [f"{part * EACH * AT_ONCE:,}" for part in range(PARTS + 1)]


async def _memory(server: Server, token: str, name: str, visit: Visit) -> list[float]:
    """Before the first part, and after each."""
    end, memory = time.monotonic() + SECONDS, [server.resident / 2**20]
    async with grpc.aio.insecure_channel(server.address) as channel:
        sync: Open = channel.stream_stream(SYNC)
        for count in _counts()[1:]:
            if time.monotonic() > end:
                break
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(
                    *(_come_and_go(sync, token, f"till-{number}", visit) for number in range(AT_ONCE))
                )
            await asyncio.sleep(SETTLE_SECONDS)
            memory.append(server.resident / 2**20)
            progress(f"{name}: {count} streams have come and gone")
    return memory


async def _come_and_go(sync: Open, token: str, device_id: str, visit: Visit) -> None:
    """One till, which the network takes away again and again."""
    answers = Answers()
    for _ in range(EACH):
        call = await connected(sync, token, device_id)
        await visit(call, answers)
        call.cancel()


async def _hear(call: Call, _: Answers) -> None:
    """The first frame has come, and the next is being written."""
    await call.read()


async def _have_all(call: Call, answers: Answers) -> None:
    """Everything has come and is acked, and with the bookmark behind it the server has nothing to write."""
    acked = False
    while isinstance(frame := await call.read(), bytes) and not acked:
        if answer := answers.to(frame):
            _, ack = answer
            await call.write(ack)
            acked = True


VISITS: dict[str, Visit] = {"while frames are written": _hear, "while it is quiet": _have_all}
"""How far a till gets until its stream is cut."""
