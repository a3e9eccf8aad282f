"""Many orders that want something of one limit at once share a transaction, its locks and its write to disk.

While a batch of a limit is on its way, what comes in waits and is the next batch. So a single order never
waits for company, and the more there are, the larger the batches become.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.exc import DBAPIError

from server.db.engine import DatabaseUnavailable
from server.redemption.limits import Account
from server.redemption.placing import Placed, Placement

BATCH_MAX = 64
"""Orders in one transaction; more would hold its locks for longer than they save."""

TRIES_MAX = 3
"""How often a transaction is tried that met another, or whose connection was lost."""

PAUSE_SECONDS = 0.02
"""The longest pause before the next try, doubled with each."""

Place = Callable[[Sequence[Placement]], list[Placed]]
Run = Callable[[Place, Sequence[Placement]], Awaitable[list[Placed]]]
Waiting = tuple[Placement, asyncio.Future[Placed]]


class Batcher:
    """Collects placements by the limit that most orders want, and places them."""

    def __init__(self, place: Place, run: Run, batched: Callable[[int], None]) -> None:
        self._place = place
        self._run = run
        self._batched = batched
        self._lanes: dict[Account | None, deque[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, placement: Placement) -> Placed:
        """The answer of the database to a placement."""
        future: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        hottest = max(placement.needs, key=lambda account: account.lock_order, default=None)
        lane = self._lanes.get(hottest)
        if lane is not None:
            lane.append((placement, future))
        else:
            self._lanes[hottest] = deque([(placement, future)])
            # Of no call: a batch is of many.
            task = asyncio.create_task(self._empty(hottest), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _empty(self, hottest: Account | None) -> None:
        lane = self._lanes[hottest]
        while lane:
            batch = [lane.popleft() for _ in range(min(len(lane), BATCH_MAX))]
            self._batched(len(batch))
            await self._answer(batch)
        del self._lanes[hottest]

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            answers = await self._placed([placement for placement, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                # One of them can't be stored; the others shall not suffer from it.
                for waiting in batch:
                    await self._answer([waiting])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _placed(self, placements: Sequence[Placement]) -> list[Placed]:
        """Tries again what met another transaction: the keys make sure that it takes effect once."""
        for attempt in range(1, TRIES_MAX):
            try:
                return await self._run(self._place, placements)
            except (DatabaseUnavailable, DBAPIError):
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * 2**attempt))
        return await self._run(self._place, placements)
