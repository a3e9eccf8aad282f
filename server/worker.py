"""The worker: what has to be done besides answering calls. Any number may run; each thing is done by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from server.db.alone import alone
from server.db.engine import plain_errors
from server.events import service as events
from server.events.service import Webhooks, connected
from server.keys.service import Pepper
from server.runtime.monitoring import Monitoring
from server.runtime.refreshing import keep_fresh
from server.vouchers.service import Vouchers

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from server.runtime.metrics import Metrics
    from server.runtime.settings import Address, Settings

log = structlog.get_logger()

DELIVER_SECONDS = 0.5
"""How long an event waits at most before it is sent for the first time."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again, by one worker at a time."""

    name: str
    seconds: float
    """About how long it is between two runs."""
    run: Callable[[], object]
    """It may be stopped anywhere, by kill -9 too, and the next run goes on."""


class Worker:
    """One process of the worker, or the part of one that does everything."""

    def __init__(
        self, settings: Settings, engine: Engine, metrics: Metrics, metrics_address: Address | None = None
    ) -> None:
        """With `metrics_address`, its metrics are served there: it is a process of its own."""
        self.metrics_address = metrics_address
        self._engine = engine
        self._metrics = metrics
        pepper = Pepper(settings, engine)
        self._webhooks = Webhooks(engine, pepper, inside=settings.webhook_addresses == "any")
        vouchers = Vouchers(engine, pepper)
        self._jobs = (
            Job("vouchers_making", 15, vouchers.make_unfinished),
            Job("vouchers_clean_up", 3600, vouchers.clean_up),
            Job("events_clean_up", 3600, self._webhooks.clean_up),
        )
        self._resources = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._monitoring: Monitoring | None = None

    async def start(self) -> None:
        """Begins to work."""
        if self.metrics_address is not None:
            self._monitoring = Monitoring(self.metrics_address, self._metrics.registry, lambda: True)
            self.metrics_address = self._monitoring.address
            self._monitoring.start()
        client = await self._resources.enter_async_context(connected())
        self._tasks = [
            self._repeat("deliveries", DELIVER_SECONDS, partial(self._deliver, client)),
            *(self._repeat(job.name, job.seconds, partial(self._run, job)) for job in self._jobs),
        ]

    async def drain(self) -> None:
        """Begins nothing more. What is on its way is done again by whoever works next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._resources.aclose()

    async def stop(self) -> None:
        """Drains and closes everything, for a process that goes on."""
        await self.drain()
        if self._monitoring is not None:
            await asyncio.to_thread(self._monitoring.stop)

    def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        async def once() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the next run comes
                self._metrics.job_runs.labels(name, "failed").inc()
                log.error("job_failed", job=name, error=f"{type(error).__name__}: {error}")
            else:
                self._metrics.job_runs.labels(name, "done").inc()

        work_on: Coroutine[Any, Any, None] = keep_fresh(once, seconds)
        return asyncio.create_task(work_on)

    async def _deliver(self, client: events.Client) -> None:
        def seen(outcome: str) -> None:
            self._metrics.webhook_attempts.labels(outcome).inc()

        while await self._webhooks.deliver(client, seen):
            pass

    async def _run(self, job: Job) -> None:
        def run() -> None:
            with plain_errors(self._engine), alone(self._engine, job.name) as mine:
                if mine:
                    job.run()

        await asyncio.to_thread(run)
