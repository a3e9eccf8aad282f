"""Vouchers that tills grant without a network: which ones, and what is at risk with them.

A code of a home store lies at one till, in its lease; one with a risk cap may be granted by every till.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from server.runtime.errors import Refusal
from server.vouchers.batches import OFFLINE_QUANTITY_MAX
from server.vouchers.store import offline as store
from server.vouchers.store.offline import (
    OfflineBatch,
    OfflineVoucher,
    at_risk,
    batches,
    caps_left,
    end_caps,
    fill_caps,
    named,
    tell,
    vouchers,
)

__all__ = [
    "OfflineBatch",
    "OfflineVoucher",
    "at_risk",
    "batches",
    "caps_left",
    "end_caps",
    "fill_caps",
    "for_store",
    "named",
    "require_room",
    "tell",
    "vouchers",
]


def for_store(found: Collection[OfflineBatch], promotion_id: str, store_id: str) -> list[OfflineBatch]:
    """Those of some batches that tills of a store grant for a promotion."""
    return [
        batch
        for batch in found
        if batch.promotion_id == promotion_id and batch.home_store_id in (None, store_id)
    ]


def require_room(connection: Connection, company_id: str) -> None:
    """Refuses more codes than tills keep."""
    quantity = store.quantity(connection, company_id)
    if quantity > OFFLINE_QUANTITY_MAX:
        raise Refusal(
            "OFFLINE_CODES_MANY",
            f"tills keep up to {OFFLINE_QUANTITY_MAX} codes of a company, and these would make {quantity}; "
            "disable a batch, or make these for online alone",
            field="quantity",
        )
