"""Leases as messages of the schema."""

from collections.abc import Sequence

from dealwright.v1 import lease_service_pb2 as schema
from dealwright.v1.lease_pb2 import Lease as LeaseMessage
from dealwright.v1.lease_pb2 import LeasedVouchers

from server.leases.store import Lease
from server.leases.terms import Refused
from server.redemption.escrow import USE
from server.runtime.instants import timestamp

REFUSED = {
    Refused.EXHAUSTED: schema.LEASE_REFUSAL_REASON_EXHAUSTED,
    Refused.UNLIMITED: schema.LEASE_REFUSAL_REASON_UNLIMITED,
    Refused.ONLINE_ONLY: schema.LEASE_REFUSAL_REASON_ONLINE_ONLY,
}

STATES = {
    "open": schema.LEASE_STATE_OPEN,
    "closed": schema.LEASE_STATE_CLOSED,
    "reclaimed": schema.LEASE_STATE_RECLAIMED,
}
"""The values of the schema, by state as it is stored."""


def lease(found: Lease, vouchers: Sequence[LeasedVouchers], *, made: bool) -> LeaseMessage:
    """A lease as its till gets it."""
    message = LeaseMessage(
        lease_id=str(found.id),
        promotion_id=found.promotion_id,
        store_id=found.store_id,
        start_time=timestamp(found.start_time),
        expire_time=timestamp(found.expire_time),
        time_zone=found.time_zone,
        made=made,
        vouchers=vouchers,
    )
    for part in sorted(found.bounds.values(), key=lambda each: each.unit):
        if part.unit == USE:
            message.uses = part.leased
        else:
            message.budgets.add(currency_code=part.unit, minor=part.leased)
    return message


def record(found: Lease) -> schema.LeaseRecord:
    """A lease with what became of it."""
    amounts: dict[tuple[str, str], schema.LeaseAmount] = {}
    for _, part in sorted(found.parts.items()):
        kind, unit = part.account.kind, part.unit
        amount = amounts.setdefault((kind, unit), schema.LeaseAmount(kind=kind, unit=unit))
        amount.leased += part.leased
        amount.spent += part.spent
        amount.returned += part.returned
        amount.overrun += part.overrun
    return schema.LeaseRecord(
        lease_id=str(found.id),
        device_id=found.device_id,
        journal_id=found.journal_id,
        promotion_id=found.promotion_id,
        store_id=found.store_id,
        state=STATES[found.state],
        start_time=timestamp(found.start_time),
        expire_time=timestamp(found.expire_time),
        reclaim_time=timestamp(found.reclaim_time),
        amounts=amounts.values(),
    )
