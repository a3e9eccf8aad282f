"""What rule streams cost: a publication at a thousand tills, a first synchronisation, and memory per stream.

The server is a process of its own; all tills are in this one, on loopback, and take the same processors.
Tills of one scope share what is compiled, since a real till has an engine of its own.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from dealwright.v1.promotion_pb2 import Promotion

from benchmarks.markdown import table
from benchmarks.ratios import Ratio
from server.access.service import Access
from server.actors import Role, local_actor
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.distribution import keys
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.settings import Address, Settings
from tests.definitions.samples import percent_off
from tests.distribution.tills import Till, following

TILLS = int(os.environ.get("DEALWRIGHT_BENCH_TILLS", "1000"))
PUBLICATIONS = 5
SMALL, LARGE = 20, 1000
"""Promotions of the company that a thousand tills follow, and of the one that one till does."""

RATIOS: tuple[Ratio, ...] = ()


async def serve(count: int) -> None:
    """The server process: says where it is, then publishes or tells its memory, as each line asks."""
    logs.configure(level="error")
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name)) as embedded:
        folder = Path(name) / "keys"
        keys.create(folder, folder, datetime.now(UTC))
        engine = connect(embedded.url())
        upgrade(engine)
        definitions = Definitions(engine)
        definitions.publish("kopi", Publication([_promotion(number, 10) for number in range(count)]))
        token = Access(engine).create(local_actor("kopi"), "tills", [Role.DEVICE])
        address = Address("127.0.0.1", 0)
        settings = Settings(grpc_address=address, metrics_address=address, keys_dir=folder, access="tokens")
        application = Application(settings, engine)
        await application.start()
        told = {"address": str(application.grpc_address), "token": token}
        print(json.dumps({**told, "root_key": keys.read_root_key(folder).hex()}), flush=True)
        percent = 10
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if line == "publish":
                percent += 1
                publication = Publication([_promotion(0, percent)])
                published = await asyncio.to_thread(definitions.publish, "kopi", publication)
                print(published.revision, flush=True)
            else:
                print(psutil.Process().memory_info().rss, flush=True)
        await application.stop()
        engine.dispose()


class Server:
    """The server process, from outside."""

    def __init__(self, output: asyncio.StreamReader | None, answers: asyncio.StreamWriter | None) -> None:
        if output is None or answers is None:
            raise RuntimeError("the server process has no pipes")
        self._output, self._input = output, answers

    async def told(self) -> str:
        return (await self._output.readline()).decode().strip()

    async def ask(self, line: str) -> int:
        self._input.write(line.encode() + b"\n")
        await self._input.drain()
        return int(await self.told())

    def end(self) -> None:
        self._input.write(b"\n")


@asynccontextmanager
async def running(count: int) -> AsyncIterator[tuple[Server, dict[str, str]]]:
    """A server with a number of promotions, and where it is."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.streams", str(count), stdin=pipe, stdout=pipe
    )
    server = Server(process.stdout, process.stdin)
    try:
        yield server, json.loads(await server.told())
    finally:
        server.end()
        await process.wait()


async def fan_out() -> str:
    """A publication at many tills, and what their streams weigh."""
    async with running(SMALL) as (server, where), AsyncExitStack() as stack:
        before = await server.ask("rss")
        root_key = bytes.fromhex(where["root_key"])
        tills: list[Till] = []
        for number in range(TILLS):
            till = following(where["address"], where["token"], root_key, device_id=f"till-{number}")
            tills.append(await stack.enter_async_context(till))
        await asyncio.gather(*(till.at(1) for till in tills))
        kib = (await server.ask("rss") - before) / TILLS / 1024
        seconds: list[float] = []
        for _ in range(PUBLICATIONS):
            begin = time.perf_counter()
            asked = asyncio.create_task(server.ask("publish"))
            revision = 2 + len(seconds) // TILLS

            async def reached(till: Till, begin: float = begin, revision: int = revision) -> float:
                await till.at(revision)
                return time.perf_counter() - begin

            seconds += await asyncio.gather(*(reached(till) for till in tills))
            await asked
        seconds.sort()
        rows = [
            (
                "from asking for a publication to applied, p50, ms",
                f"{seconds[len(seconds) // 2] * 1000:.0f}",
            ),
            ("the same, p99, ms", f"{seconds[len(seconds) * 99 // 100] * 1000:.0f}"),
            ("the same, the last till, ms", f"{seconds[-1] * 1000:.0f}"),
            ("memory of the server per stream, KiB", f"{kib:.0f}"),
        ]
        return table((f"{TILLS} tills, {SMALL} promotions", "value"), rows)


async def first() -> str:
    """A first synchronisation, and a change of one promotion."""
    async with running(LARGE) as (server, where):
        root_key = bytes.fromhex(where["root_key"])
        begin = time.perf_counter()
        async with following(where["address"], where["token"], root_key) as till:
            await till.at(1)
            seconds = time.perf_counter() - begin
            snapshot = sum(till.received[kind] for kind in till.received if kind.startswith("snapshot"))
            await till.at(await server.ask("publish"))
            rows = [
                ("connect to priced with, ms", f"{seconds * 1000:.0f}"),
                ("bytes of the snapshot", f"{snapshot:,}"),
                ("bytes of a change of one promotion", f"{till.received['delta']:,}"),
            ]
        return table((f"one till, {LARGE} promotions", "value"), rows)


def tables() -> Iterator[str]:
    """What `make bench B=streams` prints."""
    yield asyncio.run(first())
    yield asyncio.run(fan_out())


def _promotion(number: int, percent: int) -> Promotion:
    return percent_off(f"p{number}", percent)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
