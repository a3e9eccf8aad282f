"""Reservations whose time is over, and idempotency keys that are old enough."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine

from server.db.engine import DatabaseUnavailable, plain_errors
from server.redemption import store
from server.redemption.settling import expire
from server.runtime.metrics import Metrics

log = structlog.get_logger()

SWEEP_SECONDS = 2.0
"""How often a server looks for what has expired."""

EXPIRED_MAX = 500
"""Reservations that one transaction gives back."""

KEYS_KEPT = timedelta(days=90)
"""How long a call may be sent again; an order is taken for ever."""

KEYS_MAX = 5000
"""Old keys that one transaction forgets."""


def give_back_expired(engine: Engine) -> int:
    """Gives back what reservations hold whose time is over, and says how many they were."""
    total = 0
    while True:
        with plain_errors(engine), engine.begin() as connection:
            count = _give_back_some(connection)
        total += count
        if count < EXPIRED_MAX:
            return total


def _give_back_some(connection: Connection) -> int:
    found = store.lock_expired(connection, EXPIRED_MAX)
    by_company: defaultdict[str, list[UUID]] = defaultdict(list)
    for redemption_id, company_id, _ in found:
        by_company[company_id].append(redemption_id)
    for company_id, redemption_ids in sorted(by_company.items()):
        expire(connection, company_id, redemption_ids, max(now for _, _, now in found))
    return len(found)


class Sweeper:
    """Does so again and again; what it misses is given back when somebody needs it."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._failing = False

    async def sweep(self) -> None:
        try:
            expired = await asyncio.to_thread(give_back_expired, self._engine)
            await asyncio.to_thread(self._forget_keys)
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("sweep_failed", error=str(error))
            self._failing = True
            return
        self._failing = False
        self._metrics.reservations_expired.inc(expired)

    def _forget_keys(self) -> None:
        with plain_errors(self._engine), self._engine.begin() as connection:
            store.forget_keys(connection, KEYS_KEPT, KEYS_MAX)
