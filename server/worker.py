"""The worker: what has to be done besides answering calls. Any number may run; each thing is done by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from server.definitions.service import Definitions
from server.events import service as events
from server.events.service import Webhooks, connected
from server.jobs.service import Job, Jobs
from server.keys.service import Pepper
from server.leases import reclaiming
from server.redemption.expiry import forget_old_keys, give_back_expired
from server.redemption.totals import Totals
from server.rollouts.service import Rollouts
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

BACKLOG_SECONDS = 15.0
"""How often each worker looks how much is to be sent, and how leases stand."""

ROLLOUTS_SECONDS = 5.0
"""How often it is looked whether a rollout has to end."""


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
        self._runner = Jobs(engine, metrics)
        self._jobs = (
            Job("redemption_expiry", 2, self._sweep),
            Job("leases_reclaim", 5, self._reclaim),
            Job("daily_totals", 15, Totals(engine, Definitions(engine)).count),
            Job("redemption_clean_up", 3600, partial(forget_old_keys, engine)),
            Job("vouchers_making", 15, vouchers.make_unfinished),
            Job("vouchers_clean_up", 3600, vouchers.clean_up),
            Job("rollouts", ROLLOUTS_SECONDS, partial(self._advance, Rollouts(engine))),
            Job("events_clean_up", 3600, self._webhooks.clean_up),
        )
        self._resources = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._monitoring: Monitoring | None = None

    @property
    def jobs(self) -> Sequence[Job]:
        """What it does besides sending events."""
        return self._jobs

    async def start(self) -> None:
        """Begins to work."""
        if self.metrics_address is not None:
            self._monitoring = Monitoring(self.metrics_address, self._metrics.registry, lambda: True)
            self.metrics_address = self._monitoring.address
            self._monitoring.start()
        client = await self._resources.enter_async_context(connected())
        self._tasks = [
            self._repeat("deliveries", DELIVER_SECONDS, partial(self._deliver, client)),
            self._repeat("backlog", BACKLOG_SECONDS, self._look_at_backlog),
            self._repeat("leases", BACKLOG_SECONDS, self._look_at_leases),
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
        failing = False

        async def once() -> None:
            nonlocal failing
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever is wrong, the next run comes
                # Mostly the database is away, for all of them alike.
                if not failing:
                    log.error("work_failed", work=name, error=f"{type(error).__name__}: {error}")
                failing = True
            else:
                failing = False

        work_on: Coroutine[Any, Any, None] = keep_fresh(once, seconds)
        return asyncio.create_task(work_on)

    async def _deliver(self, client: events.Client) -> None:
        def seen(outcome: str) -> None:
            self._metrics.webhook_attempts.labels(outcome).inc()

        while await self._webhooks.deliver(client, seen):
            pass

    async def _look_at_backlog(self) -> None:
        backlog = await asyncio.to_thread(self._webhooks.backlog)
        self._metrics.deliveries.labels("pending").set(backlog.pending)
        self._metrics.deliveries.labels("dead").set(backlog.dead)
        self._metrics.deliveries_late.set(backlog.late.total_seconds())

    def _advance(self, rollouts: Rollouts) -> None:
        done = rollouts.advance()
        self._metrics.rollouts_running.set(done.running)
        self._metrics.rollouts_waiting.set(done.waiting)
        self._metrics.rollouts_ended.labels("promoted").inc(done.promoted)
        self._metrics.rollouts_ended.labels("stopped").inc(done.stopped)

    async def _look_at_leases(self) -> None:
        counts = await asyncio.to_thread(reclaiming.counts, self._engine)
        for state, count in counts.items():
            self._metrics.leases.labels(state).set(count)

    async def _run(self, job: Job) -> None:
        await asyncio.to_thread(self._runner.run, job)

    def _sweep(self) -> None:
        self._metrics.reservations_expired.inc(give_back_expired(self._engine))

    def _reclaim(self) -> None:
        self._metrics.leases_reclaimed.inc(reclaiming.reclaim_overdue(self._engine))
