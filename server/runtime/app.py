"""The composition root: builds a server from settings and a database, runs it, and ends it in good order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from sqlalchemy import Engine

from server.access.grants import Grants
from server.access.rpc import GuardedServer, register
from server.access.service import Access
from server.db.engine import place_of
from server.db.watching import watch
from server.definitions.service import Definitions
from server.distribution import rpc as distribution_rpc
from server.distribution.clients import WRITE_SECONDS, Clients
from server.distribution.key_folder import KeyFolder
from server.distribution.operations import Operations
from server.distribution.service import Distribution
from server.distribution.sessions import Sessions
from server.evaluation import rpc as evaluation_rpc
from server.evaluation.aftersale import AfterSale
from server.evaluation.revisions import Revisions
from server.evaluation.service import Evaluation, RulesetHolder
from server.evaluation.snapshots import Snapshots
from server.journals.replays import Replays
from server.journals.till_sales import TillSales
from server.keys.service import Pepper
from server.leases import rpc as leases_rpc
from server.leases.service import Leases
from server.methods import methods
from server.redemption import rpc as redemption_rpc
from server.redemption.exhaustion import REFRESH_SECONDS, Exhaustion
from server.redemption.invariants import LOOK_SECONDS, Monitor
from server.redemption.service import Redemptions
from server.runtime import reflection
from server.runtime.garbage import spare_what_stays
from server.runtime.intake import PRICING_MAX, REDEMPTIONS_MAX, Intake, Room
from server.runtime.listening import connections, stop_listening
from server.runtime.loop_time import LOOP_SECONDS, LoopTime
from server.runtime.metrics import Metrics
from server.runtime.monitoring import Monitoring
from server.runtime.observation import ObservedServer
from server.runtime.refreshing import end, keep_fresh
from server.runtime.settings import Address, AddressTaken, Settings
from server.runtime.spans import spans_of
from server.runtime.throttles import Throttles
from server.runtime.tls import certificate_of
from server.runtime.transport import options
from server.vouchers.service import Vouchers

log = structlog.get_logger()

APART = (evaluation_rpc.EVALUATE, distribution_rpc.SYNC)
"""What may come in thousands, so that nothing else waits behind it."""

STREAM_SECONDS = 0.1
"""How long streams such as a watch of health may take to end when everything else is closed."""

RETIRING_POLL_SECONDS = 0.05

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Part(Protocol):
    """Something of a process that listens."""

    async def start(self) -> None:
        """Listens."""

    async def drain(self) -> None:
        """Answers what was asked, and takes nothing more."""

    async def stop(self) -> None:
        """Drains and closes everything, for a process that goes on."""


class Application:
    """One server process: gRPC, the monitoring endpoint, and the task that keeps the ruleset fresh."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        *,
        snapshot_file: Path | None = None,
        supervised: bool = False,
    ) -> None:
        """`snapshot_file` is kept for a start without the database. `supervised`: others share the gRPC port,
        and whoever started all of them serves the metrics."""
        settings.refuse_plaintext()
        settings.refuse_open_access()
        self.settings = settings
        self.metrics = Metrics()
        watch(engine, self.metrics)
        self._spans = spans_of(settings)
        self._certificate = certificate_of(settings, self.metrics.certificate_expiry)
        self.grants = Grants(Access(engine))
        self.throttles = Throttles.of(settings, self.metrics)
        self.methods = methods(engine, settings, self.metrics)
        self._definitions = Definitions(engine)
        self._published = asyncio.Event()
        self._controlled = asyncio.Event()
        keys = None if settings.keys_dir is None else KeyFolder(settings.keys_dir)
        self.distribution = Distribution(engine, self._definitions, keys)
        self.clients = Clients(engine)
        self.sessions = Sessions(
            self.distribution, self.clients, self.metrics, self.grants.holds, self._spans
        )
        self.holder = RulesetHolder(
            self._definitions,
            self.metrics,
            settings.company,
            killed=Operations(engine, self._definitions).killed,
            prepare=self.distribution.prepare,
        )
        self._snapshots = (
            Snapshots(snapshot_file, place_of(engine), self.holder, self.grants, self.metrics)
            if snapshot_file
            else None
        )
        self.revisions = Revisions(self.holder, self._definitions, self.metrics)
        self.replays = Replays(engine, self._definitions, self.metrics)
        self.exhaustion = Exhaustion(engine, self.holder, self.metrics)
        vouchers = Vouchers(engine, Pepper(settings, engine))
        self.redemptions = Redemptions(
            engine, self.holder, self.revisions, self.exhaustion, vouchers, TillSales(engine), self.metrics
        )
        self.leases = Leases(engine, self.holder, vouchers, self.metrics)
        self._invariants = Monitor(engine, self.metrics)
        self.grpc_address = settings.grpc_address
        self.metrics_address = settings.metrics_address
        self._supervised = supervised
        self._stopping = False
        self._intake = Intake()
        self._health = health.aio.HealthServicer()
        self._monitoring: Monitoring | None = None
        self._server: grpc.aio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        return self.holder.active is not None and not self._stopping

    async def start(self) -> None:
        """Listens. The first ruleset is loaded before calls are accepted, if the database has one."""
        self._server = self._build_server()
        if self._supervised:
            # Whoever listens is given connections, so not before there is something to answer with.
            await self._load()
            self._listen(self._server)
        else:
            self._listen(self._server)
            self._monitor()
            await self._load()
        await self._report_health()
        await self._server.start()
        seconds = self.settings.refresh_seconds
        self._tasks = [
            asyncio.create_task(work)
            for work in (
                keep_fresh(self.distribution.refresh, seconds, self._controlled),
                keep_fresh(self.holder.refresh, seconds, self._published),
                self._definitions.listen(self._hear, self.metrics.listening.set),
                keep_fresh(self.grants.refresh, seconds),
                keep_fresh(self._replay_journals, seconds),
                keep_fresh(self.exhaustion.refresh, REFRESH_SECONDS),
                keep_fresh(self._invariants.look, LOOK_SECONDS),
                keep_fresh(self.clients.write, WRITE_SECONDS),
                keep_fresh(LoopTime(self.metrics.loop_seconds).look, LOOP_SECONDS),
                self.sessions.look_after(),
                self._follow_health(),
                *([keep_fresh(self._snapshots.keep, seconds)] if self._snapshots else []),
            )
        ]
        log.info("serving", grpc=str(self.grpc_address), metrics=str(self.metrics_address), ready=self.ready)

    async def retire(self) -> None:
        """Waits until the callers of this process have moved on to others of its port.

        New connections go to those, and gRPC asks the callers of each old one to leave when its time is up.
        """
        port = self.grpc_address.port
        stop_listening(port)
        end = time.monotonic() + self.settings.retiring_seconds
        while connections(port) and time.monotonic() < end:
            await asyncio.sleep(RETIRING_POLL_SECONDS)

    async def drain(self) -> None:
        """Reports NOT_SERVING, takes the calls on their way, refuses later ones, and answers what it took."""
        self._stopping = True
        await self._health.enter_graceful_shutdown()
        await end(self._tasks)
        self.sessions.drain()
        try:
            await asyncio.wait_for(self._intake.close(), self.settings.drain_seconds)
        except TimeoutError:
            log.warning("calls_abandoned", calls=self._intake.unanswered)
        self.redemptions.close()
        await self.clients.write()
        await self.grants.close()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)

    async def stop(self) -> None:
        """Drains and closes everything, for a process that goes on."""
        await self.drain()
        if self._server is not None:
            await self._server.stop(STREAM_SECONDS)
        if self._monitoring is not None:
            await asyncio.to_thread(self._monitoring.stop)

    def _build_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=options(self.settings, shared=self._supervised))
        guarded: Any = GuardedServer(
            ObservedServer(server, self.metrics, self._spans, apart=APART),
            self.grants,
            open_pricing=self.settings.open_pricing,
            served_company=lambda: self.holder.active.company_id if self.holder.active else None,
            throttles=self.throttles,
        )
        evaluation = Evaluation(self.holder, self.metrics, self.exhaustion.added)
        after_sale = AfterSale(self.revisions, self.metrics)
        pricing = Room(self._intake, "pricing", PRICING_MAX, self.metrics)
        evaluation_rpc.register(guarded, evaluation, after_sale, pricing)
        registered = register(guarded, self.methods, self._intake)
        redeeming = Room(self._intake, "redemption", REDEMPTIONS_MAX, self.metrics)
        redemption_rpc.register(guarded, self.redemptions, redeeming)
        leases_rpc.register(guarded, self.leases, self._intake)
        distribution_rpc.register(guarded, self.distribution, self.sessions, self._intake)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, guarded)
        own = (evaluation_rpc.SERVICE, *registered, leases_rpc.SERVICE)
        reflection.register(guarded, *own, health.SERVICE_NAME)
        return server

    def _listen(self, server: grpc.aio.Server) -> None:
        address = self.settings.grpc_address
        try:
            if self._certificate is None:
                port = server.add_insecure_port(str(address))
            else:
                port = server.add_secure_port(str(address), self._certificate.grpc_credentials())
        except RuntimeError as error:
            raise AddressTaken(
                f"gRPC can't listen on {address}; if something else runs there, set DEALWRIGHT_GRPC_ADDRESS"
            ) from error
        self.grpc_address = Address(address.host, port)

    def _monitor(self) -> None:
        self._monitoring = Monitoring(
            self.settings.metrics_address, self.metrics.registry, lambda: self.ready
        )
        self.metrics_address = self._monitoring.address
        self._monitoring.start()

    async def _load(self) -> None:
        await self._report_health()
        await self.grants.refresh()
        await self.holder.refresh()
        if self._snapshots is not None and self.holder.database_away:
            self._snapshots.restore(self.settings.company)
        await self.exhaustion.refresh()
        await self.distribution.refresh()

    def _hear(self) -> None:
        """Something was published or killed."""
        self._controlled.set()
        self._published.set()

    async def _follow_health(self) -> None:
        """Turns health to SERVING as soon as there is a ruleset."""
        await self.holder.loaded.wait()
        await self._report_health()

    async def _replay_journals(self) -> None:
        await asyncio.to_thread(self.replays.run)

    async def _report_health(self) -> None:
        status = SERVING if self.ready else NOT_SERVING
        for service in (health.OVERALL_HEALTH, evaluation_rpc.SERVICE):
            await self._health.set(service, status)


async def run(
    parts: Sequence[Part],
    started: Callable[[], None],
    release: Callable[[], None],
    retire: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> NoReturn:
    """Runs parts until SIGINT or SIGTERM, and then ends the process; `release` gives back what it used.

    On SIGUSR1 it ends too, and lets `retire` come first, for as long as it takes or until one of the others.
    """
    stop = asyncio.Event()
    retiring = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if retire is not None:
        loop.add_signal_handler(signal.SIGUSR1, retiring.set)
    try:
        for part in parts:
            await part.start()
        spare_what_stays()
        started()
        await _first(stop.wait(), retiring.wait())
        if retire is not None and not stop.is_set():
            await _first(stop.wait(), retire())
        await asyncio.gather(*(part.drain() for part in parts))
    except BaseException:
        for part in parts:
            await part.stop()
        raise
    await asyncio.to_thread(release)
    log.info("stopped")
    # gRPC's own shutdown answers calls that arrive during it with CANCELLED. Until here they were refused,
    # and once the process is gone the connection is closed: either is UNAVAILABLE to a caller.
    os._exit(0)


async def _first(*awaited: Coroutine[Any, Any, Any]) -> None:
    """Waits until one of them has ended, and gives the others up."""
    tasks = [asyncio.create_task(each) for each in awaited]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await end(tasks)
    for task in done:
        task.result()
