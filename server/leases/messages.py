"""Leases as messages of the schema."""

from collections.abc import Mapping

from dealwright.v1 import lease_service_pb2 as schema
from dealwright.v1.lease_pb2 import Lease as LeaseMessage

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


def lease(found: Lease, *, made: bool) -> LeaseMessage:
    """A lease as its till gets it."""
    message = LeaseMessage(
        lease_id=str(found.id),
        promotion_id=found.promotion_id,
        store_id=found.store_id,
        start_time=timestamp(found.start_time),
        expire_time=timestamp(found.expire_time),
        time_zone=found.time_zone,
        made=made,
    )
    for part in sorted(found.parts.values(), key=lambda each: each.unit):
        if part.unit == USE:
            message.uses = part.leased
        else:
            message.budgets.add(currency_code=part.unit, minor=part.leased)
    return message


def record(found: Lease, kinds: Mapping[int, str]) -> schema.LeaseRecord:
    """A lease with what became of it."""
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
        amounts=[
            schema.LeaseAmount(
                kind=kinds[part.account_id],
                unit=part.unit,
                leased=part.leased,
                spent=part.spent,
                returned=part.returned,
                overrun=part.overrun,
            )
            for _, part in sorted(found.parts.items())
        ],
    )
