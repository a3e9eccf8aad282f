"""The SQL of the audit log."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from server.audit.chain import FIRST_HASH
from server.audit.tables import audit_entry, audit_head

ROWS_AT_ONCE = 1000
"""How many entries are in memory while a chain is read."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a company's chain, and the database's time at which it was asked for."""

    number: int
    hash: bytes
    time: datetime | None = None


def companies(connection: Connection) -> list[str]:
    return list(connection.scalars(select(audit_head.c.company_id).order_by(audit_head.c.company_id)))


def lock_head(connection: Connection, company_id: str) -> Head:
    """The end of the chain, which nobody else can lengthen until the transaction ends."""
    connection.execute(upsert(audit_head).values(company_id=company_id).on_conflict_do_nothing())
    columns = (audit_head.c.number, audit_head.c.hash, func.clock_timestamp())
    row = connection.execute(
        select(*columns).where(audit_head.c.company_id == company_id).with_for_update()
    ).one()
    return Head(*row)


def head(connection: Connection, company_id: str) -> Head:
    row = connection.execute(
        select(audit_head.c.number, audit_head.c.hash).where(audit_head.c.company_id == company_id)
    ).first()
    return Head(*row) if row else Head(0, FIRST_HASH)


def insert_rows(connection: Connection, rows: Sequence[Json]) -> None:
    connection.execute(insert(audit_entry), rows)


def move_head(connection: Connection, company_id: str, number: int, digest: bytes) -> None:
    connection.execute(
        update(audit_head).where(audit_head.c.company_id == company_id).values(number=number, hash=digest)
    )


def rows(connection: Connection, company_id: str) -> Iterator[Json]:
    """Every entry of a company in its order, without holding all of them."""
    query = select(audit_entry).where(audit_entry.c.company_id == company_id).order_by(audit_entry.c.number)
    page = query.limit(ROWS_AT_ONCE)
    while found := connection.execute(page).all():
        for row in found:
            yield dict(row._mapping)
        page = query.where(audit_entry.c.number > found[-1].number).limit(ROWS_AT_ONCE)


def newest(connection: Connection, company_id: str, count: int | None) -> list[Json]:
    query = select(audit_entry).where(audit_entry.c.company_id == company_id)
    found = connection.execute(query.order_by(audit_entry.c.number.desc()).limit(count))
    return [dict(row._mapping) for row in found][::-1]


def page(
    connection: Connection, company_id: str, below: int | None, count: int, wanted: Mapping[str, str]
) -> list[Json]:
    """The newest entries below a number of which columns have what is wanted; an empty text is anything."""
    query = select(audit_entry).where(audit_entry.c.company_id == company_id)
    if below is not None:
        query = query.where(audit_entry.c.number < below)
    for name, value in wanted.items():
        if value:
            query = query.where(audit_entry.c[name] == value)
    found = connection.execute(query.order_by(audit_entry.c.number.desc()).limit(count))
    return [dict(row._mapping) for row in found]


def about(
    connection: Connection,
    company_id: str,
    subject: str,
    subject_id: str,
    *,
    after: int,
    before: int | None,
    count: int | None,
) -> list[Json]:
    """The newest entries about one thing, between two numbers, in their order."""
    column = audit_entry.c
    query = select(audit_entry).where(
        column.company_id == company_id,
        column.subject == subject,
        column.subject_id == subject_id,
        column.number > after,
    )
    if before is not None:
        query = query.where(column.number < before)
    found = connection.execute(query.order_by(column.number.desc()).limit(count))
    return [dict(row._mapping) for row in found][::-1]
