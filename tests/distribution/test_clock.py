"""The wall clock of a server is set while it serves: prices go by it, and nothing else does."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import pytest
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.redemption_pb2 import REDEMPTION_STATE_COMMITTED
from dealwright.v1.redemption_service_pb2 import CommitRequest
from dealwright.v1.result_pb2 import Result
from sqlalchemy import Engine

from server.actors import Role, local_actor
from server.definitions.service import Definitions, Publication
from server.distribution.keys import read_root_key
from server.distribution.operations import Operations
from server.redemption import invariants
from tests.access.calls import ask, bearer, token_for
from tests.definitions.samples import percent_off
from tests.distribution.test_streams import publish
from tests.distribution.tills import WAIT_SECONDS, following
from tests.evaluation.requests import EVALUATE, latte_request
from tests.operations.clocks import Clock
from tests.operations.processes import running
from tests.redemption.shop import COMPANY, Till, granted, limited, redeem_request, reserve_request, settings

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is of Linux"),
]

HOUR = 3600
POLL_SECONDS = 0.05
LIMIT = 5
"""How many orders get the limited promotion: the one that is reserved at first, and four."""


def around(now: datetime) -> list[Promotion]:
    """One that ended half an hour ago, one that begins in half an hour, and one that is always in force."""
    ended, coming = percent_off("ended", 10), percent_off("coming", 10)
    ended.schedule.end_time.FromDatetime(now - timedelta(minutes=30))
    coming.schedule.start_time.FromDatetime(now + timedelta(minutes=30))
    return [ended, coming, limited("limited", max_uses=LIMIT)]


class Prices:
    """What carts get of a server, with and without an instant of their own."""

    def __init__(self, channel: grpc.aio.Channel, token: str, now: datetime) -> None:
        self._channel = channel
        self._metadata = bearer(token)
        self._pinned = latte_request()
        self._pinned.evaluate_time.FromDatetime(now)
        self._open = latte_request()
        self._open.ClearField("evaluate_time")

    async def at(self, revision: int) -> list[set[str]]:
        """At the server's time, and at the instant that the test began."""
        # A server tells tills of a revision and prices with it one after the other.
        async with asyncio.timeout(WAIT_SECONDS):
            while (await self._result(self._open)).revision < revision:
                await asyncio.sleep(POLL_SECONDS)
        results = [await self._result(request) for request in (self._open, self._pinned)]
        return [{each.promotion_id for each in result.applications} for result in results]

    async def _result(self, request: EvaluateRequest) -> Result:
        answer = await ask(self._channel, EVALUATE, request.SerializeToString(), metadata=self._metadata)
        return EvaluateResponse.FromString(answer).result


@pytest.mark.fault(
    "clock of a server set, an hour forward and back",
    "carts have the prices of the new time, or of their own; limits hold, reservations and streams stay",
)
async def test_the_clock_of_a_server_is_set(
    database_url: str, database: Engine, definitions: Definitions, keys_dir: Path, tmp_path: Path
) -> None:
    now, clock = datetime.now(UTC), Clock(tmp_path)
    definitions.publish(COMPANY, Publication(around(now), settings=settings()))
    token = token_for(database, "till", Role.DEVICE)
    operations = Operations(database, definitions)
    variables = {
        "DEALWRIGHT_DATABASE_URL": database_url,
        "DEALWRIGHT_KEYS_DIR": str(keys_dir),
        **clock.variables,
    }
    with running("serve", **variables) as (process, where):
        address = where["grpc"]
        async with (
            asyncio.timeout(4 * WAIT_SECONDS),
            grpc.aio.insecure_channel(address) as channel,
            following(address, token, read_root_key(keys_dir)) as till,
        ):
            prices, sells = Prices(channel, token, now), Till(channel, token)

            async def sold(orders: int) -> int:
                """How many of so many orders got the limited promotion."""
                answers = [await sells("Redeem", redeem_request()) for _ in range(orders)]
                return sum("limited" in granted(answer) for answer in answers)

            await till.at(1)
            reserve = reserve_request()
            reserved = await sells("Reserve", reserve)
            before = [*await prices.at(1), await sold(1)]

            clock.set_ahead(HOUR)
            forward = [*await prices.at(1), await sold(2)]
            commit = CommitRequest(idempotency_key="commit", redemption_id=reserved.redemption.redemption_id)
            committed = await sells("Commit", commit)
            publish(definitions, percent_off("second", 1))
            await till.at(2)

            clock.set_ahead(-HOUR)
            back = [*await prices.at(2), await sold(2)]
            again = await sells("Reserve", reserve)
            publish(definitions, percent_off("third", 1))
            operations.kill(local_actor(COMPANY), ["second"], "a wrong price")
            await till.at(3)
            await till.until(lambda till: till.follower.killed == {"second"})

        assert process.poll() is None

    assert before == [{"limited"}, {"limited"}, 1]
    assert forward == [{"coming", "limited"}, {"limited"}, 2]
    # The limit is reached with the first of two.
    assert back == [{"second", "ended", "limited"}, {"second", "limited"}, 1]
    assert again == reserved
    assert committed.redemption.state == REDEMPTION_STATE_COMMITTED
    assert (till.frames.count("welcome"), till.errors, till.goodbyes) == (1, [], [])
    assert list(map(str, invariants.check(database))) == []
