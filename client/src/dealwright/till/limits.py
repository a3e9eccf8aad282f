"""Which promotions in force have limits, as far as a till has to know it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dealwright.v1.promotion_pb2 import Promotion


@dataclass(frozen=True, slots=True)
class Limited:
    """What the limits of a promotion are about."""

    counts: bool
    """Whether uses are counted."""
    currencies: frozenset[str]
    """In which there is a budget."""

    def concern(self, currency_code: str) -> bool:
        """Whether a cart in a currency takes something of a limit."""
        return self.counts or currency_code in self.currencies


def limited(promotions: Iterable[Promotion]) -> Mapping[str, Limited]:
    """The promotions with limits, by id. Each voucher has a limit of its own."""
    return {
        promotion.id: Limited(
            promotion.trigger.HasField("voucher")
            or any(field.name.startswith("max_uses") for field, _ in promotion.limits.ListFields()),
            frozenset(budget.currency_code for budget in promotion.limits.budget),
        )
        for promotion in promotions
        if promotion.HasField("limits") or promotion.trigger.HasField("voucher")
    }
