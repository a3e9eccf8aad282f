"""Redemptions as messages of the schema."""

from collections.abc import Sequence
from datetime import datetime

from dealwright.v1 import redemption_pb2 as schema
from dealwright.v1.refund_pb2 import RefundAmount

from server.redemption.pricing import Priced
from server.redemption.store import Granted, Record
from server.runtime.instants import timestamp

STATES = {
    "reserved": schema.REDEMPTION_STATE_RESERVED,
    "committed": schema.REDEMPTION_STATE_COMMITTED,
    "released": schema.REDEMPTION_STATE_RELEASED,
    "expired": schema.REDEMPTION_STATE_EXPIRED,
    "partly_returned": schema.REDEMPTION_STATE_PARTLY_RETURNED,
    "returned": schema.REDEMPTION_STATE_RETURNED,
}
"""The values of the schema, by state as it is stored."""


def placed(redemption_id: str, order_id: str, priced: Priced, state: str) -> schema.Redemption:
    """A redemption that is being made, without the times that the database knows."""
    cart, totals = priced.request.cart, priced.result.totals
    return schema.Redemption(
        redemption_id=redemption_id,
        order_id=order_id,
        store_id=cart.store_id,
        customer_id=cart.customer.id,
        state=STATES[state],
        revision=priced.active.revision,
        currency_code=cart.currency_code,
        discount_minor=totals.discount_minor,
        payable_minor=totals.payable_minor,
        promotions=[
            schema.GrantedPromotion(
                promotion_id=grant.promotion_id,
                discount_minor=grant.discount_minor,
                cost_minor=grant.cost_minor,
                voucher_id=grant.voucher_id,
            )
            for grant in priced.granted
        ],
    )


def times(
    create: datetime | None = None, expire: datetime | None = None, resolve: datetime | None = None
) -> schema.Redemption:
    """The times of a redemption alone."""
    return schema.Redemption(
        create_time=timestamp(create), expire_time=timestamp(expire), resolve_time=timestamp(resolve)
    )


def redemption(record: Record, granted: Sequence[Granted]) -> schema.Redemption:
    """A redemption as it stands."""
    message = schema.Redemption(
        redemption_id=str(record.id),
        order_id=record.order_id,
        store_id=record.store_id,
        customer_id=record.customer_id,
        state=STATES[record.state],
        revision=record.revision,
        currency_code=record.currency_code,
        discount_minor=record.discount_minor,
        payable_minor=record.payable_minor,
        promotions=[
            schema.GrantedPromotion(
                promotion_id=each.promotion_id,
                discount_minor=each.discount_minor,
                cost_minor=each.cost_minor,
                returned_minor=each.returned_minor,
                voucher_id=each.voucher_id,
            )
            for each in granted
        ],
        late=record.late,
    )
    message.MergeFrom(times(record.create_time, record.expire_time, record.resolve_time))
    if record.refunded_minor or record.refunded_tax_minor:
        message.refunded.CopyFrom(
            RefundAmount(minor=record.refunded_minor, tax_minor=record.refunded_tax_minor)
        )
    return message


def operation(kind: str, actor: str, time: datetime) -> schema.RedemptionOperation:
    return schema.RedemptionOperation(kind=kind, actor=actor, time=timestamp(time))
