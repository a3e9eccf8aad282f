"""Several serving workers on one port: started, again when they die, replaced one by one, and ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import structlog

from server.runtime.listening import reserve
from server.runtime.merging import MergedMetrics
from server.runtime.metrics import SupervisorMetrics
from server.runtime.monitoring import Monitoring
from server.runtime.refreshing import end
from server.runtime.settings import Settings
from server.runtime.supervised import ServingWorker, Started, Work

log = structlog.get_logger()

WORKERS_MAX = 64
"""More than the processors of a machine are of no use."""

START_SECONDS = 120.0
"""How long a worker may take until it listens."""

END_SECONDS = 10.0
"""How long a worker may take to end, beyond what its calls may take, before it is killed."""

PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 30.0
"""A worker that died is started again after so long, twice as long each time in a row."""

STEADY_SECONDS = 60.0
"""A worker that has lived for so long is no longer one in a row."""


class StartFailed(Exception):
    """A worker ended before it listened. It has said why; this has what it ended with."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"a serving worker ended with exit code {exit_code}")
        self.exit_code = exit_code


class Supervisor:
    """Keeps so many workers serving on the gRPC port of the settings, and serves the metrics of all."""

    def __init__(self, work: Work, settings: Settings, count: int) -> None:
        settings.refuse_plaintext()
        settings.refuse_open_access()
        self._work = work
        self._socket, self.grpc_address = reserve(settings.grpc_address)
        self._settings = replace(settings, grpc_address=self.grpc_address)
        self._count = count
        self._places: dict[int, ServingWorker] = {}
        """The worker that serves, by number."""
        self._processes: set[ServingWorker] = set()
        """Everyone who hasn't ended, also those that start and those that retire."""
        merged = MergedMetrics(lambda: list(self._places.values()))
        self.metrics = SupervisorMetrics(merged, count, lambda: merged.answered)
        self._monitoring = Monitoring(
            settings.metrics_address, self.metrics.registry, lambda: merged.any_ready
        )
        self.metrics_address = self._monitoring.address
        self._stopping = asyncio.Event()
        self._asked_to_replace = asyncio.Event()
        self._keeping: set[asyncio.Task[None]] = set()

    async def run(self, started: Callable[[Started], None]) -> None:
        """Serves until SIGINT or SIGTERM; on SIGHUP every worker is replaced. May raise StartFailed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_replace.set)
        stopping = asyncio.create_task(self._stopping.wait())
        serving = asyncio.create_task(self._serve(started))
        try:
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            self._stopping.set()
            await end((serving,))
            await self._end_all()
        log.info("stopped")

    async def _serve(self, started: Callable[[Started], None]) -> NoReturn:
        # The first one alone, so that what is wrong with the settings is said once.
        first = await self._start(0)
        await asyncio.gather(*(self._start(number) for number in range(1, self._count)))
        self._monitoring.start()
        log.info("supervising", grpc=str(self.grpc_address), workers=self._count)
        started(first)
        await self._replace_when_asked()

    async def _start(self, number: int, *, pause: float = PAUSE_SECONDS) -> Started:
        """Starts a worker, and gives it the place once it listens."""
        worker, said = await self._spawn(number)
        self._settle(worker, pause)
        return said

    async def _spawn(self, number: int) -> tuple[ServingWorker, Started]:
        worker = ServingWorker(self._work, self._settings, number)
        self._processes.add(worker)
        said = await worker.started(START_SECONDS)
        if said is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.ended(), END_SECONDS)
            await self._end(worker, signal.SIGKILL)
            raise StartFailed(worker.exit_code)
        return worker, said

    def _settle(self, worker: ServingWorker, pause: float = PAUSE_SECONDS) -> None:
        self._places[worker.number] = worker
        keeping = asyncio.create_task(self._keep(worker, pause))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    async def _keep(self, worker: ServingWorker, pause: float) -> None:
        """When a worker ends that wasn't told to, starts another, and pauses longer each time in a row."""
        born = time.monotonic()
        await worker.ended()
        self._processes.discard(worker)
        if worker.ordered_to_end or self._stopping.is_set():
            return
        log.error("worker_died", worker=worker.number, exit_code=worker.exit_code)
        if time.monotonic() - born >= STEADY_SECONDS:
            pause = PAUSE_SECONDS
        while self._places[worker.number] is worker:
            self.metrics.restarts.inc()
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
            with suppress(StartFailed):
                await self._start(worker.number, pause=pause)

    async def _replace_when_asked(self) -> NoReturn:
        while True:
            await self._asked_to_replace.wait()
            # Whoever asks from here on means what is there then.
            self._asked_to_replace.clear()
            await self._replace_all()

    async def _replace_all(self) -> None:
        """One after another: the new one listens before the old one stops to, and answers what it took."""
        log.info("replacing_workers", workers=self._count)
        for number in range(self._count):
            old = self._places[number]
            try:
                new, said = await self._spawn(number)
            except StartFailed as error:
                log.error("workers_not_replaced", worker=number, exit_code=error.exit_code)
                return
            before = await asyncio.to_thread(old.report)
            if before is not None and before.ready and not said.ready:
                log.error("workers_not_replaced", worker=number, remark=said.remark)
                await self._end(new, signal.SIGTERM)
                return
            self._settle(new)
            await self._end(old, signal.SIGUSR1)
        log.info("workers_replaced", workers=self._count)

    async def _end_all(self) -> None:
        await asyncio.gather(*(self._end(worker, signal.SIGTERM) for worker in self._processes.copy()))
        await end(self._keeping)
        await asyncio.to_thread(self._monitoring.stop)
        self._socket.close()

    async def _end(self, worker: ServingWorker, order: signal.Signals) -> None:
        """Ends a worker; one that takes too long is killed, since somebody waits."""
        worker.order(order)
        seconds = END_SECONDS + self._settings.drain_seconds
        if order is signal.SIGUSR1:
            seconds += self._settings.retiring_seconds
        try:
            await asyncio.wait_for(worker.ended(), seconds)
        except TimeoutError:
            log.warning("worker_killed", worker=worker.number, pid=worker.pid)
            worker.order(signal.SIGKILL)
            await worker.ended()
        self._processes.discard(worker)
