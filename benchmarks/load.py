"""A server under load: closed and open loops, beside an echo on a server of the same kind.

Server and callers share the processors of one machine, so that throughput is that of both together; ratios
are what to look at. Echo and Evaluate take turns, each alone.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.callers import Callers, Load
from benchmarks.markdown import Cell, table
from benchmarks.ratios import Ratio
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.definitions.service import Definitions, Publication
from server.documents import read_cart, read_definitions

DEMO = Path(__file__).parents[1] / "examples" / "demo"
CART = DEMO / "carts" / "01-sunday-family.yaml"
COMPANY = "sinar-rasa"
DEALWRIGHT = Path(sys.executable).with_name("dealwright")

EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"
ECHO = "/benchmark.Bare/Echo"

AT_A_TIME = (1, 8, 32, 128)
USUAL = 8
SECONDS = 4.0
OVERLOAD = 3.0
RECOVERY_SECONDS = 5.0
PUBLISH_SECONDS = 1.0


async def echo_server() -> None:
    """An echo that answers as many bytes as its request begins with."""

    async def echo(request: bytes, context: Any) -> bytes:
        return bytes(int.from_bytes(request[:4], "big"))

    server = grpc.aio.server()
    server.add_registered_method_handlers(
        "benchmark.Bare", {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)
    await server.wait_for_termination()


@contextmanager
def _process(*command: str, **variables: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server as a process, and where it answers."""
    with subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline() if process.stdout else "")["grpc"]
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def _serving(url: str, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    with tempfile.TemporaryDirectory() as folder:
        ports = {f"DEALWRIGHT_{name}_ADDRESS": "127.0.0.1:0" for name in ("GRPC", "METRICS", "ADMIN")}
        settings = {
            "DEALWRIGHT_DATABASE_URL": url,
            "DEALWRIGHT_DATA_DIR": folder,
            "DEALWRIGHT_LOG_LEVEL": "error",
        }
        quick = {"DEALWRIGHT_CONNECTION_SECONDS": "2"} if options else {}
        with _process(str(DEALWRIGHT), "serve", "--json", *options, **ports, **settings, **quick) as running:
            yield running


class Bench:
    """A database with the demo company, and the loads that were measured."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.definitions = Definitions(connect(url))
        self.demo = read_definitions([DEMO / "company.yaml", DEMO / "promotions"])
        self.definitions.publish(COMPANY, Publication(self.demo.promotions, settings=self.demo.settings))
        self.request = read_cart(CART).request.SerializeToString()
        self.levels: list[tuple[int, Load, Load]] = []
        self.publishing: tuple[Load, Load] | None = None
        self.overload: tuple[Load, Load] | None = None
        self.workers: tuple[Load, Load] | None = None
        self.replacement: Load | None = None

    async def measure(self) -> None:
        with ExitStack() as servers:
            _, echo = servers.enter_context(_process(sys.executable, "-m", "benchmarks.load"))
            _, one = servers.enter_context(_serving(self.url))
            evaluating = Callers(one, EVALUATE, self.request)
            await evaluating.closed_loop(USUAL, 1.0)
            size = len(await self._answer(one))
            echoing = Callers(echo, ECHO, size.to_bytes(4, "big") + bytes(len(self.request) - 4))
            for at_a_time in AT_A_TIME:
                self.levels.append(
                    (
                        at_a_time,
                        await echoing.closed_loop(at_a_time, SECONDS),
                        await evaluating.closed_loop(at_a_time, SECONDS),
                    )
                )
            await echoing.close()
            calm = await evaluating.closed_loop(USUAL, SECONDS)
            with self._published_each_second():
                self.publishing = (calm, await evaluating.closed_loop(USUAL, SECONDS))
            loaded = await evaluating.open_loop(OVERLOAD * calm.per_second, SECONDS)
            await asyncio.sleep(RECOVERY_SECONDS)
            self.overload = (loaded, await evaluating.closed_loop(USUAL, SECONDS))
            await evaluating.close()
        await self._measure_workers()

    async def _measure_workers(self) -> None:
        loads = []
        for count in ("1", "2"):
            with _serving(self.url, "--workers", count) as (supervisor, address):
                callers = Callers(address, EVALUATE, self.request)
                await callers.closed_loop(USUAL, 1.0)
                loads.append(await callers.closed_loop(AT_A_TIME[-2], SECONDS))
                if count == "2":
                    supervisor.send_signal(signal.SIGHUP)
                    self.replacement = await callers.closed_loop(USUAL, 5 * SECONDS)
                await callers.close()
        self.workers = (loads[0], loads[1])

    async def _answer(self, address: str) -> bytes:
        async with grpc.aio.insecure_channel(address) as channel:
            evaluate: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EVALUATE)
            return await evaluate(self.request)

    @contextmanager
    def _published_each_second(self) -> Iterator[None]:
        """A promotion of which nobody has anything changes once a second."""
        ended = threading.Event()

        def publish() -> None:
            changed = self.demo.promotions[0]
            number = 0
            while not ended.wait(PUBLISH_SECONDS):
                number += 1
                del changed.labels[:]
                changed.labels.add(name="benchmark", text=str(number))
                self.definitions.publish(COMPANY, Publication([changed]))

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            yield
        finally:
            ended.set()
            publishing.join()


@cache
def _measured() -> Bench:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        engine.dispose()
        bench = Bench(embedded.url())
        asyncio.run(bench.measure())
        return bench


def _row(name: str, load: Load) -> tuple[Cell, ...]:
    return (name, load.per_second, load.percentile(0.5), load.percentile(0.99), load.failed)


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
        ),
        [
            (
                at_a_time,
                echo.per_second,
                evaluate.per_second,
                evaluate.per_second / echo.per_second,
                echo.percentile(0.5),
                echo.percentile(0.99),
                evaluate.percentile(0.5),
                evaluate.percentile(0.99),
            )
            for at_a_time, echo, evaluate in bench.levels
        ],
    )
    if bench.publishing and bench.overload and bench.workers and bench.replacement:
        rows = (
            ("calm, 8 at a time", bench.publishing[0]),
            ("a publication each second", bench.publishing[1]),
            ("three times as many calls as it answers", bench.overload[0]),
            ("five seconds later, 8 at a time", bench.overload[1]),
            ("one worker, 32 at a time", bench.workers[0]),
            ("two workers, 32 at a time", bench.workers[1]),
            ("two workers while they are replaced, 8 at a time", bench.replacement),
        )
        yield table(
            ("load", "answered/s", "p50 ms", "p99 ms", "failed"), [_row(name, load) for name, load in rows]
        )


RATIOS: tuple[Ratio, ...] = ()
"""None is watched: what a machine does beside weighs more on percentiles than a change would."""


if __name__ == "__main__":
    asyncio.run(echo_server())
