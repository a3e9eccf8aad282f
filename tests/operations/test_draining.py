"""A server that is told to stop answers what reached it, refuses what comes later, and cuts nobody off."""

import asyncio
import signal
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.definitions.service import Definitions, Publication
from tests.definitions.samples import percent_off
from tests.evaluation.requests import EVALUATE, EXPLAIN, call, details, latte_request
from tests.operations.processes import WAIT_SECONDS, running

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
OK = grpc.StatusCode.OK.name
STOPPING = "STOPPING"


@dataclass
class Callers:
    """Callers that call again and again without a pause, and how their calls ended."""

    signalled: bool = False
    ended: bool = False
    before: Counter[str] = field(default_factory=Counter)
    """Calls that began before the signal, by how they ended."""
    after: Counter[str] = field(default_factory=Counter)

    async def go_on(self, channel: grpc.aio.Channel, method: str, request: bytes) -> None:
        while not self.ended:
            ends = self.after if self.signalled else self.before
            try:
                await call(channel, method, request)
                ends[OK] += 1
            except grpc.aio.AioRpcError as error:
                ends[_outcome(error)] += 1
                await asyncio.sleep(0.001)


def _outcome(error: grpc.aio.AioRpcError) -> str:
    """The reason that the server gave, or the status that the caller's library found."""
    return details(error)[0].reason if error.trailing_metadata() else error.code().name


async def test_no_call_is_cut_off_when_the_server_stops(database_url: str, definitions: Definitions) -> None:
    definitions.publish("kopi", Publication([percent_off("ten", 10)]))
    small = latte_request().SerializeToString()
    large = latte_request(lines=5_000).SerializeToString()
    callers = Callers()
    with running("serve", DEALWRIGHT_DATABASE_URL=database_url) as (process, where):
        async with AsyncExitStack() as stack:
            options = [("grpc.use_local_subchannel_pool", 1)]
            channels = [
                await stack.enter_async_context(grpc.aio.insecure_channel(where["grpc"], options=options))
                for _ in range(4)
            ]
            health: Any = health_pb2_grpc.HealthStub(channels[0])
            watch = health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=WAIT_SECONDS)
            seen = [(await watch.read()).status]
            tasks = [
                asyncio.create_task(callers.go_on(channel, method, request))
                for channel in channels
                for method, request in (*[(EVALUATE, small)] * 4, (EXPLAIN, large))
            ]
            async with asyncio.timeout(WAIT_SECONDS):
                while callers.before[OK] < 100:
                    await asyncio.sleep(0.01)
                callers.signalled = True
                process.send_signal(signal.SIGTERM)
                seen.append((await watch.read()).status)
                refused_by_then = callers.after[STOPPING]
                while process.poll() is None:
                    await asyncio.sleep(0.01)
            callers.ended = True
            await asyncio.gather(*tasks)

    assert process.returncode == 0
    assert seen == [SERVING, NOT_SERVING]
    assert refused_by_then == 0
    assert set(callers.before) == {OK}
    assert callers.after[STOPPING] > 0
    assert set(callers.after) <= {OK, STOPPING, grpc.StatusCode.UNAVAILABLE.name}
