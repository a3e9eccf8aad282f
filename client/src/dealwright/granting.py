"""What `Redemptions` and `AsyncRedemptions` ask, and what they make of a call that wasn't answered."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from dealwright.errors import CallFailed, DeadlineExceeded, Unavailable
from dealwright.requests import CartLike, message
from dealwright.retrying import KEY_FIELD, NOT_STARTED, keyed
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.redemption_pb2 import (
    LATE_COMMIT_HONOR,
    LATE_COMMIT_UNSPECIFIED,
    ON_REFUSED_DECLINE,
    ON_REFUSED_UNSPECIFIED,
    TillSale,
)
from dealwright.v1.redemption_service_pb2 import (
    CommitRequest,
    RedeemRequest,
    ReleaseRequest,
    ReserveRequest,
    ReturnRequest,
)
from dealwright.v1.refund_pb2 import ReturnedUnits, ReturnPolicy

Units = Mapping[str, int] | Iterable[ReturnedUnits]
"""What comes back: a number of units by line, or the units themselves."""


class OutcomeUnknown(CallFailed):
    """No answer came, and nobody knows whether the call was carried out.

    Give it to `resolve`, as often as it takes: the same call with the same key takes effect once.
    """

    def __init__(self, method: str, request: Message, failed: CallFailed) -> None:
        super().__init__(
            f"{method}: {failed}; send it again with the same key to find out",
            code=failed.code,
            reason=failed.reason,
            parameters=failed.parameters,
            retry_after=failed.retry_after,
        )
        self.method = method
        self.request = request
        """As it was sent, with its key; keep it where a crash doesn't take it."""

    @property
    def idempotency_key(self) -> str:
        return str(getattr(self.request, KEY_FIELD))


def with_key(request: Message) -> Message:
    """The request with a key of its own, unless the caller gave one."""
    return keyed(request, uuid.uuid4().hex)


def judged(method: str, request: Message, failed: CallFailed) -> CallFailed:
    """What to raise: a failure that says nothing about the outcome is told apart."""
    unknown = isinstance(failed, (Unavailable, DeadlineExceeded)) and failed.reason not in NOT_STARTED
    return OutcomeUnknown(method, request, failed) if unknown else failed


def reserve_request(
    order_id: str, cart: CartLike, *, decline: bool, language: str, lifetime: int, key: str
) -> ReserveRequest:
    return ReserveRequest(
        idempotency_key=key,
        order_id=order_id,
        cart=message(cart, Cart, "cart"),
        on_refused=ON_REFUSED_DECLINE if decline else ON_REFUSED_UNSPECIFIED,
        language=language,
        lifetime_seconds=lifetime,
    )


def redeem_request(order_id: str, cart: CartLike, *, decline: bool, language: str, key: str) -> RedeemRequest:
    return RedeemRequest(
        idempotency_key=key,
        order_id=order_id,
        cart=message(cart, Cart, "cart"),
        on_refused=ON_REFUSED_DECLINE if decline else ON_REFUSED_UNSPECIFIED,
        language=language,
    )


def commit_request(redemption_id: str, cart: CartLike | None, *, honor_late: bool, key: str) -> CommitRequest:
    return CommitRequest(
        idempotency_key=key,
        redemption_id=redemption_id,
        cart=None if cart is None else message(cart, Cart, "cart"),
        late=LATE_COMMIT_HONOR if honor_late else LATE_COMMIT_UNSPECIFIED,
    )


def release_request(redemption_id: str, *, key: str) -> ReleaseRequest:
    return ReleaseRequest(idempotency_key=key, redemption_id=redemption_id)


def return_request(
    of: str | TillSale, returned: Units, *, policy: ReturnPolicy.ValueType, key: str
) -> ReturnRequest:
    units = (
        [ReturnedUnits(line_id=line_id, quantity=quantity) for line_id, quantity in returned.items()]
        if isinstance(returned, Mapping)
        else returned
    )
    request = ReturnRequest(idempotency_key=key, returned=units, policy=policy)
    if isinstance(of, TillSale):
        request.till_sale.CopyFrom(of)
    else:
        request.redemption_id = of
    return request
