"""Callers of a server: some that wait for each answer, and some that call at a rate whatever comes back."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
import grpc.aio

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

CONNECTIONS = 4
OK = grpc.StatusCode.OK.name
DEADLINE_SECONDS = 10.0


@dataclass
class Load:
    """What callers saw: how calls ended, and how long those took that went well."""

    seconds: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    taken: list[tuple[float, float]] = field(default_factory=list)
    """When a call began, in seconds since the first, and its milliseconds."""

    @property
    def per_second(self) -> float:
        return self.ends[OK] / self.seconds

    @property
    def failed(self) -> int:
        return self.ends.total() - self.ends[OK]

    def percentile(self, share: float, since: float = 0.0) -> float:
        """Milliseconds; of calls that began after so many seconds."""
        times = sorted(taken for begun, taken in self.taken if begun >= since)
        return times[math.ceil(share * len(times)) - 1] if times else math.nan


class Callers:
    """Several connections to a method."""

    def __init__(self, address: str, method: str, request: Callable[[], bytes], token: str = "") -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CONNECTIONS)]
        self._methods: Sequence[Method] = [channel.unary_unary(method) for channel in self._channels]
        self._request = request
        self._metadata = (("authorization", f"Bearer {token}"),) if token else None

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def closed_loop(self, at_a_time: int, seconds: float) -> Load:
        """So many calls at a time, each followed by the next one."""
        load, begin = Load(), time.perf_counter()

        async def go_on(number: int) -> None:
            while time.perf_counter() - begin < seconds:
                await self._call(number, load, begin, time.perf_counter())

        await asyncio.gather(*(go_on(number) for number in range(at_a_time)))
        load.seconds = time.perf_counter() - begin
        return load

    async def open_loop(self, per_second: float, seconds: float) -> Load:
        """So many calls a second. A call's time counts from when it was due."""
        load, begin, calls = Load(), time.perf_counter(), []
        for number in range(round(per_second * seconds)):
            due = begin + number / per_second
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif number % 16 == 0:
                await asyncio.sleep(0)
            calls.append(asyncio.create_task(self._call(number, load, begin, due)))
        await asyncio.gather(*calls)
        load.seconds = time.perf_counter() - begin
        return load

    async def _call(self, number: int, load: Load, begin: float, due: float) -> None:
        try:
            method = self._methods[number % CONNECTIONS]
            await method(self._request(), timeout=DEADLINE_SECONDS, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            load.ends[error.code().name] += 1
            return
        load.ends[OK] += 1
        load.taken.append((due - begin, (time.perf_counter() - due) * 1000))
