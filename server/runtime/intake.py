"""Which calls are taken: all while the server runs, those on their way when it begins to stop, then none."""

import asyncio
import time
from typing import Any

import grpc.aio

from server.runtime.errors import Stopping

QUIET_SECONDS = 0.05
"""Without a call for so long, none is on its way any more."""

LEAD_SECONDS = 1.0
"""How long calls are still taken at most; by then callers that watch health have turned elsewhere."""

POLL_SECONDS = 0.01


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
