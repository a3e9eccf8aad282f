"""What a transport takes of the server's processor: an empty echo, and the engine behind a bare handler,
served by an event loop of Python, by the same on uvloop, by pools of threads, and from Rust.

Each has a process of its own; they take turns. The company has 1 000 promotions, the cart 20 lines.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import uvloop
from dealwright_engine import Ruleset

from benchmarks.callers import NATIVE, Callers
from benchmarks.catalogue import rules
from benchmarks.markdown import table
from benchmarks.messages import requests, ruleset
from benchmarks.ratios import Ratio
from benchmarks.stream_servers import Said, processor_seconds

SERVICE = "benchmark.Bare"
ECHO, ENGINE = f"/{SERVICE}/Echo", f"/{SERVICE}/Engine"
SIZE_BYTES = 4
"""An echo's request begins with the size of the response that it wants."""

PROMOTIONS, LINES, CARTS = 1000, 20, 50
AT_A_TIME = 32

REGISTERED = 98
"""Methods that nobody calls; so many a server of ours has."""

SECONDS = 1.0
ROUNDS = 7

Kind = Callable[[Path], None]


def main() -> None:
    """One server process: what of, and the file with its ruleset."""
    kind, file = sys.argv[1:]
    KINDS[kind](Path(file))


def _loop(file: Path) -> None:
    asyncio.run(_on_a_loop(_compiled(file)))


def _registered(file: Path) -> None:
    asyncio.run(_on_a_loop(_compiled(file), REGISTERED))


def _uvloop(file: Path) -> None:
    uvloop.run(_on_a_loop(_compiled(file)))


def _compiled(file: Path) -> Ruleset:
    return Ruleset.compile(file.read_bytes())


async def _on_a_loop(compiled: Ruleset, registered: int = 0) -> None:
    async def echo(request: bytes, context: Any) -> bytes:
        return bytes(int.from_bytes(request[:SIZE_BYTES], "big"))

    async def engine(request: bytes, context: Any) -> bytes:
        return compiled.evaluate(request, time.time_ns())

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handlers(echo, engine),))
    idle: Any = grpc.unary_unary_rpc_method_handler(echo)
    server.add_registered_method_handlers(SERVICE, {f"Idle{number}": idle for number in range(registered)})
    _say(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


def _threads(count: int) -> Kind:
    def serve(file: Path) -> None:
        compiled = _compiled(file)

        def echo(request: bytes, context: Any) -> bytes:
            return bytes(int.from_bytes(request[:SIZE_BYTES], "big"))

        def engine(request: bytes, context: Any) -> bytes:
            return compiled.evaluate(request, time.time_ns())

        server = grpc.server(ThreadPoolExecutor(count))
        server.add_generic_rpc_handlers((_handlers(echo, engine),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        _say(port)
        sys.stdin.read()
        server.stop(None).wait()

    return serve


def _handlers(echo: Any, engine: Any) -> grpc.GenericRpcHandler:
    methods = {"Echo": echo, "Engine": engine}
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _say(port: int) -> None:
    print(f"127.0.0.1:{port}", flush=True)


LOOP, METHODS, UVLOOP = "loop", "methods", "uvloop"
ONE, FOUR, RUST = "one-thread", "four-threads", "rust"
KINDS: dict[str, Kind] = {
    LOOP: _loop,
    METHODS: _registered,
    UVLOOP: _uvloop,
    ONE: _threads(1),
    FOUR: _threads(4),
}
NAMES = {
    LOOP: "event loop (grpc.aio)",
    METHODS: f"event loop with {REGISTERED} registered methods",
    UVLOOP: "event loop of uvloop",
    ONE: "pool of one thread",
    FOUR: "pool of four threads",
    RUST: "Rust (tonic), one thread",
}


@dataclass
class Rounds:
    """Calls a second, and microseconds of the server's processor a call, of each round."""

    per_second: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    async def add(self, server: psutil.Process, callers: Callers) -> None:
        before = processor_seconds(server)
        load = await callers.closed_loop(AT_A_TIME, SECONDS)
        self.per_second.append(load.per_second)
        self.processor.append((processor_seconds(server) - before) / load.ends.total() * 1e6)

    @property
    def medians(self) -> tuple[float, float]:
        """Without the first round, which is for warming up."""
        return statistics.median(self.per_second[1:]), statistics.median(self.processor[1:])


async def measure(file: Path) -> dict[tuple[str, str], Rounds]:
    """Both methods of every kind, in turns."""
    carts = requests(CARTS, LINES)
    compiled = _compiled(file)
    sizes = [len(compiled.evaluate(cart, 0)) for cart in carts]
    echoes = [
        size.to_bytes(SIZE_BYTES, "big") + bytes(len(cart) - SIZE_BYTES)
        for size, cart in zip(sizes, carts, strict=True)
    ]
    with ExitStack() as stack:
        calling = []
        for kind in NAMES:
            process, address = stack.enter_context(_served(kind, file))
            for method, asked in ((ECHO, echoes), (ENGINE, carts)):
                callers = stack.enter_context(Callers(address, method, asked))
                calling.append((kind, method, process, callers))
        found = {(kind, method): Rounds() for kind, method, _, _ in calling}
        for number in range(ROUNDS):
            print(f"transports: round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
            for kind, method, process, callers in calling:
                await found[kind, method].add(process, callers)
        return found


@contextmanager
def _served(kind: str, file: Path) -> Iterator[tuple[psutil.Process, str]]:
    python = (sys.executable, "-m", "benchmarks.transports", kind)
    command = [*((NATIVE / "serve",) if kind == RUST else python), file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield psutil.Process(process.pid), Said(process).next().strip()
        finally:
            process.terminate()


def tables() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ruleset"
        file.write_bytes(ruleset(rules(PROMOTIONS)))
        found = asyncio.run(measure(file))
    _, least = found[LOOP, ENGINE].medians
    yield table(
        (
            "served by",
            "echo/s",
            "echo, processor us",
            "with the engine/s",
            "with the engine, processor us",
            "to the event loop",
        ),
        [
            (
                name,
                *found[kind, ECHO].medians,
                *found[kind, ENGINE].medians,
                found[kind, ENGINE].medians[1] / least,
            )
            for kind, name in NAMES.items()
        ],
    )


RATIOS: tuple[Ratio, ...] = ()
"""None is promised: it is what the libraries cost."""


if __name__ == "__main__":
    main()
