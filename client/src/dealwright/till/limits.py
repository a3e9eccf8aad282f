"""Which promotions in force have limits, as far as a till has to know it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dealwright_engine import fold

from dealwright.v1.promotion_pb2 import Promotion


@dataclass(frozen=True, slots=True)
class Limited:
    """What the limits of a promotion are about."""

    counts: bool
    """Whether uses are counted."""
    currencies: frozenset[str]
    """In which there is a budget."""
    vouched: bool = False
    """Whether vouchers set it off; each has a limit of its own."""

    def concern(self, currency_code: str) -> bool:
        """Whether a cart in a currency takes something of a limit."""
        return self.counts or self.vouched or currency_code in self.currencies


def limited(promotions: Iterable[Promotion]) -> Mapping[str, Limited]:
    """The promotions with limits, by id."""
    return {
        promotion.id: Limited(
            any(field.name.startswith("max_uses") for field, _ in promotion.limits.ListFields()),
            frozenset(budget.currency_code for budget in promotion.limits.budget),
            promotion.trigger.HasField("voucher"),
        )
        for promotion in promotions
        if promotion.HasField("limits") or promotion.trigger.HasField("voucher")
    }


def public_codes(promotions: Iterable[Promotion]) -> frozenset[str]:
    """The codes that many customers share, folded; all others may be vouchers."""
    return frozenset(fold(code) for promotion in promotions for code in promotion.trigger.code.codes)
