"""The API as a process of its own, with its own copy of the tokens."""

import asyncio

import structlog

from admin.api.callers import Callers
from admin.api.routes import Methods
from admin.api.server import AdminServer
from server.answers.service import Answers
from server.runtime.metrics import Metrics
from server.runtime.monitoring import Monitoring
from server.runtime.refreshing import end, keep_fresh
from server.runtime.settings import Settings

log = structlog.get_logger()


class Standalone:
    """One process of the admin layer."""

    def __init__(
        self, settings: Settings, methods: Methods, callers: Callers, answers: Answers, metrics: Metrics
    ) -> None:
        self.metrics = metrics
        self.metrics_address = settings.metrics_address
        self.ready = False
        self._settings = settings
        self._grants = callers.grants
        self._server = AdminServer(settings, methods, callers, answers, self.metrics)
        self._monitoring: Monitoring | None = None
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> None:
        """Reads the tokens, and listens."""
        self._monitoring = Monitoring(
            self._settings.metrics_address, self.metrics.registry, lambda: self.ready
        )
        self.metrics_address = self._monitoring.address
        self._monitoring.start()
        await self._grants.refresh()
        self._refreshing = asyncio.create_task(
            keep_fresh(self._grants.refresh, self._settings.refresh_seconds)
        )
        await self._server.start()
        self.ready = True
        log.info("serving", api=self.url, metrics=str(self.metrics_address))

    async def drain(self) -> None:
        """Answers what was asked, and notes which tokens were used."""
        self.ready = False
        await self._server.drain()
        if self._refreshing is not None:
            await end([self._refreshing])
        await self._grants.close()

    async def stop(self) -> None:
        """Drains and closes everything, for a process that goes on."""
        await self.drain()
        if self._monitoring is not None:
            await asyncio.to_thread(self._monitoring.stop)
