"""The accounts of limits for what lends parts of them: what is free is escrowed, then spent or given back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from server.actors import Actor
from server.redemption import store
from server.redemption.limits import USE, Account, accounts
from server.redemption.store import Posting, by_account_id, note_limits

__all__ = [
    "USE",
    "Account",
    "Locked",
    "Posting",
    "accounts",
    "by_account_id",
    "escrow",
    "lock",
    "note_limits",
    "post",
]


@dataclass(slots=True)
class Locked:
    """An account that nobody else changes until the transaction ends."""

    id: int
    limit: int
    free: int
    """What nobody has of the limit. What is escrowed here meanwhile is taken off by whoever does it."""


def lock(connection: Connection, company_id: str, limits: Mapping[Account, int]) -> dict[Account, Locked]:
    """Locks the accounts of some limits, in the order of all others."""
    locked = store.lock_accounts(connection, company_id, limits)
    return {
        account: Locked(account_id, limits[account], max(0, limits[account] - used))
        for account, (account_id, used) in locked.items()
    }


def escrow(
    connection: Connection,
    actor: Actor,
    now: datetime,
    lent: Mapping[UUID, Mapping[int, int]],
    limits: Mapping[int, int],
) -> None:
    """Lends amounts to leases, by lease and account; both the accounts and their limits are by id."""
    postings = [
        Posting(lease_id, account_id, "free", "escrowed", amount)
        for lease_id, amounts in lent.items()
        for account_id, amount in amounts.items()
        if amount
    ]
    store.note_limits(connection, {posting.account_id: limits[posting.account_id] for posting in postings})
    post(connection, actor, "lease", now, postings)


def post(connection: Connection, actor: Actor, kind: str, now: datetime, postings: Sequence[Posting]) -> None:
    """Books one ledger transaction of a kind for each lease that has postings."""
    if postings:
        kinds = {posting.subject_id: kind for posting in postings}
        store.post(connection, actor.company_id, kinds, actor.name, actor.token_id, now, postings, of="lease")
