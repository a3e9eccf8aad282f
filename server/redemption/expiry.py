"""Reservations whose time is over, and idempotency keys that are old enough."""

from collections import defaultdict
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from server.db.engine import plain_errors
from server.redemption import store
from server.redemption.settling import expire

EXPIRED_MAX = 500
"""Reservations that one transaction gives back."""

KEYS_KEPT = timedelta(days=90)
"""How long a call may be sent again; an order is taken for ever."""

KEYS_MAX = 5000
"""Old keys that one transaction forgets."""


def give_back_expired(engine: Engine) -> int:
    """Gives back what reservations hold whose time is over, and says how many they were.

    A job does so again and again; what it hasn't got to is given back when somebody needs it.
    """
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


def forget_old_keys(engine: Engine) -> int:
    """Forgets idempotency keys that are old enough, and says how many they were."""
    total = 0
    while True:
        with plain_errors(engine), engine.begin() as connection:
            count = store.forget_keys(connection, KEYS_KEPT, KEYS_MAX)
        total += count
        if count < KEYS_MAX:
            return total
