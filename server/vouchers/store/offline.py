"""The SQL of vouchers that tills grant without a network."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from server.vouchers.tables import voucher, voucher_batch, voucher_risk


@dataclass(frozen=True, slots=True)
class OfflineBatch:
    """A batch whose codes tills grant without a network."""

    id: int
    promotion_id: str
    home_store_id: str | None
    risk_cap: int | None


@dataclass(frozen=True, slots=True)
class OfflineVoucher:
    """A voucher of such a batch."""

    id: bytes
    batch_id: int
    promotion_id: str
    tag: bytes
    start_time: datetime | None
    end_time: datetime | None
    max_uses: int
    used: int


_BATCH = voucher_batch.c
_OFFLINE = or_(_BATCH.home_store_id.is_not(None), _BATCH.risk_cap.is_not(None))
_IN_FORCE = and_(
    _BATCH.disable_time.is_(None),
    or_(_BATCH.end_time.is_(None), _BATCH.end_time > func.clock_timestamp()),
)


def batches(connection: Connection, company_id: str, promotion_ids: Collection[str]) -> list[OfflineBatch]:
    """The batches of some promotions that tills may grant now or later."""
    query = select(_BATCH.id, _BATCH.promotion_id, _BATCH.home_store_id, _BATCH.risk_cap).where(
        _BATCH.company_id == company_id, _BATCH.promotion_id.in_(promotion_ids), _OFFLINE, _IN_FORCE
    )
    return [OfflineBatch(*row) for row in connection.execute(query.order_by(_BATCH.id))]


def vouchers(connection: Connection, batch_ids: Collection[int]) -> list[OfflineVoucher]:
    """The vouchers of some batches that aren't disabled, in the order of their ids."""
    query = _vouchers(batch_ids).where(~voucher.c.disabled).order_by(voucher.c.id)
    return [OfflineVoucher(*found) for found in connection.execute(query)]


def named(
    connection: Connection, company_id: str, batch_ids: Collection[int], voucher_ids: Collection[bytes]
) -> list[OfflineVoucher]:
    """Those of some vouchers that are of some batches, disabled or not."""
    query = _vouchers(batch_ids).where(voucher.c.company_id == company_id, voucher.c.id.in_(voucher_ids))
    return [OfflineVoucher(*found) for found in connection.execute(query)]


def quantity(connection: Connection, company_id: str) -> int:
    """How many codes of a company tills may grant."""
    query = select(func.coalesce(func.sum(_BATCH.quantity), 0))
    found: int = connection.execute(
        query.where(_BATCH.company_id == company_id, _OFFLINE, _IN_FORCE)
    ).scalar_one()
    return found


def fill_caps(connection: Connection, lease_id: UUID, caps: Mapping[int, int]) -> dict[int, int]:
    """Lets a lease have so many uses of batches at risk; how many that are in all, by batch."""
    column = voucher_risk.c
    totals = {}
    for batch_id, cap in sorted(caps.items()):
        made = upsert(voucher_risk).values(lease_id=lease_id, batch_id=batch_id, uses=cap)
        changed = made.on_conflict_do_update(
            index_elements=[column.lease_id, column.batch_id], set_={"uses": column.spent + cap}
        )
        totals[batch_id] = connection.execute(changed.returning(column.uses)).scalar_one()
    return totals


def caps_left(connection: Connection, lease_ids: Collection[UUID]) -> dict[UUID, dict[int, int]]:
    """What is left of the caps of leases, by batch."""
    column = voucher_risk.c
    found: dict[UUID, dict[int, int]] = {}
    query = select(column.lease_id, column.batch_id, column.uses - column.spent)
    for lease_id, batch_id, left in connection.execute(query.where(column.lease_id.in_(lease_ids))):
        found.setdefault(lease_id, {})[batch_id] = left
    return found


def tell(connection: Connection, lease_id: UUID, spent: Mapping[int, int]) -> None:
    """The server knows now of uses that were at risk."""
    column = voucher_risk.c
    for batch_id, uses in sorted(spent.items()):
        connection.execute(
            update(voucher_risk)
            .where(column.lease_id == lease_id, column.batch_id == batch_id)
            .values(spent=column.spent + uses)
        )


def end_caps(connection: Connection, lease_ids: Collection[UUID]) -> None:
    """Nothing more is at risk with leases that ended."""
    column = voucher_risk.c
    connection.execute(update(voucher_risk).where(column.lease_id.in_(lease_ids)).values(uses=column.spent))


def at_risk(connection: Connection, batch_id: int) -> int:
    """How many uses of a batch tills may have granted that the server doesn't know of."""
    left = func.greatest(voucher_risk.c.uses - voucher_risk.c.spent, 0)
    query = select(func.coalesce(func.sum(left), 0)).where(voucher_risk.c.batch_id == batch_id)
    total: int = connection.execute(query).scalar_one()
    return total


def _vouchers(batch_ids: Collection[int]) -> Select[Any]:
    row = voucher.c
    return (
        select(
            *(row.id, row.batch_id, _BATCH.promotion_id, row.tag, _BATCH.start_time),
            *(func.coalesce(row.end_time, _BATCH.end_time), row.max_uses, row.used),
        )
        .join(voucher_batch, _BATCH.id == row.batch_id)
        .where(row.batch_id.in_(batch_ids), row.tag.is_not(None))
    )
