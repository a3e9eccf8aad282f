"""Many orders at once, of clients that send again what they don't know the outcome of."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from dealwright.v1.redemption_pb2 import ON_REFUSED_DECLINE
from dealwright.v1.redemption_service_pb2 import RedeemRequest, RedeemResponse

from tests.access.calls import bearer
from tests.redemption.histories import Operation, Seen
from tests.redemption.shop import name, redeem_request

METHOD = "/dealwright.v1.RedemptionService/Redeem"
ANSWER_SECONDS = 20.0
"""How long one attempt may take; the outcome is unknown after it."""
PATIENCE_SECONDS = 300.0
"""How long a client goes on sending a call again."""
UNKNOWN_OUTCOMES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)


class Crowd:
    """Clients with a channel to each of several servers, and what they saw."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], token: str) -> None:
        self.channels = list(channels)
        self.answers: list[bytes] = []
        self.history: list[Operation] = []
        self._metadata = bearer(token)

    async def rush(self, requests: Sequence[RedeemRequest]) -> int:
        """Sends all requests from one barrier, over the servers in turn, and says how many were granted."""
        barrier = asyncio.Barrier(len(requests))
        firsts = itertools.cycle(range(len(self.channels)))
        granted = await asyncio.gather(*(self._order(request, next(firsts), barrier) for request in requests))
        return sum(granted)

    async def _order(self, request: RedeemRequest, first: int, barrier: asyncio.Barrier) -> bool:
        await barrier.wait()
        invoked = time.monotonic()
        answer = await self._insist(request.SerializeToString(), first)
        response = RedeemResponse.FromString(answer)
        granted = response.HasField("redemption")
        seen = Seen.GRANTED if granted else Seen.REFUSED
        self.history.append(Operation(invoked, time.monotonic(), seen))
        if granted:
            self.answers.append(answer)
        return granted

    async def _insist(self, request: bytes, first: int) -> bytes:
        """Sends a call until its outcome is known, to another server each time."""
        end = time.monotonic() + PATIENCE_SECONDS
        for attempt in itertools.count(first):
            channel = self.channels[attempt % len(self.channels)]
            bare: Any = channel.unary_unary(METHOD)
            try:
                answer: bytes = await bare(request, metadata=self._metadata, timeout=ANSWER_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() not in UNKNOWN_OUTCOMES or time.monotonic() > end:
                    raise
                await asyncio.sleep(0.05)
            else:
                return answer
        raise AssertionError


def orders(count: int, code: str = "", voucher: str = "", **how: Any) -> list[RedeemRequest]:
    """Orders of different customers, unless a customer is named, that are off when something is refused."""
    made = []
    for number in range(count):
        request = redeem_request(**{"customer": f"customer-{number}", **how})
        request.on_refused = ON_REFUSED_DECLINE
        if code:
            request.cart.codes.append(code)
        if voucher:
            name(request, voucher)
        made.append(request)
    return made
