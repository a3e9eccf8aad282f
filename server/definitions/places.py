"""In which stores a promotion can hold, as far as it names stores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.promotion_pb2 import Promotion

Places = frozenset[str]
"""Folded ids of stores. Empty: all."""


@dataclass(frozen=True, slots=True)
class Where:
    """The stores that a promotion names; brand and region are left to the cart, which may say its own."""

    others: bool
    """Whether it can hold in stores that it doesn't name."""
    named: Places
    """The stores for which it is the other way round."""

    @classmethod
    def of(cls, promotion: Promotion) -> Where:
        names = promotion.targeting.store_ids
        include, exclude = folded(names.include), folded(names.exclude)
        return cls(True, exclude) if not include else cls(False, include - exclude)

    def concerns(self, stores: Places) -> bool:
        """Whether it can hold in one of some stores."""
        if not stores:
            return True
        return bool(stores - self.named if self.others else stores & self.named)


def folded(names: Iterable[str]) -> Places:
    """Ids of stores as they are compared."""
    return frozenset(map(dealwright_engine.fold, names))
