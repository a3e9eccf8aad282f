"""Placing redemptions: a batch of them is one statement, and each has an answer of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dealwright.grants import Grant
from sqlalchemy import Connection, text

from server.redemption.limits import Account


@dataclass(frozen=True, slots=True)
class Placement:
    """A redemption that is to be made if its limits allow it."""

    id: UUID
    principal: str
    token_id: str
    key: str
    method: str
    request_hash: bytes
    store_id: str
    order_id: str
    customer_id: str
    revision: int
    currency_code: str
    discount_minor: int
    payable_minor: int
    lifetime_seconds: int | None
    """None: it is final at once."""
    request: bytes
    result: bytes
    response: bytes
    """What is answered, without the times that the database knows."""
    granted: Sequence[Grant]
    needs: Mapping[Account, int]
    limits: Mapping[Account, int]
    """The limit of each account that it needs something of."""


class Outcome(StrEnum):
    """What became of a placement."""

    PLACED = "placed"
    KNOWN = "known"
    """The idempotency key was used before."""
    ORDER = "order"
    """The order has a redemption already."""
    SHORT = "short"
    """A limit doesn't have enough left; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to one placement."""

    outcome: Outcome
    redemption_id: UUID | None
    """Of the order's redemption, or of the key's. None: it vanished meanwhile."""
    method: str | None
    request_hash: bytes | None
    response: bytes | None
    """What was answered before, where the key was used before."""
    time: datetime | None
    expire_time: datetime | None


_PARAMETERS = {
    "ids": "uuid[]",
    "principals": "text[]",
    "tokens": "text[]",
    "keys": "text[]",
    "methods": "text[]",
    "hashes": "bytea[]",
    "stores": "text[]",
    "orders": "text[]",
    "customers": "text[]",
    "revisions": "bigint[]",
    "currencies": "text[]",
    "discounts": "bigint[]",
    "payables": "bigint[]",
    "lifetimes": "int[]",
    "requests": "bytea[]",
    "results": "bytea[]",
    "responses": "bytea[]",
    "granted_ops": "int[]",
    "granted_ids": "text[]",
    "granted_discounts": "bigint[]",
    "granted_costs": "bigint[]",
    "granted_vouchers": "text[]",
    "account_promotions": "text[]",
    "account_kinds": "text[]",
    "account_keys": "text[]",
    "account_units": "text[]",
    "account_limits": "bigint[]",
    "need_ops": "int[]",
    "need_accounts": "int[]",
    "need_amounts": "bigint[]",
}

# Only constants of this file get into the text.
_PLACE = text(
    "SELECT outcome, redemption_id, method, request_hash, response, time, expire_time"  # noqa: S608
    " FROM place_redemptions(CAST(:company AS text), "
    + ", ".join(f"CAST(:{name} AS {kind})" for name, kind in _PARAMETERS.items())
    + ") ORDER BY op"
)


def place(connection: Connection, company_id: str, batch: Sequence[Placement]) -> list[Placed]:
    """Makes each redemption of a batch, or says why not; earlier ones come first where little is left."""
    limits = {account: limit for placement in batch for account, limit in placement.limits.items()}
    ordered = sorted(limits, key=lambda account: account.lock_order)
    positions = {account: position for position, account in enumerate(ordered, start=1)}
    granted = [(op, grant) for op, placement in enumerate(batch, 1) for grant in placement.granted]
    needs = [
        (op, positions[account], amount)
        for op, placement in enumerate(batch, 1)
        for account, amount in placement.needs.items()
    ]
    parameters = {
        "company": company_id,
        "ids": [placement.id for placement in batch],
        "principals": [placement.principal for placement in batch],
        "tokens": [placement.token_id for placement in batch],
        "keys": [placement.key for placement in batch],
        "methods": [placement.method for placement in batch],
        "hashes": [placement.request_hash for placement in batch],
        "stores": [placement.store_id for placement in batch],
        "orders": [placement.order_id for placement in batch],
        "customers": [placement.customer_id for placement in batch],
        "revisions": [placement.revision for placement in batch],
        "currencies": [placement.currency_code for placement in batch],
        "discounts": [placement.discount_minor for placement in batch],
        "payables": [placement.payable_minor for placement in batch],
        "lifetimes": [placement.lifetime_seconds for placement in batch],
        "requests": [placement.request for placement in batch],
        "results": [placement.result for placement in batch],
        "responses": [placement.response for placement in batch],
        "granted_ops": [op for op, _ in granted],
        "granted_ids": [grant.promotion_id for _, grant in granted],
        "granted_discounts": [grant.discount_minor for _, grant in granted],
        "granted_costs": [grant.cost_minor for _, grant in granted],
        "granted_vouchers": [grant.voucher_id for _, grant in granted],
        "account_promotions": [account.promotion_id for account in ordered],
        "account_kinds": [account.kind for account in ordered],
        "account_keys": [account.key for account in ordered],
        "account_units": [account.unit for account in ordered],
        "account_limits": [limits[account] for account in ordered],
        "need_ops": [op for op, _, _ in needs],
        "need_accounts": [account for _, account, _ in needs],
        "need_amounts": [amount for _, _, amount in needs],
    }
    rows = connection.execute(_PLACE, parameters)
    return [Placed(Outcome(outcome), *rest) for outcome, *rest in rows]
