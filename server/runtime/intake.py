"""Which calls are taken: while the server runs all that there is room for, when it begins to stop those on
their way, then none.
"""

import asyncio
import time
from typing import Any

import grpc.aio

from server.runtime.errors import RETRY_SECONDS, Stopping, TooMany
from server.runtime.metrics import Metrics

QUIET_SECONDS = 0.05
"""Without a call for so long, none is on its way any more."""

LEAD_SECONDS = 1.0
"""How long calls are still taken at most; by then callers that watch health have turned elsewhere."""

POLL_SECONDS = 0.01

PRICING_MAX = 512
"""How many carts are priced at a time. More would be answered after their callers had given up."""

REDEMPTIONS_MAX = 1024
"""How many redemptions are on their way. More pile up only when the database is slow or away."""


class Intake:
    """Counts the calls that were taken and those that aren't answered yet."""

    def __init__(self) -> None:
        self.unanswered = 0
        self._taken = 0
        self._closed = False

    def take(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Lets a call in, or refuses it. It counts until its answer is written."""
        if self._closed:
            raise Stopping
        self._taken += 1
        self.unanswered += 1
        context.add_done_callback(self._answered)  # type: ignore[arg-type] # the stub wants a class

    async def close(self) -> None:
        """Takes what is on its way, then nothing more, and waits for the answers."""
        end = time.monotonic() + LEAD_SECONDS
        before = -1
        while before != self._taken and time.monotonic() < end:
            before = self._taken
            await asyncio.sleep(QUIET_SECONDS)
        self._closed = True
        while self.unanswered:
            await asyncio.sleep(POLL_SECONDS)

    def _answered(self, _: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.unanswered -= 1


class Room:
    """Room for so many calls of one kind at a time; a call that finds none is refused at once.

    Without it a database that hangs would fill the memory with calls that wait for it. Health, streams and
    what people do have no such bound: who mends things mustn't find the door shut.
    """

    def __init__(self, intake: Intake, kind: str, calls_max: int, metrics: Metrics) -> None:
        self._intake = intake
        self._calls_max = calls_max
        self._kind = kind
        self._unanswered = 0
        self._shed = metrics.shed.labels(kind)
        metrics.unanswered.labels(kind).set_function(lambda: self._unanswered)

    def take(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Lets a call in, or refuses it."""
        if self._unanswered >= self._calls_max:
            self._shed.inc()
            raise TooMany(
                "OVERLOADED",
                f"this server has {self._calls_max} {self._kind} calls on their way; try again or elsewhere",
                retry_seconds=RETRY_SECONDS,
                kind=self._kind,
            )
        self._intake.take(context)
        self._unanswered += 1
        context.add_done_callback(self._answered)  # type: ignore[arg-type] # the stub wants a class

    def _answered(self, _: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._unanswered -= 1
