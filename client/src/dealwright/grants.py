"""What a result grants by promotion, and what that costs a budget."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from dealwright.v1.result_pb2 import Result


@dataclass(frozen=True, slots=True)
class Grant:
    """What a cart was granted by one promotion, in minor units."""

    promotion_id: str
    discount_minor: int
    cost_minor: int
    """What it costs a budget: the discount, what granted gifts are worth, and cashback."""
    voucher_id: str = ""
    """The voucher that it uses. Empty: none that is counted."""


def grants(result: Result) -> list[Grant]:
    """What a result grants, by promotion."""
    discounts: defaultdict[str, int] = defaultdict(int)
    extras: defaultdict[str, int] = defaultdict(int)
    for application in result.applications:
        discounts[application.promotion_id] += application.discount_minor
    for gift in result.gifts:
        extras[gift.promotion_id] += gift.value_minor
    for reward in result.rewards:
        extras[reward.promotion_id] += reward.cashback_minor
    return [
        Grant(promotion_id, discounts[promotion_id], discounts[promotion_id] + extras[promotion_id])
        for promotion_id in sorted({*discounts, *extras})
    ]
