"""What a call costs beyond the transport: server CPU of Evaluate, of an empty echo of the same sizes, and of
a bare handler that calls the engine.

All run in one server process, in turns, with the same client. What Evaluate costs above the bare handler is
ours: metrics, access, draining. What that costs above the echo is the engine in a process where the transport
takes the processor's caches at each call, and the transport after the engine has done so.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import truediv
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio

from benchmarks.markdown import table
from benchmarks.ratios import Measured, Ratio
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.documents import read_cart, read_definitions
from server.runtime import logs
from server.runtime.app import Application
from server.runtime.settings import Address, Settings

DEMO = Path(__file__).parents[1] / "examples" / "demo"
CARTS = ("01-sunday-family", "08-gold-dinner", "15-almost-free-delivery")

EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"
ECHO = "/benchmark.Bare/Echo"
ENGINE = "/benchmark.Bare/Engine"
LOOP = "/benchmark.Bare/Loop"
SPENT = "/benchmark.Bare/Spent"

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

HANDLER_WANTED = 1.2
ROUNDS = 60
CALLS = 200
CONCURRENCY = 8
LOOPS = 20
SIZE_BYTES = 4
"""An echo's request begins with the size of the response that it wants."""


@dataclass(frozen=True)
class Row:
    """The figures of one cart, in microseconds of server CPU a call."""

    cart: str
    request_bytes: int
    response_bytes: int
    loop: float
    echo: float
    bare: float
    evaluate: float
    to_bare: float
    to_echo: float


async def serve() -> None:
    """The server process: the real application, and a bare echo on a port of its own."""
    logs.configure(level="error")
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        found = read_definitions([DEMO / "company.yaml", DEMO / "promotions"])
        Definitions(engine).publish("sinar-rasa", Publication(found.promotions, settings=found.settings))
        any_port = Address("127.0.0.1", 0)
        application = Application(Settings(grpc_address=any_port, metrics_address=any_port), engine)
        await application.start()
        bare, port = await _start_bare(application)
        print(
            json.dumps({"evaluate": str(application.grpc_address), "bare": f"127.0.0.1:{port}"}), flush=True
        )
        await asyncio.to_thread(sys.stdin.read)
        await bare.stop(None)
        await application.stop()
        engine.dispose()


async def _start_bare(application: Application) -> tuple[grpc.aio.Server, int]:
    if application.holder.active is None:
        raise RuntimeError("no ruleset is loaded")
    ruleset = application.holder.active.ruleset

    async def echo(request: bytes, context: Any) -> bytes:
        return bytes(int.from_bytes(request[:SIZE_BYTES], "big"))

    async def engine(request: bytes, context: Any) -> bytes:
        return ruleset.evaluate(request, time.time_ns())

    async def loop(request: bytes, context: Any) -> bytes:
        times = timeit.repeat(lambda: ruleset.evaluate(request, 0), number=CALLS, repeat=LOOPS)
        return repr(min(times) / CALLS * 1e6).encode()

    async def spent(request: bytes, context: Any) -> bytes:
        return repr(time.process_time()).encode()

    methods = {"Echo": echo, "Engine": engine, "Loop": loop, "Spent": spent}
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark.Bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def measure(where: dict[str, str]) -> list[Row]:
    """Every cart, in turns of echo, bare handler and Evaluate."""
    async with (
        grpc.aio.insecure_channel(where["evaluate"]) as evaluating,
        grpc.aio.insecure_channel(where["bare"]) as bare,
    ):
        return [await _measure_cart(name, evaluating, bare) for name in CARTS]


async def _measure_cart(name: str, evaluating: grpc.aio.Channel, bare: grpc.aio.Channel) -> Row:
    request = read_cart(DEMO / "carts" / f"{name}.yaml").request.SerializeToString()
    evaluate: Method = evaluating.unary_unary(EVALUATE)
    echo: Method = bare.unary_unary(ECHO)
    engine: Method = bare.unary_unary(ENGINE)
    loop: Method = bare.unary_unary(LOOP)
    spent: Method = bare.unary_unary(SPENT)
    response: bytes = await evaluate(request)
    echo_request = len(response).to_bytes(SIZE_BYTES, "big") + bytes(len(request) - SIZE_BYTES)
    if len(await echo(echo_request)) != len(response):
        raise RuntimeError("the echo doesn't have the size of the response")

    contenders = ((echo, echo_request), (engine, request), (evaluate, request))

    async def block(method: Method, body: bytes) -> float:
        before = float(await spent(b""))
        await _call_many(method, body)
        return (float(await spent(b"")) - before) / CALLS * 1e6

    rounds = [[await block(*contender) for contender in contenders] for _ in range(ROUNDS + 1)]
    # The first round is for warming up.
    by_echo, by_bare, by_evaluate = zip(*rounds[1:], strict=True)
    return Row(
        name,
        len(request),
        len(response),
        loop=float(await loop(request)),
        echo=statistics.median(by_echo),
        bare=statistics.median(by_bare),
        evaluate=statistics.median(by_evaluate),
        to_bare=statistics.median(map(truediv, by_evaluate, by_bare)),
        to_echo=statistics.median(map(truediv, by_evaluate, by_echo)),
    )


async def _call_many(method: Method, body: bytes) -> None:
    async def some() -> None:
        for _ in range(CALLS // CONCURRENCY):
            await method(body)

    await asyncio.gather(*(some() for _ in range(CONCURRENCY)))


@cache
def _rows() -> list[Row]:
    """Starts the server process and measures."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transport"],
        # Starting PostgreSQL forks, which gRPC would remark on.
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        return asyncio.run(measure(json.loads(process.stdout.readline() if process.stdout else "")))
    finally:
        process.communicate(timeout=60)


def tables() -> Iterator[str]:
    titles = (
        "cart",
        "request bytes",
        "response bytes",
        "engine in a loop",
        "echo us",
        "bare us",
        "Evaluate us",
        "to bare",
        "to echo",
    )
    yield table(
        titles,
        [
            (
                row.cart,
                row.request_bytes,
                row.response_bytes,
                row.loop,
                row.echo,
                row.bare,
                row.evaluate,
                row.to_bare,
                row.to_echo,
            )
            for row in _rows()
        ],
    )


def _beside_bare() -> Measured:
    row = max(_rows(), key=lambda row: row.to_bare)
    return Measured(row.to_bare * row.bare, row.bare)


def _beside_echo() -> Measured:
    row = max(_rows(), key=lambda row: row.to_echo)
    return Measured(row.to_echo * row.echo, row.echo)


RATIOS = (
    Ratio("Evaluate to a bare handler with the engine", _beside_bare, wanted=HANDLER_WANTED),
    Ratio("Evaluate to echo", _beside_echo),
)


if __name__ == "__main__":
    asyncio.run(serve())
