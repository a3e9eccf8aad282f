"""The SQL of single vouchers."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Connection,
    LargeBinary,
    Select,
    bindparam,
    delete,
    func,
    select,
    update,
)

from server.vouchers.tables import voucher, voucher_batch


class NewVoucher(NamedTuple):
    """A voucher to be written, in the order of the columns that COPY fills."""

    company_id: str
    id: bytes
    batch_id: int
    last_four: str
    customer_id: str | None
    end_time: datetime | None
    max_uses: int
    tag: bytes | None


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher with what it has from its batch."""

    id: bytes
    batch_id: int
    promotion_id: str
    last_four: str
    customer_id: str | None
    start_time: datetime | None
    end_time: datetime | None
    max_uses: int
    used: int
    disabled: bool


_BATCH = voucher_batch.c
_COLUMNS = (
    voucher.c.id,
    voucher.c.batch_id,
    _BATCH.promotion_id,
    voucher.c.last_four,
    voucher.c.customer_id,
    _BATCH.start_time,
    func.coalesce(voucher.c.end_time, _BATCH.end_time).label("end_time"),
    voucher.c.max_uses,
    voucher.c.used,
    (voucher.c.disabled | _BATCH.disable_time.is_not(None)).label("disabled"),
)


def copy_in(connection: Connection, rows: Iterable[NewVoucher]) -> None:
    """Writes many vouchers at once; fails when one of them is there already."""
    names = ", ".join(NewVoucher._fields)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY voucher ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["varchar", "bytea", "int8", "varchar", "varchar", "timestamptz", "int4", "bytea"])
        for row in rows:
            copy.write_row(row)


def known(connection: Connection, company_id: str, voucher_ids: Sequence[bytes]) -> set[bytes]:
    """Those of some vouchers that are there."""
    query = select(voucher.c.id).where(
        voucher.c.company_id == company_id, voucher.c.id == func.any(_ids(voucher_ids))
    )
    return set(connection.scalars(query))


def find(
    connection: Connection, company_id: str, voucher_ids: Sequence[bytes], *, lock: bool = False
) -> dict[bytes, Voucher]:
    """Vouchers of a company. Locks are taken in the order of ids, so that two orders never wait for each
    other."""
    query = _vouchers(company_id).where(voucher.c.id == func.any(_ids(voucher_ids))).order_by(voucher.c.id)
    if lock:
        query = query.with_for_update(of=voucher)
    return {row.id: Voucher(*row) for row in connection.execute(query)}


def of_customer(
    connection: Connection, company_id: str, customer_id: str, last_four: str, count: int
) -> list[Voucher]:
    """Vouchers that were assigned to a customer, with this end."""
    query = _vouchers(company_id).where(voucher.c.customer_id == customer_id)
    if last_four:
        query = query.where(voucher.c.last_four == last_four)
    rows = connection.execute(query.order_by(voucher.c.batch_id.desc(), voucher.c.id).limit(count))
    return [Voucher(*row) for row in rows]


def disable(connection: Connection, company_id: str, voucher_id: bytes) -> bool:
    """Makes a voucher useless; whether it wasn't before."""
    statement = update(voucher).where(
        voucher.c.company_id == company_id, voucher.c.id == voucher_id, ~voucher.c.disabled
    )
    return connection.execute(statement.values(disabled=True)).rowcount == 1


def delete_unused(connection: Connection, ended_before: datetime, count: int) -> int:
    """Deletes vouchers of all companies that ended unused; so many at most."""
    ended = func.coalesce(voucher.c.end_time, _BATCH.end_time) < ended_before
    found = (
        select(voucher.c.company_id, voucher.c.id)
        .join(voucher_batch, _BATCH.id == voucher.c.batch_id)
        .where(ended, voucher.c.used == 0)
        .limit(count)
        .with_for_update(of=voucher, skip_locked=True)
        .cte("found")
    )
    statement = delete(voucher).where(voucher.c.company_id == found.c.company_id, voucher.c.id == found.c.id)
    return connection.execute(statement).rowcount


def _vouchers(company_id: str) -> Select[Any]:
    joined = select(*_COLUMNS).join(voucher_batch, _BATCH.id == voucher.c.batch_id)
    return joined.where(voucher.c.company_id == company_id)


def _ids(voucher_ids: Collection[bytes]) -> Any:
    return bindparam("voucher_ids", list(voucher_ids), ARRAY(LargeBinary))
