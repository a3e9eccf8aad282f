"""Use cases after a sale: price it again, compare revisions, and compute refunds."""

import time
from collections.abc import Callable
from typing import TypeVar

from dealwright.v1.evaluation_service_pb2 import CompareRequest, RefundRequest, ReplayRequest
from google.protobuf.message import DecodeError, Message

from server.evaluation.revisions import Revisions
from server.evaluation.threads import in_engine_thread
from server.runtime.metering import Timer
from server.runtime.metrics import Metrics

M = TypeVar("M", bound=Message)


class AfterSale:
    """Answers for what was priced at any revision: bytes of a request in, bytes of a response out."""

    def __init__(self, revisions: Revisions, metrics: Metrics) -> None:
        self._revisions = revisions
        self._seconds = {
            method: metrics.evaluation_seconds.timer(method) for method in ("Replay", "Compare", "Refund")
        }

    async def replay(self, request: bytes) -> bytes:
        ruleset = await self._revisions.ruleset(_read(ReplayRequest, request).revision)
        return await _timed(lambda: ruleset.replay(request), self._seconds["Replay"])

    async def compare(self, request: bytes) -> bytes:
        asked = _read(CompareRequest, request)
        before = await self._revisions.ruleset(asked.revision_before)
        after = await self._revisions.ruleset(asked.revision_after)
        return await _timed(lambda: before.compare(after, request, time.time_ns()), self._seconds["Compare"])

    async def refund(self, request: bytes) -> bytes:
        ruleset = await self._revisions.ruleset(_read(RefundRequest, request).sale.revision)
        return await _timed(lambda: ruleset.refund(request), self._seconds["Refund"])


def _read(message_type: type[M], request: bytes) -> M:
    """The request, for its revision alone; what can't be read is left to the engine to refuse."""
    try:
        return message_type.FromString(request)
    except DecodeError:
        return message_type()


async def _timed(answer: Callable[[], bytes], timer: Timer) -> bytes:
    begin = time.perf_counter()
    response = await in_engine_thread(answer)
    timer.observe(time.perf_counter() - begin)
    return response
