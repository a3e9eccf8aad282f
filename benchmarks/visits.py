"""What tills of a shop ask of a server: each comes, prices carts, sells, takes back, and is gone."""

from __future__ import annotations

import asyncio
import itertools
import time

import grpc
import grpc.aio
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.primitives_pb2 import PHASE_ORDER
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.redemption_service_pb2 import (
    RedeemRequest,
    RedeemResponse,
    ReleaseRequest,
    ReserveRequest,
    ReserveResponse,
    ReturnRequest,
)
from google.protobuf.message import Message

from benchmarks.callers import Method
from benchmarks.catalogue import bills
from benchmarks.messages import request
from benchmarks.stream_tills import SYNC, Open, connected

AT_ONCE = 8
"""Tills that come and go beside each other."""

DEVICES = 50
"""Different tills among those that come and go."""

BILLS, LINES = 50, 5
CARTS = 5
"""How many carts a till prices before it sells one."""

CALLS = 1 + CARTS + 4
"""Of a visit: the stream, the carts, two of an order that is let go, two of one that comes back."""

CALL_SECONDS = 60.0
"""A busy machine may take long."""

PAUSE_SECONDS = 0.5
"""Before a call is sent again that found no database, or one whose locks others had for too long."""

SERVICES = "/dealwright.v1."
LIMITED = "limited"
USES_MAX = 10**12


def limited(percent: int) -> Promotion:
    """What every order gets, and counts, without ever reaching the limit."""
    promotion = Promotion(id=LIMITED, rule_language=1)
    promotion.name.add(language="en", text=LIMITED)
    promotion.percent_discount.percent_off_ppm = percent * 10_000
    promotion.percent_discount.phase = PHASE_ORDER
    promotion.limits.max_uses = USES_MAX
    return promotion


class Visits:
    """Tills that come and go for a while."""

    def __init__(self, address: str, token: str, store_id: str) -> None:
        self._address = address
        self._token = token
        self._numbers = itertools.count(1)
        self._carts = [request(bill).cart for bill in bills(BILLS, LINES)]
        for cart in self._carts:
            cart.store_id = store_id
        self.count = 0
        """Those that are over."""
        self.repeated = 0
        """Calls that were sent again."""

    async def until(self, end: float) -> None:
        """Goes on until then, in monotonic seconds. A call that is refused ends it."""

        async def go_on() -> None:
            while time.monotonic() < end:
                await self._visit(next(self._numbers))
                self.count += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(go_on())

    async def _visit(self, number: int) -> None:
        # Otherwise all channels to one address would share one connection.
        own = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(self._address, own) as channel:
            sync: Open = channel.stream_stream(SYNC)
            stream = await connected(sync, self._token, f"visitor-{number % DEVICES}")
            await stream.read()
            for each in range(CARTS):
                priced = EvaluateRequest(cart=self._carts[(number + each) % BILLS])
                await self._call(channel, "EvaluationService/Evaluate", priced)
            cart = self._carts[number % BILLS]
            name = f"order-{number}"
            reserve = ReserveRequest(idempotency_key=name, order_id=f"{name}-reserved", cart=cart)
            reserved = ReserveResponse.FromString(
                await self._call(channel, "RedemptionService/Reserve", reserve)
            )
            await self._call(
                channel,
                "RedemptionService/Release",
                ReleaseRequest(
                    idempotency_key=f"{name}-release", redemption_id=reserved.redemption.redemption_id
                ),
            )
            redeem = RedeemRequest(idempotency_key=f"{name}-redeem", order_id=name, cart=cart)
            redeemed = RedeemResponse.FromString(
                await self._call(channel, "RedemptionService/Redeem", redeem)
            )
            returned = ReturnRequest(
                idempotency_key=f"{name}-return", redemption_id=redeemed.redemption.redemption_id
            )
            returned.returned.add(line_id=cart.lines[0].id, quantity=1)
            await self._call(channel, "RedemptionService/Return", returned)
            stream.cancel()

    async def _call(self, channel: grpc.aio.Channel, method: str, message: Message) -> bytes:
        call: Method = channel.unary_unary(SERVICES + method)
        metadata = (("authorization", f"Bearer {self._token}"),)
        end = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return await call(message.SerializeToString(), timeout=CALL_SECONDS, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                    raise
            self.repeated += 1
            await asyncio.sleep(PAUSE_SECONDS)
