"""Leases of tills that weren't heard of for too long: what they hold is taken back."""

import asyncio
from collections import defaultdict

import structlog
from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.db.engine import DatabaseUnavailable, plain_errors
from server.leases import store
from server.leases.booking import give_back
from server.leases.store import Lease
from server.runtime.metrics import Metrics

log = structlog.get_logger()

RECLAIM_SECONDS = 5.0
"""How often a server looks for what is overdue."""

AT_ONCE = 200
"""Leases that one transaction takes back."""


def reclaim_overdue(engine: Engine) -> int:
    """Takes back what is overdue, and says how many leases that were."""
    total = 0
    while True:
        with plain_errors(engine), engine.begin() as connection:
            count = _reclaim_some(connection)
        total += count
        if count < AT_ONCE:
            return total


def _reclaim_some(connection: Connection) -> int:
    by_company: defaultdict[str, list[Lease]] = defaultdict(list)
    found = store.lock_overdue(connection, AT_ONCE)
    for lease in found:
        by_company[lease.company_id].append(lease)
    for company_id, leases in sorted(by_company.items()):
        nobody = Actor("", company_id, frozenset(), "reclaimed")
        give_back(connection, nobody, leases, "reclaimed", "reclaim", store.now(connection))
    return len(found)


class Reclaimer:
    """Does so again and again, and tells how leases stand."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._failing = False

    async def reclaim(self) -> None:
        try:
            reclaimed = await asyncio.to_thread(reclaim_overdue, self._engine)
            usable, waiting, overrun = await asyncio.to_thread(self._counts)
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("leases_reclaim_failed", error=str(error))
            self._failing = True
            return
        self._failing = False
        self._metrics.leases_reclaimed.inc(reclaimed)
        self._metrics.leases.labels("usable").set(usable)
        self._metrics.leases.labels("waiting").set(waiting)
        self._metrics.leases.labels("overrun").set(overrun)

    def _counts(self) -> tuple[int, int, int]:
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.counts(connection)
