"""The SQL of redemptions, beside placing them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from dealwright.grants import Grant
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from server.redemption.limits import Account
from server.redemption.tables import (
    idempotency_key,
    ledger_transaction,
    limit_account,
    limit_hold,
    redemption,
    redemption_promotion,
    redemption_return,
    redemption_sale,
)

Subject = Literal["redemption", "lease"]
"""What a ledger transaction is about."""


@dataclass(frozen=True, slots=True)
class Record:
    """A redemption as it stands."""

    id: UUID
    store_id: str
    order_id: str
    customer_id: str
    state: str
    late: bool
    revision: int
    currency_code: str
    discount_minor: int
    payable_minor: int
    refunded_minor: int
    refunded_tax_minor: int
    create_time: datetime
    expire_time: datetime | None
    resolve_time: datetime | None


@dataclass(frozen=True, slots=True)
class Granted:
    """A promotion of a redemption, in minor units."""

    promotion_id: str
    discount_minor: int
    cost_minor: int
    returned_minor: int
    voucher_id: str
    """The voucher that it uses. Empty: none."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a redemption has of one limit."""

    account_id: int
    account: Account
    reserved: int
    posted: int
    overrun: int
    returned: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call with an idempotency key was answered."""

    method: str
    request_hash: bytes
    redemption_id: UUID | None
    """None: nothing was made."""
    response: bytes
    time: datetime
    expire_time: datetime | None


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount that a redemption or a lease moves on one account, between two of its buckets."""

    subject_id: UUID
    account_id: int
    source: str
    target: str
    amount: int


_RECORD = tuple(redemption.c[name] for name in Record.__dataclass_fields__)
_ACCOUNT = tuple(limit_account.c[name] for name in Account.__dataclass_fields__)
_LEFT = limit_account.c.lim - limit_account.c.posted - limit_account.c.pending - limit_account.c.escrowed
_USED = limit_account.c.posted + limit_account.c.pending + limit_account.c.escrowed


def answered(connection: Connection, company_id: str, principal: str, key: str) -> Answered | None:
    """What a call with a key was answered; None where it is new."""
    columns = (idempotency_key.c[name] for name in Answered.__dataclass_fields__)
    row = connection.execute(
        select(*columns).where(
            idempotency_key.c.company_id == company_id,
            idempotency_key.c.principal == principal,
            idempotency_key.c.key == key,
        )
    ).first()
    return Answered(*row) if row else None


def claim_key(connection: Connection, company_id: str, principal: str, key: str, **call: Any) -> bool:
    """Takes a key for a call, after waiting for whoever is taking it. False: it was taken before."""
    taken = connection.execute(
        upsert(idempotency_key)
        .values(
            company_id=company_id,
            principal=principal,
            key=key,
            time=func.clock_timestamp(),
            response=b"",
            **call,
        )
        .on_conflict_do_nothing()
        .returning(idempotency_key.c.key)
    )
    return taken.first() is not None


def write_answer(connection: Connection, company_id: str, principal: str, key: str, response: bytes) -> None:
    """Completes a key that this transaction took."""
    connection.execute(
        update(idempotency_key)
        .where(
            idempotency_key.c.company_id == company_id,
            idempotency_key.c.principal == principal,
            idempotency_key.c.key == key,
        )
        .values(response=response)
    )


def lock_redemption(
    connection: Connection, company_id: str, redemption_id: UUID
) -> tuple[Record, datetime] | None:
    """A redemption that nobody else changes until the transaction ends, and the time once that was sure.

    The clock is read outside of what waits for the lock: beside it, it would tell the time before the wait.
    """
    locked = (
        select(*_RECORD)
        .where(redemption.c.id == redemption_id, redemption.c.company_id == company_id)
        .with_for_update()
        .subquery()
    )
    row = connection.execute(select(func.clock_timestamp(), *locked.c)).first()
    return (Record(*row[1:]), row[0]) if row else None


def find(connection: Connection, company_id: str, redemption_id: UUID) -> Record | None:
    row = connection.execute(
        select(*_RECORD).where(redemption.c.id == redemption_id, redemption.c.company_id == company_id)
    ).first()
    return Record(*row) if row else None


def page(
    connection: Connection,
    company_id: str,
    *,
    equal: Mapping[str, str],
    granted: Mapping[str, str],
    states: Collection[str],
    store_ids: Collection[str],
    before: tuple[datetime, UUID] | None,
    count: int,
) -> list[Record]:
    """The newest redemptions that meet all that is given, from a place in their order on."""
    query = select(*_RECORD).where(redemption.c.company_id == company_id)
    for column, value in equal.items():
        query = query.where(redemption.c[column] == value)
    if states:
        query = query.where(redemption.c.state.in_(states))
    if store_ids:
        query = query.where(redemption.c.store_id.in_(store_ids))
    if granted:
        promotion = select(redemption_promotion.c.redemption_id).where(
            redemption_promotion.c.redemption_id == redemption.c.id,
            *(redemption_promotion.c[column] == value for column, value in granted.items()),
        )
        query = query.where(promotion.exists())
    if before is not None:
        query = query.where(tuple_(redemption.c.create_time, redemption.c.id) < before)
    newest = query.order_by(redemption.c.create_time.desc(), redemption.c.id.desc()).limit(count)
    return [Record(*row) for row in connection.execute(newest)]


def sale(connection: Connection, redemption_id: UUID) -> tuple[bytes, bytes]:
    """The request and the result that a redemption is pinned to."""
    row = connection.execute(
        select(redemption_sale.c.request, redemption_sale.c.result).where(
            redemption_sale.c.redemption_id == redemption_id
        )
    ).one()
    return row[0], row[1]


def granted(connection: Connection, redemption_ids: Collection[UUID]) -> dict[UUID, list[Granted]]:
    """The promotions of some redemptions, by id."""
    columns = (redemption_promotion.c[name] for name in Granted.__dataclass_fields__)
    found: dict[UUID, list[Granted]] = {redemption_id: [] for redemption_id in redemption_ids}
    for redemption_id, *row in connection.execute(
        select(redemption_promotion.c.redemption_id, *columns)
        .where(redemption_promotion.c.redemption_id.in_(redemption_ids))
        .order_by(redemption_promotion.c.promotion_id)
    ):
        found[redemption_id].append(Granted(*row))
    return found


def operations(connection: Connection, redemption_id: UUID) -> list[tuple[str, str, datetime]]:
    """What was done to a redemption, by whom and when."""
    column = ledger_transaction.c
    rows = connection.execute(
        select(column.kind, column.principal, column.time)
        .where(column.redemption_id == redemption_id)
        .order_by(column.id)
    )
    return [(kind, principal, time) for kind, principal, time in rows]


def holds(connection: Connection, redemption_ids: Collection[UUID]) -> list[tuple[UUID, Hold]]:
    """What some redemptions have of limits."""
    column = limit_hold.c
    rows = connection.execute(
        select(
            column.redemption_id,
            column.account_id,
            *_ACCOUNT,
            *(column.reserved, column.posted, column.overrun, column.returned),
        )
        .join(limit_account, limit_account.c.id == column.account_id)
        .where(column.redemption_id.in_(redemption_ids))
    )
    return [
        (redemption_id, Hold(account_id, Account(*rest[:4]), *rest[4:]))
        for redemption_id, account_id, *rest in rows
    ]


def change_holds(
    connection: Connection, redemption_id: UUID, changes: Mapping[int, Mapping[str, int]]
) -> None:
    for account_id, values in sorted(changes.items()):
        connection.execute(
            update(limit_hold)
            .where(limit_hold.c.redemption_id == redemption_id, limit_hold.c.account_id == account_id)
            .values(**values)
        )


def change(connection: Connection, redemption_ids: Collection[UUID], **values: Any) -> None:
    connection.execute(update(redemption).where(redemption.c.id.in_(redemption_ids)).values(**values))


def replace_sale(
    connection: Connection, redemption_id: UUID, request: bytes, result: bytes, grants: Sequence[Grant]
) -> None:
    """Pins a reservation to the cart that it is committed for."""
    connection.execute(
        update(redemption_sale)
        .where(redemption_sale.c.redemption_id == redemption_id)
        .values(request=request, result=result)
    )
    connection.execute(
        delete(redemption_promotion).where(redemption_promotion.c.redemption_id == redemption_id)
    )
    _insert_granted(connection, redemption_id, grants)


def insert_redemption(connection: Connection, **row: Any) -> bool:
    """Writes down a redemption that wasn't placed; False where its id or its order has one already."""
    made = connection.execute(
        upsert(redemption).values(**row).on_conflict_do_nothing().returning(redemption.c.id)
    )
    return made.first() is not None


def insert_sale(
    connection: Connection, redemption_id: UUID, request: bytes, result: bytes, grants: Sequence[Grant]
) -> None:
    """Pins a new redemption to its sale."""
    connection.execute(
        insert(redemption_sale).values(redemption_id=redemption_id, request=request, result=result)
    )
    _insert_granted(connection, redemption_id, grants)


def insert_holds(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(limit_hold), rows)


def _insert_granted(connection: Connection, redemption_id: UUID, grants: Sequence[Grant]) -> None:
    rows = [
        {
            "redemption_id": redemption_id,
            "promotion_id": grant.promotion_id,
            "discount_minor": grant.discount_minor,
            "cost_minor": grant.cost_minor,
            "voucher_id": grant.voucher_id,
        }
        for grant in grants
    ]
    if rows:
        connection.execute(insert(redemption_promotion), rows)


def post(
    connection: Connection,
    company_id: str,
    kinds: Mapping[UUID, str],
    principal: str,
    token_id: str,
    time: datetime,
    postings: Sequence[Posting],
    *,
    of: Subject = "redemption",
) -> None:
    """Books one ledger transaction for each subject, and moves the amounts on the accounts."""
    sides = [
        (posting.subject_id, posting.account_id, bucket, amount)
        for posting in postings
        for bucket, amount in ((posting.source, -posting.amount), (posting.target, posting.amount))
        if posting.amount
    ]
    connection.execute(
        text(
            "SELECT post_transactions(CAST(:company AS text), CAST(:of AS text), CAST(:subjects AS uuid[]),"
            " CAST(:kinds AS text[]), CAST(:principal AS text), CAST(:token AS text),"
            " CAST(:time AS timestamptz), CAST(:entry_subjects AS uuid[]),"
            " CAST(:entry_accounts AS bigint[]), CAST(:entry_buckets AS text[]),"
            " CAST(:entry_amounts AS bigint[]))"
        ),
        {
            "company": company_id,
            "of": of,
            "subjects": list(kinds),
            "kinds": list(kinds.values()),
            "principal": principal,
            "token": token_id,
            "time": time,
            "entry_subjects": [side[0] for side in sides],
            "entry_accounts": [side[1] for side in sides],
            "entry_buckets": [side[2] for side in sides],
            "entry_amounts": [side[3] for side in sides],
        },
    )


def used(connection: Connection, company_id: str, accounts: Collection[Account]) -> dict[Account, int]:
    """How much of some limits is used, without a lock. One of which nothing ever was is left out."""
    column = limit_account.c
    wanted = [(account.promotion_id, account.kind, account.key) for account in accounts]
    rows = connection.execute(
        select(*_ACCOUNT, _USED).where(
            column.company_id == company_id,
            tuple_(column.promotion_id, column.kind, column.key).in_(wanted),
        )
    )
    return {Account(*row[:4]): row[4] for row in rows}


def lock_used(connection: Connection, company_id: str, limits: Mapping[Account, int]) -> dict[Account, int]:
    """How much of some limits is used, while nobody else can use more."""
    locked = lock_accounts(connection, company_id, limits)
    return {account: amount for account, (_, amount) in locked.items()}


def lock_accounts(
    connection: Connection, company_id: str, limits: Mapping[Account, int]
) -> dict[Account, tuple[int, int]]:
    """The ids of the accounts of some limits and how much of each is used, while nobody else can use more."""
    if not limits:
        return {}
    ordered = sorted(limits, key=lambda account: account.lock_order)
    rows = [
        {
            "company_id": company_id,
            "promotion_id": account.promotion_id,
            "kind": account.kind,
            "key": account.key,
            "lock_rank": account.lock_order[0] + 1,
            "unit": account.unit,
            "lim": limits[account],
        }
        for account in ordered
    ]
    connection.execute(upsert(limit_account).values(rows).on_conflict_do_nothing())
    column = limit_account.c
    wanted = [(account.promotion_id, account.kind, account.key) for account in ordered]
    locked = connection.execute(
        select(*_ACCOUNT, column.id, _USED)
        .where(
            column.company_id == company_id,
            tuple_(column.promotion_id, column.kind, column.key).in_(wanted),
        )
        .order_by(column.lock_rank, column.promotion_id, column.key)
        .with_for_update()
    )
    return {Account(*row[:4]): (row[4], row[5]) for row in locked}


def by_account_id(connection: Connection, account_ids: Collection[int]) -> dict[int, Account]:
    """Which limit each account is of."""
    rows = connection.execute(
        select(limit_account.c.id, *_ACCOUNT).where(limit_account.c.id.in_(account_ids))
    )
    return {row[0]: Account(*row[1:]) for row in rows}


def note_limits(connection: Connection, limits: Mapping[int, int]) -> None:
    """Writes down the limits that accounts are used with from now on, by id. They are locked."""
    connection.execute(
        text(
            "UPDATE limit_account SET lim = noted.lim"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:limits AS bigint[])) AS noted(id, lim)"
            " WHERE limit_account.id = noted.id"
        ),
        {"ids": list(limits), "limits": list(limits.values())},
    )


def left_by_account_id(connection: Connection, account_ids: Collection[int]) -> dict[int, int]:
    """What is left of some limits, while nobody else can use it."""
    return {account_id: max(0, left) for account_id, left in _locked(connection, account_ids, _LEFT)}


def overrun_by_account_id(connection: Connection, account_ids: Collection[int]) -> dict[int, int]:
    """By how much more than some limits was granted, while nobody else can change it."""
    return dict(_locked(connection, account_ids, limit_account.c.overrun))


def _locked(
    connection: Connection, account_ids: Collection[int], amount: ColumnElement[int]
) -> list[tuple[int, int]]:
    """An amount of each of some accounts, which nobody else changes until the transaction ends."""
    column = limit_account.c
    rows = connection.execute(
        select(column.id, amount)
        .where(column.id.in_(account_ids))
        .order_by(column.lock_rank, column.promotion_id, column.key)
        .with_for_update()
    )
    return [(account_id, found) for account_id, found in rows]


def usage(connection: Connection, company_id: str, *, days: Collection[str]) -> dict[Account, int]:
    """How much is used of the limits that concern many customers; of those per day, of some days only."""
    column = limit_account.c
    rows = connection.execute(
        select(*_ACCOUNT, _USED).where(
            column.company_id == company_id,
            or_(
                column.kind.in_(("total", "budget", "store")),
                and_(column.kind == "day", column.key.in_(days)),
            ),
        )
    )
    return {Account(*row[:4]): row[4] for row in rows}


def used_by_customer(connection: Connection, company_id: str, customer_id: str) -> dict[Account, int]:
    """How much a customer has used of the limits per customer."""
    column = limit_account.c
    rows = connection.execute(
        select(*_ACCOUNT, _USED).where(
            column.company_id == company_id, column.kind == "customer", column.key == customer_id
        )
    )
    return {Account(*row[:4]): row[4] for row in rows}


def lock_expired(connection: Connection, count: int) -> list[tuple[UUID, str, datetime]]:
    """Reservations whose time is over and that nobody else is busy with: id, company, and the time now."""
    expired = (
        select(redemption.c.id, redemption.c.company_id)
        .where(redemption.c.state == "reserved", redemption.c.expire_time <= func.clock_timestamp())
        .order_by(redemption.c.expire_time)
        .limit(count)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    rows = connection.execute(select(expired.c.id, expired.c.company_id, func.clock_timestamp()))
    return [(redemption_id, company_id, time) for redemption_id, company_id, time in rows]


def forget_keys(connection: Connection, older_than: timedelta, count: int) -> int:
    """Forgets idempotency keys that nobody will use again."""
    old = (
        select(idempotency_key.c.company_id, idempotency_key.c.principal, idempotency_key.c.key)
        .where(idempotency_key.c.time < func.clock_timestamp() - older_than)
        .limit(count)
    )
    forgotten = connection.execute(
        delete(idempotency_key).where(
            tuple_(idempotency_key.c.company_id, idempotency_key.c.principal, idempotency_key.c.key).in_(old)
        )
    )
    return forgotten.rowcount


def last_return(connection: Connection, redemption_id: UUID) -> tuple[int, bytes]:
    """The number of the last return, 0 where there was none, and all that came back until then."""
    row = connection.execute(
        select(redemption_return.c.number, redemption_return.c.returned)
        .where(redemption_return.c.redemption_id == redemption_id)
        .order_by(redemption_return.c.number.desc())
        .limit(1)
    ).first()
    return (row[0], row[1]) if row else (0, b"")


def insert_return(connection: Connection, **row: Any) -> None:
    connection.execute(insert(redemption_return).values(**row))


def change_granted(connection: Connection, redemption_id: UUID, returned: Mapping[str, int]) -> None:
    """Writes down what came back of the cost of promotions."""
    for promotion_id, minor in returned.items():
        connection.execute(
            update(redemption_promotion)
            .where(
                redemption_promotion.c.redemption_id == redemption_id,
                redemption_promotion.c.promotion_id == promotion_id,
            )
            .values(returned_minor=minor)
        )
