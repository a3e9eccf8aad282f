"""What a call costs beyond the transport: server CPU of Evaluate against an empty echo of the same sizes.

Both run in one server process, in turns, with the same client. The figures to watch are the ratios: without
the time inside the engine, which is what the handler adds to the transport, and with it.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
ECHO = "/benchmark.Echo/Echo"
SPENT = "/benchmark.Echo/Spent"

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

HANDLER_WANTED = 1.2
ROUNDS = 60
CALLS = 200
CONCURRENCY = 8
SIZE_BYTES = 4
"""An echo's request begins with the size of the response that it wants."""


@dataclass(frozen=True)
class Row:
    """The figures of one cart, in microseconds of server CPU a call."""

    cart: str
    request_bytes: int
    response_bytes: int
    echo: float
    evaluate: float
    engine: float
    handler_ratio: float
    ratio: float


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
        echo, port = await _start_echo(application)
        print(
            json.dumps({"evaluate": str(application.grpc_address), "echo": f"127.0.0.1:{port}"}), flush=True
        )
        await asyncio.to_thread(sys.stdin.read)
        await echo.stop(None)
        await application.stop()
        engine.dispose()


async def _start_echo(application: Application) -> tuple[grpc.aio.Server, int]:
    async def echo(request: bytes, context: Any) -> bytes:
        return bytes(int.from_bytes(request[:SIZE_BYTES], "big"))

    async def spent(request: bytes, context: Any) -> bytes:
        engine = application.metrics.registry.get_sample_value(
            "dealwright_evaluation_seconds_sum", {"method": "Evaluate"}
        )
        return json.dumps({"cpu": time.process_time(), "engine": engine}).encode()

    methods = {"Echo": echo, "Spent": spent}
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_registered_method_handlers("benchmark.Echo", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def measure(where: dict[str, str]) -> list[Row]:
    """Every cart in turns of echo and Evaluate."""
    async with (
        grpc.aio.insecure_channel(where["evaluate"]) as evaluating,
        grpc.aio.insecure_channel(where["echo"]) as echoing,
    ):
        return [await _measure_cart(name, evaluating, echoing) for name in CARTS]


async def _measure_cart(name: str, evaluating: grpc.aio.Channel, echoing: grpc.aio.Channel) -> Row:
    request = read_cart(DEMO / "carts" / f"{name}.yaml").request.SerializeToString()
    evaluate: Method = evaluating.unary_unary(EVALUATE)
    echo: Method = echoing.unary_unary(ECHO)
    spent: Method = echoing.unary_unary(SPENT)
    response: bytes = await evaluate(request)
    echo_request = len(response).to_bytes(SIZE_BYTES, "big") + bytes(len(request) - SIZE_BYTES)
    if len(await echo(echo_request)) != len(response):
        raise RuntimeError("the echo doesn't have the size of the response")

    async def block(method: Method, body: bytes) -> tuple[float, float]:
        before = json.loads(await spent(b""))
        await _call_many(method, body)
        after = json.loads(await spent(b""))
        cpu, engine = ((after[key] - before[key]) / CALLS * 1e6 for key in ("cpu", "engine"))
        return cpu, engine

    await block(echo, echo_request)
    await block(evaluate, request)
    pairs = [(await block(echo, echo_request), await block(evaluate, request)) for _ in range(ROUNDS)]
    return Row(
        name,
        len(request),
        len(response),
        echo=statistics.median(bare for (bare, _), _ in pairs),
        evaluate=statistics.median(cpu for _, (cpu, _) in pairs),
        engine=statistics.median(engine for _, (_, engine) in pairs),
        handler_ratio=statistics.median((cpu - engine) / bare for (bare, _), (cpu, engine) in pairs),
        ratio=statistics.median(cpu / bare for (bare, _), (cpu, _) in pairs),
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
        "echo us",
        "Evaluate us",
        "engine us",
        "handler",
        "whole",
    )
    yield table(
        titles,
        [
            (
                row.cart,
                row.request_bytes,
                row.response_bytes,
                row.echo,
                row.evaluate,
                row.engine,
                row.handler_ratio,
                row.ratio,
            )
            for row in _rows()
        ],
    )


def _dearest_handler() -> Measured:
    row = max(_rows(), key=lambda row: row.handler_ratio)
    return Measured(row.handler_ratio * row.echo, row.echo)


def _dearest_call() -> Measured:
    row = max(_rows(), key=lambda row: row.ratio)
    return Measured(row.ratio * row.echo, row.echo)


RATIOS = (
    Ratio("Evaluate to echo, without the engine", _dearest_handler, wanted=HANDLER_WANTED),
    Ratio("Evaluate to echo", _dearest_call),
)


if __name__ == "__main__":
    asyncio.run(serve())
