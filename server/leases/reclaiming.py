"""Leases of tills that weren't heard of for too long: what they hold is taken back."""

from collections import defaultdict

from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.db.engine import plain_errors
from server.leases import store
from server.leases.booking import give_back
from server.leases.store import Lease

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


def counts(engine: Engine) -> dict[str, int]:
    """How many leases can be spent, how many have expired and wait, and on how many more was granted."""
    with plain_errors(engine), engine.connect() as connection:
        return dict(zip(("usable", "waiting", "overrun"), store.counts(connection), strict=True))
