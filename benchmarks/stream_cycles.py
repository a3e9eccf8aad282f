"""Tills that connect and are gone again, over and over: what a server's memory comes to.

DEALWRIGHT_BENCH_CYCLES=100000 make bench B=streams
"""

from __future__ import annotations

import asyncio
import os
import time

import grpc.aio

from benchmarks.markdown import table
from benchmarks.stream_servers import Installation, Server, progress
from benchmarks.stream_tills import SYNC, Open, connected

CYCLES = int(os.environ.get("DEALWRIGHT_BENCH_CYCLES", "5000"))

PARTS = 5
"""After how many equal parts memory is read. What a process needs once, it has after the first."""

AT_ONCE = 20
"""How many tills come and go beside each other."""

SECONDS = 900.0
"""After so long, the parts that are left are left out."""

SETTLE_SECONDS = 1.0
"""Until the server has noticed the last of them."""


def cycles(installation: Installation) -> str:
    """The server's memory after more and more streams that were cancelled."""
    with installation.serving(1) as (server,):
        rows = asyncio.run(_rows(server, installation.tokens[0]))
    return table(("streams opened and cancelled", "MiB of the server"), rows)


async def _rows(server: Server, token: str) -> list[tuple[str, float]]:
    end, rows = time.monotonic() + SECONDS, [("0", server.resident / 2**20)]
    async with grpc.aio.insecure_channel(server.address) as channel:
        sync: Open = channel.stream_stream(SYNC)
        each = CYCLES // PARTS // AT_ONCE
        for part in range(1, PARTS + 1):
            if time.monotonic() > end:
                break
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(
                    *(_come_and_go(sync, token, f"till-{number}", each) for number in range(AT_ONCE))
                )
            await asyncio.sleep(SETTLE_SECONDS)
            done = f"{part * each * AT_ONCE:,}"
            rows.append((done, server.resident / 2**20))
            progress(f"{done} streams have come and gone")
    return rows


async def _come_and_go(sync: Open, token: str, device_id: str, times: int) -> None:
    """One till, which the network takes away again as soon as it has heard something."""
    for _ in range(times):
        call = await connected(sync, token, device_id)
        await call.read()
        call.cancel()
