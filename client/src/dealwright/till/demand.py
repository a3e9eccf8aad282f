"""How much a till asks for: what it has needed lately, for as long as a lease lasts. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dealwright.till.leases import Held, Key
from dealwright.v1.lease_service_pb2 import LeaseWish

USES = ""
"""The unit of uses; the others are currencies."""

AGAIN_SECONDS = 60.0
"""How soon it is asked again where nothing was given."""


@dataclass(slots=True)
class Renewal:
    """How a lease stood when it was renewed last."""

    time: float
    """Trusted, in Unix seconds."""
    spent: Mapping[str, int]
    left: Mapping[str, int]


@dataclass(slots=True)
class Demand:
    """What is needed of one promotion in one store."""

    key: Key
    renewal: Renewal | None = None
    needed: dict[str, int] = field(default_factory=dict)
    """The least budget that a cart has asked for in vain, by currency."""
    size: Mapping[str, int] = field(default_factory=dict)
    """How much should be left of a lease that is taken anew, by unit."""
    quiet_until: float = 0.0
    """Before then it isn't asked."""

    def renewed(self, held: Held, now: float) -> None:
        """A server has just answered."""
        self.size = left(held)
        self.renewal = Renewal(now, spent(held), self.size)
        self.needed = {unit: least for unit, least in self.needed.items() if self.size.get(unit, 0) < least}
        if self.needed or self._low(held):
            self.quiet_until = now + AGAIN_SECONDS

    def refused(self, now: float) -> None:
        """A server has no lease of it."""
        self.renewal = None
        self.quiet_until = now + AGAIN_SECONDS

    def wish(self, held: Held | None, now: float) -> LeaseWish | None:
        """What to ask for now; None: nothing."""
        if now < self.quiet_until:
            return None
        if held is None:
            return _wish(self.key, self._enough(self.size))
        if self.renewal is None:
            # Held since before a restart: it is to last longer, and nothing else is known.
            return _wish(self.key, _sum(spent(held), self._enough(left(held))))
        if not (self._low(held) or self.needed or now >= self._middle(held)):
            return None
        return _wish(self.key, _sum(spent(held), self._enough(self.wanted(held, now))))

    def shrinks(self, held: Held, now: float) -> bool:
        """Whether it is to be closed and taken anew, because little of it was needed for half of its time."""
        if self.renewal is None or now < self._middle(held):
            return False
        wanted, now_left = self.wanted(held, now), left(held)
        if not wanted:
            # It is of vouchers alone.
            return False
        if any(2 * wanted[unit] > now_left[unit] for unit in wanted):
            return False
        self.size, self.renewal = wanted, None
        return True

    def wanted(self, held: Held, now: float) -> dict[str, int]:
        """How much should be left after the next renewal, by unit: at most twice, and at least a quarter of
        what was left after the last.
        """
        if self.renewal is None:
            return left(held)
        elapsed = max(1.0, now - self.renewal.time)
        life = held.expire_time - self.renewal.time
        since, size = self.renewal.spent, self.renewal.left
        return {
            unit: max(
                1, size[unit] // 4, min(2 * size[unit], math.ceil((amount - since[unit]) * life / elapsed))
            )
            for unit, amount in spent(held).items()
        }

    def _enough(self, amounts: Mapping[str, int]) -> dict[str, int]:
        """So much, and at least what carts have asked for in vain."""
        return {
            unit: max(amounts.get(unit, 0), self.needed.get(unit, 0)) for unit in {**amounts, **self.needed}
        }

    def _low(self, held: Held) -> bool:
        size = self.renewal.left if self.renewal else {}
        return held.vouchers.low or any(
            2 * amount < size[unit] or amount == 0 for unit, amount in left(held).items()
        )

    def _middle(self, held: Held) -> float:
        begin = self.renewal.time if self.renewal else 0.0
        return (begin + held.expire_time) / 2


def leased(held: Held) -> dict[str, int]:
    """What a lease has in all, by unit."""
    budgets = {each.currency_code: each.minor for each in held.lease.budgets}
    return {**({USES: held.lease.uses} if held.lease.HasField("uses") else {}), **budgets}


def spent(held: Held) -> dict[str, int]:
    """What was spent of it, by unit."""
    return {unit: held.spent if unit == USES else held.spent_budgets[unit] for unit in leased(held)}


def left(held: Held) -> dict[str, int]:
    """What is left of it, by unit."""
    return {unit: amount - spent(held)[unit] for unit, amount in leased(held).items()}


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {unit: first.get(unit, 0) + amount for unit, amount in second.items()}


def _wish(key: Key, totals: Mapping[str, int]) -> LeaseWish:
    wish = LeaseWish(promotion_id=key[0], store_id=key[1], uses=totals.get(USES))
    for unit, amount in sorted(totals.items()):
        if unit != USES:
            wish.budgets.add(currency_code=unit, minor=amount)
    return wish
