"""A shop whose promotions have limits, and calls of RedemptionService."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc.aio
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.redemption_service_pb2 import RedeemRequest, ReserveRequest
from dealwright.v1.redemption_service_pb2_grpc import RedemptionServiceStub
from dealwright.v1.ruleset_pb2 import Ruleset
from google.protobuf.message import Message

from server.documents import parse_message, parse_yaml
from tests.access.calls import bearer
from tests.vouchers.conftest import SPRING

CALL_SECONDS = 30.0

LATTE_MINOR = 2_500_000
OFF_MINOR = 500_000
"""What `limited` takes off each order, in minor units of IDR."""

COMPANY = "kopi"

_numbers = itertools.count(1)


def limited(
    promotion_id: str = "offer", code: str = "", *, voucher: bool = False, **limits: Any
) -> Promotion:
    """A promotion that takes 5 000.00 rupiah off an order, as often as its limits allow."""
    trigger = f"trigger: {{code: {{codes: [{code}]}}}}" if code else ""
    promotion = parse_message(
        parse_yaml(
            f"""
            id: {promotion_id}
            rule_language: 1
            name: [{{language: en, text: "5 000 off"}}]
            {trigger}
            amount_discount:
              phase: PHASE_ORDER
              amount_off: [{{currency_code: IDR, minor: {OFF_MINOR}}}]
            """,
            promotion_id,
        ),
        Promotion,
    )
    if voucher:
        promotion.trigger.voucher.SetInParent()
    budget = limits.pop("budget", None)
    for name, value in limits.items():
        setattr(promotion.limits, name, value)
    if budget is not None:
        promotion.limits.budget.add(currency_code="IDR", minor=budget)
    return promotion


def settings() -> Ruleset:
    return parse_message(
        parse_yaml(
            """
            policy: {selection: SELECTION_BEST, time_zone: Asia/Jakarta}
            stores:
              - {id: menteng, name: Menteng, time_zone: Asia/Jakarta, currency_code: IDR}
              - {id: ubud, name: Ubud, time_zone: Asia/Makassar, currency_code: IDR}
            """,
            "settings",
        ),
        Ruleset,
    )


def noon_zone() -> str:
    """A time zone in which it is about noon, so that no day ends while a test counts by days."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def fill(
    request: Any,
    order: str | None = None,
    *,
    customer: str = "",
    store: str = "menteng",
    zone: str = "",
    quantity: int = 1,
) -> Any:
    """An order of lattes, in a request of Reserve or Redeem."""
    number = next(_numbers)
    request.idempotency_key = f"key-{number}"
    request.order_id = order or f"order-{number}"
    request.cart.currency_code = "IDR"
    request.cart.store_id = store
    request.cart.time_zone = zone
    if customer:
        request.cart.customer.id = customer
    request.cart.lines.add(id="latte", product_id="latte", quantity=quantity, unit_price_minor=LATTE_MINOR)
    return request


def reserve_request(order: str | None = None, **how: Any) -> ReserveRequest:
    return fill(ReserveRequest(), order, **how)  # type: ignore[no-any-return]


def redeem_request(order: str | None = None, **how: Any) -> RedeemRequest:
    return fill(RedeemRequest(), order, **how)  # type: ignore[no-any-return]


def name(request: Any, *codes: str, promotion_id: str = SPRING) -> Any:
    """Adds vouchers to the cart of a request, as a checkout does that had them checked."""
    request.cart.codes.extend(codes)
    for code in codes:
        request.cart.vouchers.add(code=code, promotion_id=promotion_id)
    return request


class Till:
    """Somebody who sells."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub: Any = RedemptionServiceStub(channel)
        self._metadata = bearer(token)

    async def __call__(self, method: str, request: Message) -> Any:
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=CALL_SECONDS)


def granted(response: Any) -> Sequence[str]:
    """The promotions that a redemption was granted."""
    return [promotion.promotion_id for promotion in response.redemption.promotions]
