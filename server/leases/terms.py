"""Which limits a lease of a promotion is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from dealwright.v1.cart_pb2 import Cart

from server.evaluation.limits import Limited, RulesetLimits
from server.redemption.escrow import Account, accounts


class Refused(Enum):
    """Why there is no lease."""

    EXHAUSTED = "exhausted"
    UNLIMITED = "unlimited"
    ONLINE_ONLY = "online_only"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a lease of a promotion in a store is about, now."""

    limits: Mapping[Account, int]
    time_zone: str
    """Of its day. Empty: it is for all days."""
    day_end: datetime | None
    """When its day ends. None: it is for all days."""


def terms(
    limits: RulesetLimits, promotion_id: str, store_id: str, now: datetime, *, vouchers: bool
) -> Terms | Refused:
    """What a lease would be about, or why there can't be one. `vouchers` says whether tills of the store
    grant some for the promotion.
    """
    limited = limits.promotions.get(promotion_id)
    vouched = promotion_id in limits.vouched
    if (vouched and not vouchers) or (limited is not None and not lendable(limited)):
        return Refused.ONLINE_ONLY
    bounding: dict[Account, int] = {}
    if limited is not None:
        for currency in _currencies(limited, limits, store_id):
            cart = Cart(store_id=store_id, currency_code=currency, codes=limited.codes[:1])
            bounding |= accounts(limits, cart, now, [promotion_id], {})
    if not bounding and not vouched:
        return Refused.UNLIMITED
    if limited is None or not limited.limits.HasField("max_uses_per_day"):
        return Terms(bounding, "", None)
    zone = limits.store_zones.get(store_id) or limits.policy_zone
    return Terms(bounding, zone, _day_end(zone, now))


def lendable(limited: Limited) -> bool:
    """Whether it is known beforehand what each order will count on: not by which customer or code."""
    by_code = limited.limits.HasField("max_uses_per_code") and len(limited.codes) > 1
    return not (by_code or limited.limits.HasField("max_uses_per_customer"))


def _currencies(limited: Limited, limits: RulesetLimits, store_id: str) -> list[str]:
    """The currencies of the store's carts that the promotion has a budget in; at least one that has none."""
    budgets = [budget.currency_code for budget in limited.limits.budget]
    own = limits.store_currencies.get(store_id)
    return [each for each in budgets if own in (None, "", each)] or [own or ""]


def _day_end(zone: str, now: datetime) -> datetime:
    """The next midnight in a zone."""
    day = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    return datetime.combine(day, time(), ZoneInfo(zone))
