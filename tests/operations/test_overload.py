"""A server that has more to do than it can: what it refuses, what it goes on with, and that it recovers."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright import connection
from dealwright.v1.redemption_service_pb2 import RedeemRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.evaluation.threads import in_engine_thread
from server.runtime import app, transport
from server.runtime.app import Application
from server.runtime.settings import Settings
from tests.access.calls import bearer, serving, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, EXPLAIN, BareMethod, call, details, latte_request

REDEEM = "/dealwright.v1.RedemptionService/Redeem"
HEALTH = "/grpc.health.v1.Health/Check"
ROOM = 4
WAIT_SECONDS = 60.0
MANY, FEW = 600, 20
REFUSED = MANY - transport.QUEUED_MAX - 1
"""All but those that wait, and the one that the event loop has been given."""


@contextmanager
def stalled(database: Engine) -> Iterator[None]:
    """A database in which nothing can be redeemed for the time being."""
    with database.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE redemption IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@asynccontextmanager
async def small(
    database: Engine, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Application, grpc.aio.Channel, str]]:
    """A server with room for few calls, and a token."""
    monkeypatch.setattr(app, "PRICING_MAX", ROOM)
    monkeypatch.setattr(app, "REDEMPTIONS_MAX", ROOM)
    token = token_for(database, "till", Role.DEVICE)
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    async with serving(database) as (application, channel):
        yield application, channel, token


async def redeem(channel: grpc.aio.Channel, token: str, number: int) -> str:
    """How an order ends."""
    request = RedeemRequest(
        idempotency_key=f"key-{number}", order_id=f"order-{number}", cart=latte_request().cart
    )
    try:
        method: BareMethod = channel.unary_unary(REDEEM)
        await method(request.SerializeToString(), timeout=WAIT_SECONDS, metadata=bearer(token))
    except grpc.aio.AioRpcError as error:
        info, _ = details(error)
        return f"{error.code().name} {info.reason} {info.metadata['kind']}"
    return "OK"


@pytest.mark.fault(
    "PostgreSQL hangs", "small and large carts are priced, so many redemptions wait, more RESOURCE_EXHAUSTED"
)
async def test_redemptions_that_find_no_room_are_refused_and_the_rest_goes_on(
    database: Engine, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = latte_request(lines=5_000).SerializeToString()
    async with small(database, definitions, monkeypatch) as (application, channel, token):
        value = application.metrics.registry.get_sample_value
        with stalled(database):
            orders = [asyncio.create_task(redeem(channel, token, number)) for number in range(ROOM + 3)]
            async with asyncio.timeout(WAIT_SECONDS):
                while sum(order.done() for order in orders) < 3:
                    await asyncio.sleep(0.01)
            waiting = value("dealwright_calls_unanswered", {"kind": "redemption"})
            # Neither small nor large carts wait for the database, nor does who asks for health.
            await call(channel, EVALUATE, latte_request().SerializeToString())
            await call(channel, EXPLAIN, large)
            stub: Any = health_pb2_grpc.HealthStub(channel)
            health = await stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_SECONDS)
        ends = Counter(await asyncio.gather(*orders))
        later = await redeem(channel, token, ROOM + 3)

    assert waiting == ROOM
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert ends == {"OK": ROOM, "RESOURCE_EXHAUSTED OVERLOADED redemption": 3}
    assert later == "OK"
    assert value("dealwright_calls_shed_total", {"kind": "redemption"}) == 3
    assert value("dealwright_calls_unanswered", {"kind": "redemption"}) == 0


@pytest.mark.fault(
    "more carts in one moment than a process answers in a tenth of a second",
    "the rest ends with CANCELLED at once, all other calls are answered",
)
async def test_beyond_a_full_queue_carts_are_refused_at_once_and_nothing_else_is(
    application: Application, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    request = latte_request().SerializeToString()
    checked = health_pb2.HealthCheckRequest().SerializeToString()
    ended = threading.Semaphore(0)
    with grpc.insecure_channel(str(application.grpc_address)) as line:
        evaluate: Any = line.unary_unary(EVALUATE)
        check: Any = line.unary_unary(HEALTH)
        await asyncio.to_thread(evaluate, request, timeout=WAIT_SECONDS)
        carts = [evaluate.future(request, timeout=WAIT_SECONDS) for _ in range(MANY)]
        for cart in carts:
            cart.add_done_callback(lambda _: ended.release())
        checks = [check.future(checked, timeout=WAIT_SECONDS) for _ in range(FEW)]
        # The event loop stands still, as when it has too much to do: what ends now has gRPC refused.
        end = time.monotonic() + WAIT_SECONDS
        meanwhile = sum(ended.acquire(timeout=max(0.0, end - time.monotonic())) for _ in range(REFUSED))
        carts_ended = Counter([await asyncio.to_thread(_code_of, each) for each in carts])
        checks_ended = Counter([await asyncio.to_thread(_code_of, each) for each in checks])

    assert meanwhile == REFUSED
    assert set(carts_ended) == {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED}
    assert carts_ended[grpc.StatusCode.CANCELLED] >= REFUSED
    assert checks_ended == {grpc.StatusCode.OK: FEW}


async def test_a_call_costs_the_same_however_many_methods_there_are(application: Application) -> None:
    await asyncio.sleep(0)

    # grpc.aio has a task for each queue, and looks at all of them at each call.
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    queues = Counter(name for name in names if name.startswith("AioServer._request_"))
    assert queues == {"AioServer._request_call": 1, "AioServer._request_registered_call": len(app.APART)}


def test_grpc_knows_each_option() -> None:
    # What it doesn't know it ignores.
    spec = find_spec("grpc._cython.cygrpc")
    library = Path(spec.origin if spec and spec.origin else "").read_bytes()
    of_server = transport.options(Settings(), shared=True)
    assert [name for name, _ in (*of_server, *connection.OPTIONS) if name.encode() not in library] == []


async def test_carts_that_find_no_room_are_refused_at_once(
    database: Engine, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = latte_request(lines=10_000).SerializeToString()
    async with small(database, definitions, monkeypatch) as (application, channel, _):
        ends: Counter[str] = Counter()

        async def explain() -> None:
            try:
                await call(channel, EXPLAIN, large)
                ends["OK"] += 1
            except grpc.aio.AioRpcError as error:
                ends[f"{error.code().name} {details(error)[0].reason}"] += 1

        await asyncio.gather(*(explain() for _ in range(10 * ROOM)))
        await call(channel, EVALUATE, latte_request().SerializeToString())
        shed = application.metrics.registry.get_sample_value(
            "dealwright_calls_shed_total", {"kind": "pricing"}
        )

    assert set(ends) == {"OK", "RESOURCE_EXHAUSTED OVERLOADED"}
    assert ends["OK"] >= ROOM
    assert shed == ends["RESOURCE_EXHAUSTED OVERLOADED"]


async def test_a_cart_whose_caller_has_given_up_is_not_priced(
    application: Application, channel: grpc.aio.Channel, definitions: Definitions
) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    await application.holder.refresh()
    go_on = threading.Event()
    begun = [asyncio.create_task(_occupy(go_on)) for _ in range(64)]
    await asyncio.sleep(0)
    try:
        explain: BareMethod = channel.unary_unary(EXPLAIN)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await explain(latte_request().SerializeToString(), timeout=0.5)
    finally:
        go_on.set()
        await asyncio.gather(*begun)
    await call(channel, EXPLAIN, latte_request().SerializeToString())

    value = application.metrics.registry.get_sample_value
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert value("dealwright_evaluation_seconds_count", {"method": "Explain"}) == 1


def _code_of(answer: Any) -> grpc.StatusCode:
    """How a call ends."""
    answer.exception()
    return answer.code()  # type: ignore[no-any-return]


async def _occupy(go_on: threading.Event) -> None:
    await in_engine_thread(go_on.wait, WAIT_SECONDS)
