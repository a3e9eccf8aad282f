"""What a redemption costs: one hot budget in batches, beside the naive transaction and beside plain inserts.

All contenders write to the same PostgreSQL, in turns. The figures to watch are the ratios.
"""

import asyncio
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from dealwright.grants import Grant
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from sqlalchemy import Connection, Engine, text

from benchmarks.markdown import table
from benchmarks.ratios import Measured, Ratio
from server.db.embedded import EmbeddedPostgres
from server.db.engine import connect
from server.db.migrate import upgrade
from server.redemption.batching import Batcher
from server.redemption.limits import Account
from server.redemption.placing import Placed, Placement, place

CLIENTS = 128
"""Orders that want the same budget at once."""

THREADS = 16
"""Connections of the contenders that have one for each client."""

SECONDS = 2.0
ROUNDS = 3
SINGLE_CALLS = 200

LIMIT = 10**15
COST = 1000

_numbers = itertools.count()


@dataclass(frozen=True)
class Row:
    """How many orders a second a contender granted, in the median of the rounds."""

    contender: str
    per_second: float


@cache
def _measured() -> tuple[list[Row], float, float]:
    """All contenders in turns; then a single order through the batcher, and its bare statement, in ms."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as embedded:
        engine = connect(embedded.url())
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE plain (id uuid PRIMARY KEY, order_id text, cost bigint)"))
            connection.execute(text("CREATE TABLE naive_budget (id int PRIMARY KEY, used int8, lim int8)"))
            connection.execute(text("INSERT INTO naive_budget VALUES (1, 0, 1000000000000000)"))
        contenders: dict[str, Callable[[], float]] = {
            "batches": lambda: asyncio.run(_batched(engine)),
            "naive transaction": lambda: _threaded(engine, _naive),
            "plain inserts": lambda: _threaded(engine, _plain),
        }
        rounds = [{name: run() for name, run in contenders.items()} for _ in range(ROUNDS)]
        rows = [Row(name, statistics.median(one[name] for one in rounds)) for name in contenders]
        single, bare = asyncio.run(_single(engine))
        engine.dispose()
    return rows, single, bare


def _placement() -> Placement:
    number = next(_numbers)
    account = Account("offer", "budget", "IDR", "IDR")
    request = EvaluateRequest()
    request.cart.lines.add(id="latte", product_id="latte", quantity=1, unit_price_minor=2_500_000)
    return Placement(
        id=uuid4(),
        principal="till",
        token_id="",
        key=f"key-{number}",
        method="Redeem",
        request_hash=bytes(32),
        store_id="menteng",
        order_id=f"order-{number}",
        customer_id="",
        revision=1,
        currency_code="IDR",
        discount_minor=COST,
        payable_minor=2_500_000 - COST,
        lifetime_seconds=None,
        request=request.SerializeToString(),
        result=bytes(400),
        response=bytes(600),
        granted=[Grant("offer", COST, COST)],
        needs={account: COST},
        limits={account: LIMIT},
    )


def _place(engine: Engine) -> Callable[[Sequence[Placement]], list[Placed]]:
    def run(batch: Sequence[Placement]) -> list[Placed]:
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            return place(connection, "kopi", batch)

    return run


async def _batched(engine: Engine) -> float:
    """Clients that each send their next order when the last is answered."""
    batcher = Batcher(_place(engine), asyncio.to_thread, lambda size: None)
    end = time.monotonic() + SECONDS

    async def client() -> int:
        done = 0
        while time.monotonic() < end:
            await batcher.submit(_placement())
            done += 1
        return done

    begin = time.monotonic()
    done = sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))
    return done / (time.monotonic() - begin)


def _threaded(engine: Engine, order: Callable[[Engine], None]) -> float:
    """Clients with a thread and a connection each."""
    end = time.monotonic() + SECONDS
    done: list[int] = []
    lock = threading.Lock()

    def client() -> None:
        count = 0
        while time.monotonic() < end:
            order(engine)
            count += 1
        with lock:
            done.append(count)

    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(THREADS):
            threads.submit(client)
    return sum(done) / (time.monotonic() - begin)


def _naive(engine: Engine) -> None:
    """A transaction of several round trips, that holds the budget's lock for all of them."""
    with engine.begin() as connection:
        row = connection.execute(text("SELECT used, lim FROM naive_budget WHERE id = 1 FOR UPDATE")).one()
        if row.used + COST <= row.lim:
            connection.execute(
                text("UPDATE naive_budget SET used = used + :cost WHERE id = 1"), {"cost": COST}
            )
            _insert(connection)


def _plain(engine: Engine) -> None:
    """What no limit stands in the way of: a row in a table."""
    with engine.begin() as connection:
        _insert(connection)


def _insert(connection: Connection) -> None:
    connection.execute(
        text("INSERT INTO plain VALUES (:id, :order_id, :cost)"),
        {"id": uuid4(), "order_id": f"order-{next(_numbers)}", "cost": COST},
    )


async def _single(engine: Engine) -> tuple[float, float]:
    """The median of one order at a time, in milliseconds: through the batcher, and the statement alone."""
    run = _place(engine)
    batcher = Batcher(run, asyncio.to_thread, lambda size: None)
    through, alone = [], []
    for _ in range(SINGLE_CALLS):
        placement = _placement()
        begin = time.perf_counter()
        await batcher.submit(placement)
        through.append(time.perf_counter() - begin)
        placement = _placement()
        begin = time.perf_counter()
        run([placement])
        alone.append(time.perf_counter() - begin)
    return statistics.median(through) * 1e3, statistics.median(alone) * 1e3


def tables() -> Iterator[str]:
    rows, single, bare = _measured()
    yield table(("one hot budget", "orders a second"), [(row.contender, row.per_second) for row in rows])
    yield table(("one order at a time", "median ms"), [("batcher", single), ("bare statement", bare)])


def _beside(contender: str) -> Callable[[], Measured]:
    def seconds() -> Measured:
        rows = {row.contender: row.per_second for row in _measured()[0]}
        return Measured(1 / rows["batches"], 1 / rows[contender])

    return seconds


def _latency() -> Measured:
    _, single, bare = _measured()
    return Measured(single, bare)


RATIOS = (
    Ratio("time of an order in batches to the naive transaction's", _beside("naive transaction"), wanted=0.2),
    Ratio("time of an order in batches to a plain insert's", _beside("plain inserts"), wanted=2.0),
    Ratio("one order at a time to its bare statement", _latency, wanted=2.0),
)
