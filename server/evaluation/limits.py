"""What a ruleset says about limits and codes, beside the compiled form that prices carts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import dealwright_engine
from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.stacking_pb2 import Limits


@dataclass(frozen=True, slots=True)
class Limited:
    """A promotion that has limits."""

    limits: Limits
    codes: tuple[str, ...]
    """The public codes that set it off; empty where none does."""


@dataclass(frozen=True, slots=True)
class RulesetLimits:
    """The limits and codes of a revision, and which day it is in a store."""

    promotions: Mapping[str, Limited]
    codes: frozenset[str]
    """Every public code, folded."""
    vouched: frozenset[str]
    """The promotions that vouchers set off."""
    store_zones: Mapping[str, str]
    store_currencies: Mapping[str, str]
    policy_zone: str

    @classmethod
    def of(cls, ruleset: Ruleset) -> "RulesetLimits":
        return cls(
            {
                promotion.id: Limited(_copied(promotion.limits), tuple(promotion.trigger.code.codes))
                for promotion in ruleset.promotions
                if promotion.HasField("limits")
            },
            frozenset(
                dealwright_engine.fold(code)
                for promotion in ruleset.promotions
                for code in promotion.trigger.code.codes
            ),
            frozenset(
                promotion.id for promotion in ruleset.promotions if promotion.trigger.HasField("voucher")
            ),
            {store.id: store.time_zone for store in ruleset.stores},
            {store.id: store.currency_code for store in ruleset.stores},
            ruleset.policy.time_zone or "UTC",
        )

    def day(self, cart: Cart, at: datetime) -> date:
        """The local day of a cart, in the zone that its evaluation takes."""
        return self.day_in(cart.time_zone or self.store_zones.get(cart.store_id, ""), at)

    def day_in(self, zone: str, at: datetime) -> date:
        """The local day in a zone. Empty: the policy's."""
        return at.astimezone(UTC).astimezone(ZoneInfo(zone or self.policy_zone)).date()


def _copied(limits: Limits) -> Limits:
    """A message of its own: a part of another keeps all of that in memory."""
    copy = Limits()
    copy.CopyFrom(limits)
    return copy
