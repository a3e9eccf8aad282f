"""The SQL of journals."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from server.journals.tables import journal, journal_alarm, journal_drift, journal_entry, journal_pending

ROWS_AT_ONCE = 500
"""How many entries are in memory while a journal is read."""

_KEY = ("company_id", "device_id", "journal_id")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Name:
    """Which journal."""

    company_id: str
    device_id: str
    journal_id: str

    @property
    def columns(self) -> Json:
        return {"company_id": self.company_id, "device_id": self.device_id, "journal_id": self.journal_id}


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as far as it has come."""

    device_id: str
    journal_id: str
    owner: str
    sequence: int
    hash: bytes
    upload_time: datetime


@dataclass(frozen=True, slots=True)
class Drift:
    """A sale whose replay didn't give what the till had."""

    device_id: str
    journal_id: str
    sequence: int
    sale_id: str
    outcome: str
    """drifted: another result; unverified: nobody can tell."""
    revision: int
    detail: str
    record_time: datetime
    replay_time: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about a journal that somebody has to look at."""

    number: int
    device_id: str
    journal_id: str
    kind: str
    """gap: entries are missing; fork: two journals under one name; mending: its end was torn off; lease: a
    sale names one that the journal never had; overrun: a sale took more than its lease had."""
    sequence: int
    detail: str
    alarm_time: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """A sale that is to be priced again."""

    name: Name
    sequence: int
    record: bytes


def lock(connection: Connection, name: Name, owner: str) -> Any:
    """A journal's head, which nobody else can move until the transaction ends; made when it is new."""
    connection.execute(upsert(journal).values(**name.columns, owner=owner).on_conflict_do_nothing())
    query = select(journal.c.owner, journal.c.sequence, journal.c.hash).where(*_is(journal, name))
    return connection.execute(query.with_for_update()).one()


def device_owner(connection: Connection, name: Name) -> str | None:
    """Who uploads for a device; None when nobody has."""
    query = select(journal.c.owner).where(
        journal.c.company_id == name.company_id, journal.c.device_id == name.device_id
    )
    return connection.scalar(query.order_by(journal.c.upload_time, journal.c.journal_id).limit(1))


def hashes(connection: Connection, name: Name, first: int, last: int) -> dict[int, bytes]:
    """The hashes of the entries that are stored, by sequence, both ends included."""
    column = journal_entry.c
    query = select(column.sequence, column.hash).where(
        *_is(journal_entry, name), column.sequence.between(first, last)
    )
    return {row.sequence: row.hash for row in connection.execute(query)}


def known_sales(connection: Connection, name: Name, sale_ids: Collection[str]) -> set[str]:
    """Those of a device's sales that are stored, in any of its journals."""
    column = journal_entry.c
    query = select(column.sale_id).where(
        column.company_id == name.company_id, column.device_id == name.device_id, column.sale_id.in_(sale_ids)
    )
    return set(connection.scalars(query))


def sale(
    connection: Connection, company_id: str, device_id: str, sale_id: str
) -> tuple[str, int, bytes, datetime] | None:
    """The entry that counts of a device's sale: journal, sequence, record and when it came."""
    column = journal_entry.c
    row = connection.execute(
        select(column.journal_id, column.sequence, column.record, column.upload_time)
        .where(
            column.company_id == company_id,
            column.device_id == device_id,
            column.sale_id == sale_id,
            ~column.repeats,
        )
        .order_by(column.upload_time, column.journal_id)
        .limit(1)
    ).first()
    return (row[0], row[1], row[2], row[3]) if row else None


def insert_entries(connection: Connection, rows: Sequence[Json]) -> None:
    connection.execute(insert(journal_entry), rows)
    pending = [{key: row[key] for key in (*_KEY, "sequence")} for row in rows if row["sale_id"] is not None]
    if pending:
        connection.execute(insert(journal_pending), pending)


def move_head(connection: Connection, name: Name, sequence: int, digest: bytes) -> None:
    connection.execute(
        update(journal)
        .where(*_is(journal, name))
        .values(sequence=sequence, hash=digest, upload_time=func.now())
    )


def insert_alarm(connection: Connection, name: Name, kind: str, sequence: int, detail: str) -> bool:
    """Raises an alarm; whether it is a new one."""
    added = connection.execute(
        upsert(journal_alarm)
        .values(**name.columns, kind=kind, sequence=sequence, detail=detail)
        .on_conflict_do_nothing()
        .returning(journal_alarm.c.number)
    )
    return added.first() is not None


def take_pending(connection: Connection, count: int) -> list[Pending]:
    """The first sales that nobody else is about to price again, locked until the transaction ends."""
    key = (*_KEY, "sequence")
    same = [journal_pending.c[name] == journal_entry.c[name] for name in key]
    query = (
        select(*(journal_pending.c[name] for name in key), journal_entry.c.record)
        .join_from(journal_pending, journal_entry, onclause=_all(same))
        .order_by(*(journal_pending.c[name] for name in key))
        .limit(count)
        .with_for_update(of=journal_pending, skip_locked=True)
    )
    return [Pending(Name(*row[:3]), row[3], row[4]) for row in connection.execute(query)]


def forget_pending(connection: Connection, pending: Pending) -> None:
    connection.execute(
        delete(journal_pending).where(
            *_is(journal_pending, pending.name), journal_pending.c.sequence == pending.sequence
        )
    )


def insert_drift(connection: Connection, pending: Pending, drift: Mapping[str, Any]) -> None:
    values = {**pending.name.columns, "sequence": pending.sequence, **drift}
    connection.execute(insert(journal_drift).values(**values))


def counts(connection: Connection) -> tuple[int, int, int]:
    """How many sales wait for their replay, how many drifts and how many alarms there are."""
    tables = (journal_pending, journal_drift, journal_alarm)
    row = connection.execute(
        select(*(select(func.count()).select_from(table).scalar_subquery() for table in tables))
    ).one()
    return row[0], row[1], row[2]


def journals(connection: Connection, company_id: str) -> list[Journal]:
    columns = [journal.c[name] for name in Journal.__dataclass_fields__]
    query = select(*columns).where(journal.c.company_id == company_id)
    return [
        Journal(*row)
        for row in connection.execute(query.order_by(journal.c.device_id, journal.c.upload_time))
    ]


def drifted(connection: Connection, company_id: str, revision: int) -> int:
    """How many sales at a revision gave another result."""
    column = journal_drift.c
    query = select(func.count()).where(
        column.company_id == company_id, column.revision == revision, column.outcome == "drifted"
    )
    return connection.scalar(query) or 0


def drifts(connection: Connection, company_id: str, count: int) -> list[Drift]:
    """The newest drifts, newest first."""
    same = [journal_drift.c[name] == journal_entry.c[name] for name in (*_KEY, "sequence")]
    columns = [
        journal_entry.c[name] if name in ("sale_id", "record_time") else journal_drift.c[name]
        for name in Drift.__dataclass_fields__
    ]
    query = (
        select(*columns)
        .join_from(journal_drift, journal_entry, onclause=_all(same))
        .where(journal_drift.c.company_id == company_id)
        .order_by(journal_drift.c.replay_time.desc(), journal_drift.c.sequence.desc())
        .limit(count)
    )
    return [Drift(*row) for row in connection.execute(query)]


def alarms(connection: Connection, company_id: str, count: int) -> list[Alarm]:
    """The newest alarms, newest first."""
    columns = [journal_alarm.c[name] for name in Alarm.__dataclass_fields__]
    query = select(*columns).where(journal_alarm.c.company_id == company_id)
    rows = connection.execute(query.order_by(journal_alarm.c.number.desc()).limit(count))
    return [Alarm(*row) for row in rows]


def entries(connection: Connection, name: Name) -> Iterator[Any]:
    """The entries of a journal in their order, without holding all of them."""
    column = journal_entry.c
    columns = (column.sequence, column.record, column.previous_hash, column.hash, column.repeats)
    query = select(*columns).where(*_is(journal_entry, name)).order_by(column.sequence).limit(ROWS_AT_ONCE)
    page = query
    while found := connection.execute(page).all():
        yield from found
        page = query.where(column.sequence > found[-1].sequence)


def _is(table: Table, name: Name) -> list[Any]:
    return [table.c[column] == value for column, value in name.columns.items()]


def _all(conditions: Sequence[Any]) -> Any:
    first, *others = conditions
    for condition in others:
        first &= condition
    return first
