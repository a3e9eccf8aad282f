"""A server under load: closed and open loops, beside an echo on a server of the same kind.

The company has 1 000 promotions, the cart 20 lines. Server and callers share the processors of one machine,
so that throughput is that of both together; ratios are what to look at, and what a call takes of the server's
processor. Echo and Evaluate take turns, each alone.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import grpc
import grpc.aio
from dealwright.v1.redemption_service_pb2 import RedeemRequest

from benchmarks.callers import Callers, Load
from benchmarks.catalogue import bills
from benchmarks.markdown import Cell, table
from benchmarks.messages import request
from benchmarks.ratios import Ratio
from benchmarks.stream_servers import Installation, Server, installed
from benchmarks.streams import following

PROMOTIONS, LINES = 1000, 20

EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"
REDEEM = "/dealwright.v1.RedemptionService/Redeem"
ECHO = "/benchmark.Bare/Echo"

AT_A_TIME = (1, 8, 32, 128)
USUAL, MANY = 8, 32
SECONDS = 3.0
ROUNDS = 3
"""How often echo and Evaluate take turns at each concurrency; the medians are shown."""

OVERLOAD = 3.0
RECOVERY_SECONDS = 5.0
PUBLISH_SECONDS = 1.0
TILLS, REDEEMING = 50, 2
"""Of mixed traffic: tills on rule streams, and orders at a time."""

ORDERS = 5000
"""More than are redeemed in the time."""

REPLACING_SECONDS = 15.0


async def echo_server() -> None:
    """An echo that answers as many bytes as its request begins with."""

    async def echo(request: bytes, context: Any) -> bytes:
        return bytes(int.from_bytes(request[:4], "big"))

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark.Bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}", "metrics": ""}), flush=True)
    await server.wait_for_termination()


@contextmanager
def _echoing() -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.terminate()


@dataclass(frozen=True)
class Rounds:
    """Loads of one kind, with what a call took of the server's processor in each, in microseconds."""

    loads: list[Load] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    async def add(self, server: Server, callers: Callers, at_a_time: int) -> None:
        before = server.processor_seconds
        load = await callers.closed_loop(at_a_time, SECONDS / ROUNDS)
        self.loads.append(load)
        self.processor.append((server.processor_seconds - before) / load.ends.total() * 1e6)

    @property
    def per_second(self) -> float:
        return statistics.median(load.per_second for load in self.loads)

    def percentile(self, share: float) -> float:
        return statistics.median(load.percentile(share) for load in self.loads)


@dataclass(frozen=True)
class Level:
    """Echo and Evaluate with so many calls at a time, in turns."""

    at_a_time: int
    echo: Rounds = field(default_factory=Rounds)
    evaluate: Rounds = field(default_factory=Rounds)

    def row(self) -> tuple[Cell, ...]:
        return (
            self.at_a_time,
            self.echo.per_second,
            self.evaluate.per_second,
            self.evaluate.per_second / self.echo.per_second,
            self.echo.percentile(0.5),
            self.echo.percentile(0.99),
            self.evaluate.percentile(0.5),
            self.evaluate.percentile(0.99),
            statistics.median(self.echo.processor),
            statistics.median(self.evaluate.processor),
        )


class Bench:
    """The loads that were measured."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._token = installation.tokens[0]
        asked = request(bills(1, LINES)[0])
        asked.cart.store_id = installation.stores[0]
        self._cart = asked.cart
        self._request = asked.SerializeToString()
        self.levels: list[Level] = []
        self.loads: list[tuple[str, Load]] = []

    async def measure(self) -> None:
        with ExitStack() as stack:
            echo = stack.enter_context(_echoing())
            (server,) = stack.enter_context(self._installation.serving(1))
            evaluating = stack.enter_context(self._evaluating(server))
            await evaluating.closed_loop(USUAL, 1.0)
            size = len(await self._answer(server.address))
            body = size.to_bytes(4, "big") + bytes(len(self._request) - 4)
            echoing = stack.enter_context(Callers(echo.address, ECHO, [body]))
            for at_a_time in AT_A_TIME:
                _say(f"{at_a_time} at a time, echo and Evaluate in turns")
                level = Level(at_a_time)
                for _ in range(ROUNDS):
                    await level.echo.add(echo, echoing, at_a_time)
                    await level.evaluate.add(server, evaluating, at_a_time)
                self.levels.append(level)
            await self._measure_trouble(server, evaluating)
        await self._measure_workers()

    async def _measure_trouble(self, server: Server, evaluating: Callers) -> None:
        await self._note(f"calm, {USUAL} at a time", evaluating)
        with self._published_each_second():
            await self._note("a publication each second", evaluating)
            with following(self._installation, server, 0, TILLS, 0) as tills:
                tills.arrived()
                mixed = f"{TILLS} tills on streams, orders and a publication each second beside"
                _say(mixed)
                with Callers(server.address, REDEEM, self._orders(), self._token) as redeeming:
                    priced, redeemed = await asyncio.gather(
                        evaluating.closed_loop(USUAL, SECONDS), redeeming.closed_loop(REDEEMING, SECONDS)
                    )
                self.loads += [(mixed, priced), (f"these orders, {REDEEMING} at a time", redeemed)]
        await self._note(f"{MANY} at a time", evaluating, MANY)
        capacity = self.loads[-1][1].per_second
        _say("three times as many")
        loaded = await evaluating.open_loop(OVERLOAD * capacity, SECONDS)
        self.loads.append(("an open loop of three times as many", loaded))
        await asyncio.sleep(RECOVERY_SECONDS)
        await self._note(f"five seconds later, {USUAL} at a time", evaluating)

    async def _measure_workers(self) -> None:
        for count in ("1", "2"):
            options = ("--workers", count)
            with (
                self._installation.serving(1, *options, DEALWRIGHT_CONNECTION_SECONDS="2") as (supervisor,),
                self._evaluating(supervisor) as callers,
            ):
                await callers.closed_loop(USUAL, 1.0)
                await self._note(f"{count} of `--workers`, {MANY} at a time", callers, MANY)
                supervisor.confine_workers()
                await self._note(f"the same, each on one processor, {MANY} at a time", callers, MANY)
                if count == "2":
                    supervisor.replace_workers()
                    name = f"both are replaced, {USUAL} at a time"
                    await self._note(name, callers, seconds=REPLACING_SECONDS)

    async def _note(
        self, name: str, callers: Callers, at_a_time: int = USUAL, seconds: float = SECONDS
    ) -> None:
        _say(name)
        self.loads.append((name, await callers.closed_loop(at_a_time, seconds)))

    def _evaluating(self, server: Server) -> Callers:
        return Callers(server.address, EVALUATE, [self._request])

    def _orders(self) -> list[bytes]:
        names = (f"order-{number}" for number in range(ORDERS))
        return [
            RedeemRequest(idempotency_key=name, order_id=name, cart=self._cart).SerializeToString()
            for name in names
        ]

    async def _answer(self, address: str) -> bytes:
        async with grpc.aio.insecure_channel(address) as channel:
            evaluate: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EVALUATE)
            return await evaluate(self._request)

    @contextmanager
    def _published_each_second(self) -> Iterator[None]:
        ended = threading.Event()

        def publish() -> None:
            while not ended.wait(PUBLISH_SECONDS):
                self._installation.publish()

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            yield
        finally:
            ended.set()
            publishing.join()


def _say(what: str) -> None:
    """Progress, beside the tables."""
    print(f"load: {what}", file=sys.stderr, flush=True)


@cache
def _measured() -> Bench:
    _say(f"a company with {PROMOTIONS} promotions")
    with installed(PROMOTIONS, 1) as installation:
        bench = Bench(installation)
        asyncio.run(bench.measure())
        return bench


def tables() -> Iterator[str]:
    bench = _measured()
    yield table(
        (
            "calls at a time",
            "echo/s",
            "Evaluate/s",
            "to echo",
            "echo p50 ms",
            "p99 ms",
            "Evaluate p50 ms",
            "p99  ms",
            "echo processor us",
            "Evaluate processor us",
        ),
        [level.row() for level in bench.levels],
    )
    yield table(
        ("load", "answered/s", "p50 ms", "p99 ms", "failed"),
        [
            (name, load.per_second, load.percentile(0.5), load.percentile(0.99), load.failed)
            for name, load in bench.loads
        ],
    )


RATIOS: tuple[Ratio, ...] = ()
"""None is watched: what a machine does beside weighs more on percentiles than a change would."""


if __name__ == "__main__":
    asyncio.run(echo_server())
