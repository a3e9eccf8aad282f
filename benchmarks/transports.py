"""What gRPC itself takes of the server's processor, by how Python serves it: an echo on an event loop, and in
pools of threads. What remains for an evaluation to cost is beside it.

One server process has them all, each on a port of its own; they take turns.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from benchmarks.callers import Callers
from benchmarks.markdown import table
from benchmarks.ratios import Ratio

ECHO = "/benchmark.Bare/Echo"
SPENT = "/benchmark.Bare/Spent"
REQUEST_BYTES = 450
"""Of a cart of 20 lines."""

THREADS = (1, 4)
AT_A_TIME = 32
SECONDS = 1.0
ROUNDS = 7

LOOP = "event loop (grpc.aio)"
NAMES = (LOOP, *(f"pool of threads, {threads}" for threads in THREADS))


async def serve() -> None:
    """All servers in one process; says where each is."""

    async def echo(request: bytes, context: Any) -> bytes:
        return request

    def echo_in_thread(request: bytes, context: Any) -> bytes:
        return request

    def spent(request: bytes, context: Any) -> bytes:
        return repr(time.process_time()).encode()

    options = [("grpc.so_reuseport", 0)]
    servers: list[Any] = [grpc.aio.server(options=options)]
    servers += [grpc.server(ThreadPoolExecutor(threads), options=options) for threads in THREADS]
    where = {}
    for name, server in zip(NAMES, servers, strict=True):
        methods = {"Echo": echo if name == LOOP else echo_in_thread, "Spent": spent}
        handlers: dict[str, Any] = {
            key: grpc.unary_unary_rpc_method_handler(method) for key, method in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark.Bare", handlers),))
        where[name] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await servers[0].start()
    for server in servers[1:]:
        server.start()
    print(json.dumps(where), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await servers[0].stop(None)
    for server in servers[1:]:
        server.stop(None).wait()


async def measure(where: dict[str, str]) -> dict[str, list[tuple[float, float]]]:
    """Calls a second, and microseconds of the server's processor a call, of each round."""
    callers = {name: Callers(address, ECHO, lambda: bytes(REQUEST_BYTES)) for name, address in where.items()}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in where}
    async with grpc.aio.insecure_channel(where[LOOP]) as channel:
        spent: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SPENT)
        for _ in range(ROUNDS):
            for name, calling in callers.items():
                before = float(await spent(b""))
                load = await calling.closed_loop(AT_A_TIME, SECONDS)
                processor = float(await spent(b"")) - before
                rounds[name].append((load.per_second, processor / load.ends.total() * 1e6))
    for calling in callers.values():
        await calling.close()
    return rounds


def tables() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.transports"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            rounds = asyncio.run(measure(json.loads(process.stdout.readline() if process.stdout else "")))
        finally:
            process.communicate(timeout=60)
    # The first round is for warming up.
    yield table(
        ("an empty echo served by", "calls/s", "server processor us a call"),
        [
            (name, *(statistics.median(figures) for figures in zip(*found[1:], strict=True)))
            for name, found in rounds.items()
        ],
    )


RATIOS: tuple[Ratio, ...] = ()
"""None is promised: it is what the library costs."""


if __name__ == "__main__":
    asyncio.run(serve())
