"""The SQL of batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from server.vouchers.tables import voucher, voucher_batch


@dataclass(frozen=True, slots=True)
class Batch:
    """Codes that were made or imported together."""

    id: int
    company_id: str
    promotion_id: str
    origin: str
    prefix: str
    random_chars: int
    quantity: int
    max_uses: int
    customer_ids: Sequence[str]
    start_time: datetime | None
    end_time: datetime | None
    comment: str
    author: str
    create_time: datetime
    salt: bytes | None
    next_number: int
    made: int
    skipped: Sequence[int]
    complete_time: datetime | None
    disable_time: datetime | None
    home_store_id: str | None
    """The store whose tills have its codes to themselves. None: it isn't for one."""
    risk_cap: int | None
    """Uses that each till may grant at its own risk. None: none."""

    @property
    def offline(self) -> bool:
        """Whether tills grant its codes without a network."""
        return self.home_store_id is not None or self.risk_cap is not None


_COLUMNS = tuple(voucher_batch.c[name] for name in Batch.__dataclass_fields__)


def insert_batch(connection: Connection, values: dict[str, Any]) -> Batch:
    return Batch(*connection.execute(insert(voucher_batch).values(**values).returning(*_COLUMNS)).one())


def batch(connection: Connection, company_id: str, batch_id: int, *, lock: bool = False) -> Batch | None:
    """A batch of a company, kept from changing until the transaction ends if that is asked for."""
    query = select(*_COLUMNS).where(voucher_batch.c.company_id == company_id, voucher_batch.c.id == batch_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Batch(*row)


def batches(connection: Connection, company_id: str, below: int | None, count: int) -> list[Batch]:
    """The newest batches of a company, or the newest below a number."""
    query = select(*_COLUMNS).where(voucher_batch.c.company_id == company_id)
    if below is not None:
        query = query.where(voucher_batch.c.id < below)
    rows = connection.execute(query.order_by(voucher_batch.c.id.desc()).limit(count))
    return [Batch(*row) for row in rows]


def unfinished(connection: Connection) -> list[tuple[str, int]]:
    """The batches of all companies that don't have all of their codes yet."""
    query = select(voucher_batch.c.company_id, voucher_batch.c.id)
    rows = connection.execute(
        query.where(voucher_batch.c.complete_time.is_(None)).order_by(voucher_batch.c.id)
    )
    return [(row.company_id, row.id) for row in rows]


def sealable(connection: Connection, completed_before: datetime) -> list[tuple[str, int]]:
    """The batches of all companies that were complete by then and can still be told."""
    query = select(voucher_batch.c.company_id, voucher_batch.c.id)
    rows = connection.execute(
        query.where(voucher_batch.c.salt.is_not(None), voucher_batch.c.complete_time < completed_before)
    )
    return [(row.company_id, row.id) for row in rows]


def change_batch(connection: Connection, batch_id: int, **values: Any) -> Batch:
    """Changes a batch that is locked."""
    statement = update(voucher_batch).where(voucher_batch.c.id == batch_id).values(**values)
    return Batch(*connection.execute(statement.returning(*_COLUMNS)).one())


def count_used(connection: Connection, batch_id: int) -> int:
    """How many codes of a batch have been used at least once."""
    query = select(func.count()).select_from(voucher)
    return connection.scalar(query.where(voucher.c.batch_id == batch_id, voucher.c.used > 0)) or 0


def has_imported(connection: Connection, company_id: str) -> bool:
    """Whether a company has codes that were made elsewhere."""
    query = select(voucher_batch.c.id).where(
        voucher_batch.c.company_id == company_id, voucher_batch.c.origin == "imported"
    )
    return connection.scalar(query.limit(1)) is not None
