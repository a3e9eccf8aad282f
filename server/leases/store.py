"""The SQL of leases."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from server.leases.tables import lease, lease_part, lease_spend
from server.redemption.escrow import Account, by_account_id


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds leases: a till with the journal that tells what it spends."""

    company_id: str
    device_id: str
    journal_id: str


@dataclass(slots=True)
class Part:
    """What a lease has of one limit, in units of it."""

    account_id: int
    account: Account
    leased: int
    spent: int = 0
    returned: int = 0
    overrun: int = 0

    @property
    def unit(self) -> str:
        return self.account.unit

    @property
    def voucher_id(self) -> str:
        """The voucher that it is uses of, in hexadecimal; empty: of a limit of all orders."""
        return self.account.key if self.account.kind == "voucher" else ""

    @property
    def held(self) -> int:
        """What the till may still grant, as far as its journal has come."""
        return self.leased - self.spent - self.returned


@dataclass(slots=True)
class Lease:
    """A lease as it stands."""

    id: UUID
    company_id: str
    device_id: str
    journal_id: str
    owner: str
    promotion_id: str
    store_id: str
    time_zone: str
    state: str
    start_time: datetime
    expire_time: datetime
    reclaim_time: datetime
    parts: dict[int, Part] = field(default_factory=dict)
    """By account."""

    @property
    def bounds(self) -> dict[int, Part]:
        """Its parts of the limits that every order counts on."""
        return {account_id: part for account_id, part in self.parts.items() if not part.voucher_id}


@dataclass(frozen=True, slots=True)
class Spend:
    """What one sale took of one part of a lease."""

    sequence: int
    lease_id: UUID
    account_id: int
    source: str
    """The bucket that `spent` comes from."""
    spent: int
    overrun: int


_COLUMNS = tuple(name for name in Lease.__dataclass_fields__ if name != "parts")
_AMOUNTS = ("leased", "spent", "returned", "overrun")


def lock_device(connection: Connection, company_id: str, device_id: str) -> datetime:
    """Keeps a device's leases to this transaction, and says what time it is once that is sure."""
    key = f"lease/{company_id}/{device_id}"
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(literal(key), 0))))
    return now(connection)


def now(connection: Connection) -> datetime:
    """What time it is, by the database's clock."""
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def owners(connection: Connection, company_id: str, device_id: str) -> set[str]:
    """Whose tokens hold open leases for a device."""
    column = lease.c
    query = select(column.owner).where(
        column.company_id == company_id, column.device_id == device_id, column.state == "open"
    )
    return set(connection.scalars(query.distinct()))


def lock_open(connection: Connection, holder: Holder) -> list[Lease]:
    """A till's open leases, which nobody else changes until the transaction ends, the newest first."""
    found = _lock(connection, _selected().where(*_is(holder), lease.c.state == "open"))
    return sorted(found, key=lambda each: each.start_time, reverse=True)


def lock_named(connection: Connection, holder: Holder, ids: Collection[UUID]) -> list[Lease]:
    """Those of some leases that a till holds or held; nobody else changes them in this transaction."""
    return _lock(connection, _selected().where(*_is(holder), lease.c.id.in_(ids)))


def lock_overdue(connection: Connection, count: int) -> list[Lease]:
    """Open leases that are to be taken back and that nobody else is busy with."""
    query = _selected().where(lease.c.state == "open", lease.c.reclaim_time <= func.clock_timestamp())
    rows = connection.execute(
        query.order_by(lease.c.reclaim_time).limit(count).with_for_update(of=lease, skip_locked=True)
    )
    return _with_parts(connection, [Lease(*row) for row in rows])


def put(connection: Connection, made: Lease) -> None:
    """Writes down a lease that is new, with what it has."""
    connection.execute(insert(lease).values({name: getattr(made, name) for name in _COLUMNS}))
    change_parts(connection, [(made, part) for part in made.parts.values()])


def change_times(connection: Connection, changed: Lease) -> None:
    """Writes down how long a lease lasts now."""
    times = {"expire_time": changed.expire_time, "reclaim_time": changed.reclaim_time}
    connection.execute(update(lease).where(lease.c.id == changed.id).values(times))


def change_parts(connection: Connection, changed: Iterable[tuple[Lease, Part]]) -> None:
    """Writes down what leases have now of some limits."""
    rows = [{"lease_id": each.id} | _columns(part) for each, part in changed]
    if rows:
        made = upsert(lease_part)
        amounts = {name: made.excluded[name] for name in _AMOUNTS}
        key = [lease_part.c.lease_id, lease_part.c.account_id]
        connection.execute(made.on_conflict_do_update(index_elements=key, set_=amounts), rows)


def resolve(connection: Connection, ids: Collection[UUID], state: str, now: datetime) -> None:
    """Ends leases."""
    connection.execute(update(lease).where(lease.c.id.in_(ids)).values(state=state, resolve_time=now))


def insert_spends(connection: Connection, holder: Holder, spends: Sequence[Spend]) -> None:
    whose = {name: getattr(holder, name) for name in Holder.__slots__}
    names = ("sequence", "lease_id", "account_id", "spent", "overrun")
    rows = [whose | {name: getattr(each, name) for name in names} for each in spends]
    if rows:
        connection.execute(insert(lease_spend), rows)


def spends(connection: Connection, holder: Holder, sequence: int) -> list[tuple[int, int, int]]:
    """What one entry of a journal took: by account, what its lease had and what it hadn't."""
    column = lease_spend.c
    whose = [column[name] == getattr(holder, name) for name in Holder.__slots__]
    rows = connection.execute(
        select(column.account_id, column.spent, column.overrun).where(*whose, column.sequence == sequence)
    )
    return [(account_id, spent, overrun) for account_id, spent, overrun in rows]


def page(
    connection: Connection,
    company_id: str,
    *,
    equal: Mapping[str, str],
    store_ids: Collection[str],
    overrun_only: bool,
    count: int,
) -> list[Lease]:
    """The newest leases that meet all that is given."""
    query = _selected().where(lease.c.company_id == company_id)
    for name, value in equal.items():
        query = query.where(lease.c[name] == value)
    if store_ids:
        query = query.where(lease.c.store_id.in_(store_ids))
    if overrun_only:
        query = query.where(exists().where(lease_part.c.lease_id == lease.c.id, lease_part.c.overrun > 0))
    rows = connection.execute(query.order_by(lease.c.start_time.desc(), lease.c.id.desc()).limit(count))
    return _with_parts(connection, [Lease(*row) for row in rows])


def counts(connection: Connection) -> tuple[int, int, int]:
    """How many leases can be spent, how many have expired and wait, and on how many more was granted."""
    now = func.clock_timestamp()
    open_ = lease.c.state == "open"
    overrun = select(func.count(lease_part.c.lease_id.distinct())).where(lease_part.c.overrun > 0)
    row = connection.execute(
        select(
            func.count().filter(open_, lease.c.expire_time > now),
            func.count().filter(open_, lease.c.expire_time <= now),
            overrun.scalar_subquery(),
        )
    ).one()
    return row[0], row[1], row[2]


def _selected() -> Select[Any]:
    return select(*(lease.c[name] for name in _COLUMNS))


def _is(holder: Holder) -> list[ColumnElement[bool]]:
    return [lease.c[name] == getattr(holder, name) for name in Holder.__slots__]


def _lock(connection: Connection, query: Select[Any]) -> list[Lease]:
    rows = connection.execute(query.order_by(lease.c.id).with_for_update())
    return _with_parts(connection, [Lease(*row) for row in rows])


def _with_parts(connection: Connection, found: list[Lease]) -> list[Lease]:
    by_id = {each.id: each for each in found}
    query = select(lease_part.c.lease_id, lease_part.c.account_id, *(lease_part.c[name] for name in _AMOUNTS))
    rows = connection.execute(query.where(lease_part.c.lease_id.in_(by_id))).all()
    accounts = by_account_id(connection, {row.account_id for row in rows})
    for lease_id, account_id, *amounts in rows:
        by_id[lease_id].parts[account_id] = Part(account_id, accounts[account_id], *amounts)
    return found


def _columns(part: Part) -> dict[str, int | str]:
    return {name: getattr(part, name) for name in ("account_id", "unit", *_AMOUNTS)}
