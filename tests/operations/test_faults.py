"""Faults of the database and of the way to it, while a server prices and grants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateResponse
from dealwright.v1.redemption_service_pb2 import RedeemRequest
from sqlalchemy import Engine, make_url

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.runtime.app import Application
from tests.access.calls import bearer, serving, token_for
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, BareMethod, call, details, latte_request
from tests.operations.proxy import Proxy, database_through

REDEEM = "/dealwright.v1.RedemptionService/Redeem"
WAIT_SECONDS = 60.0
HELD_SECONDS = 1.0
"""How long a caller waits for a database that doesn't answer."""


@dataclass
class Shop:
    """A server whose way to the database can be disturbed."""

    application: Application
    channel: grpc.aio.Channel
    network: Proxy
    token: str
    orders: int = 0

    async def price(self) -> int:
        """The discount on two lattes."""
        answer = await call(self.channel, EVALUATE, latte_request().SerializeToString())
        return int(EvaluateResponse.FromString(answer).result.totals.discount_minor)

    async def redeem(self, seconds: float = WAIT_SECONDS) -> str:
        """How another order ends: OK, or status and reason."""
        self.orders += 1
        name = f"order-{self.orders}"
        request = RedeemRequest(idempotency_key=name, order_id=name, cart=latte_request().cart)
        method: BareMethod = self.channel.unary_unary(REDEEM)
        try:
            await method(request.SerializeToString(), timeout=seconds, metadata=bearer(self.token))
        except grpc.aio.AioRpcError as error:
            given_up = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return error.code().name if given_up else f"{error.code().name} {details(error)[0].reason}"
        return "OK"

    async def until_redeemed(self) -> None:
        """Waits until the server has found its database again."""
        async with asyncio.timeout(WAIT_SECONDS):
            while await self.redeem() != "OK":
                await asyncio.sleep(0.05)

    async def until_active(self, revision: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not (active := self.application.holder.active) or active.revision < revision:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def shop(url: str, database: Engine, definitions: Definitions) -> AsyncIterator[Shop]:
    token = token_for(database, "till", Role.DEVICE)
    definitions.publish("kopi", Publication([percent_off("offer", 10)]))
    async with database_through(url) as (engine, network), serving(engine) as (application, channel):
        yield Shop(application, channel, network, token)
        network.mend()


@pytest.mark.fault(
    "PostgreSQL gone", "carts are priced, redemptions UNAVAILABLE at once; all is back by itself"
)
async def test_a_database_that_is_gone(database_url: str, database: Engine, definitions: Definitions) -> None:
    async with shop(database_url, database, definitions) as served:
        before = await served.redeem()
        served.network.cut()
        gone = [await served.redeem(), await served.price(), await served.redeem(), served.application.ready]
        definitions.publish("kopi", Publication([percent_off("offer", 20)]))
        served.network.mend()
        await served.until_redeemed()
        await served.until_active(2)
        after = await served.price()

    assert before == "OK"
    assert gone == ["UNAVAILABLE DATABASE_UNAVAILABLE", 500_000, "UNAVAILABLE DATABASE_UNAVAILABLE", True]
    assert after == 1_000_000


@pytest.mark.fault(
    "network half open", "carts are priced, redemptions end at their deadline; all is back by itself"
)
async def test_a_network_that_swallows_what_is_sent(
    database_url: str, database: Engine, definitions: Definitions
) -> None:
    async with shop(database_url, database, definitions) as served:
        assert await served.redeem() == "OK"
        served.network.hold()
        held = [await served.redeem(HELD_SECONDS), await served.price(), await served.redeem(HELD_SECONDS)]
        served.network.mend()
        await served.until_redeemed()

    assert held == ["DEADLINE_EXCEEDED", 500_000, "DEADLINE_EXCEEDED"]


@pytest.mark.fault("PostgreSQL read-only", "carts are priced, redemptions UNAVAILABLE; back by itself")
async def test_a_database_that_may_only_be_read(
    database_url: str, database: Engine, definitions: Definitions
) -> None:
    """As after a switch to a replica."""
    name = make_url(database_url).database
    async with shop(database_url, database, definitions) as served:
        assert await served.redeem() == "OK"
        _run(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        served.network.mend()
        read_only = [await _settled(served), await served.price()]
        _run(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
        served.network.mend()
        await served.until_redeemed()

    assert read_only == ["UNAVAILABLE DATABASE_UNAVAILABLE", 500_000]


@pytest.mark.fault("PostgreSQL without disk", "carts are priced, redemptions UNAVAILABLE; back by itself")
async def test_a_database_whose_disk_is_full(
    database_url: str, database: Engine, definitions: Definitions
) -> None:
    """A trigger says what PostgreSQL says when a table can't grow any more."""
    async with shop(database_url, database, definitions) as served:
        assert await served.redeem() == "OK"
        _run(
            database,
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$",
        )
        _run(database, "CREATE TRIGGER full_disk BEFORE INSERT ON redemption EXECUTE FUNCTION full_disk()")
        full = [await served.redeem(), await served.price()]
        _run(database, "DROP TRIGGER full_disk ON redemption")
        emptied = await served.redeem()

    assert full == ["UNAVAILABLE DATABASE_UNAVAILABLE", 500_000]
    assert emptied == "OK"


async def _settled(served: Shop) -> str:
    """How orders end once every connection is a new one."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (end := await served.redeem()) == "OK":
            await asyncio.sleep(0.05)
    return end


def _run(database: Engine, statement: str) -> None:
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(statement)
