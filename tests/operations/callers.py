"""Callers that call again and again without a pause and try nothing twice, and how their calls ended.

They wait for a connection. Otherwise gRPC fails every call at once for about a second after a new connection
was refused, as those are that a killed process hadn't accepted yet.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc.aio

from tests.evaluation.requests import CALL_SECONDS, EVALUATE, BareMethod

OK = grpc.StatusCode.OK.name


@dataclass
class Outcomes:
    """How calls ended, by the name of their status."""

    ended: bool = False
    count: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> Counter[str]:
        return Counter({name: count for name, count in self.count.items() if name != OK})

    async def more_good_ones(self, number: int) -> None:
        """Waits until so many more calls went well."""
        wanted = self.count[OK] + number
        while self.count[OK] < wanted:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def calling(address: str, request: bytes, *, channels: int, each: int) -> AsyncIterator[Outcomes]:
    """Evaluates over so many connections, with so many calls at a time on each."""
    outcomes = Outcomes()

    async def go_on(channel: grpc.aio.Channel) -> None:
        evaluate: BareMethod = channel.unary_unary(EVALUATE)
        while not outcomes.ended:
            try:
                await evaluate(request, timeout=CALL_SECONDS, wait_for_ready=True)
                outcomes.count[OK] += 1
            except grpc.aio.AioRpcError as error:
                outcomes.count[error.code().name] += 1
                await asyncio.sleep(0.01)

    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        opened = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
            for _ in range(channels)
        ]
        tasks = [asyncio.create_task(go_on(channel)) for channel in opened for _ in range(each)]
        try:
            yield outcomes
        finally:
            outcomes.ended = True
            await asyncio.gather(*tasks)
