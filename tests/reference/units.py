"""Units, one object each, and what has become of them so far in the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dealwright.v1.primitives_pb2 import UnitOrder
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.stacking_pb2 import GroupScope, Stacking

from tests.reference.facts import Facts, Line


@dataclass(eq=False)
class Unit:
    """One piece of a line."""

    line: Line
    number: int
    left: int
    lowered_by: list[str] = field(default_factory=list)
    grouped_by: set[tuple[str, str]] = field(default_factory=set)
    closed_by: set[str] = field(default_factory=set)
    used: bool = False

    @property
    def place(self) -> tuple[int, int]:
        """Cart order."""
        return self.line.index, self.number

    @property
    def room(self) -> int:
        """What may still be taken off: price left minus floor (S-5.5)."""
        return max(0, self.left - self.line.floor_minor)

    def open_to(self, promotion: Promotion) -> bool:
        """Whether no other promotion keeps this one off the unit (S-7.6 to S-7.8)."""
        stacking = promotion.stacking
        on_discounted = stacking.on_discounted if stacking.HasField("on_discounted") else True
        groups = groups_per_unit(stacking)
        return (
            self.closed_by <= {promotion.id}
            and (on_discounted or set(self.lowered_by) <= {promotion.id})
            and not any(name in groups for name, member in self.grouped_by if member != promotion.id)
        )

    def lower(self, amount: int, promotion: Promotion) -> None:
        """Takes an amount off; only then is the unit lowered, closed, or its groups taken."""
        assert 0 <= amount <= self.left
        if amount > 0:
            self.left -= amount
            self.lowered_by.append(promotion.id)
            self.grouped_by.update((name, promotion.id) for name in groups_per_unit(promotion.stacking))
            if promotion.stacking.closes_units:
                self.closed_by.add(promotion.id)


def groups_per_unit(stacking: Stacking) -> set[str]:
    """Names of the groups of which each unit lets one member in (S-7.6)."""
    return {group.name for group in stacking.groups if group.scope == GroupScope.GROUP_SCOPE_UNIT}


def units_of(facts: Facts) -> list[Unit]:
    """Every unit of the cart at its list price, in cart order."""
    return [
        Unit(line, number, line.unit_price_minor) for line in facts.lines for number in range(line.quantity)
    ]


def in_order(units: Sequence[Unit], order: UnitOrder.ValueType) -> list[Unit]:
    """S-6.2: by price left, ties by cart order."""
    match order:
        case UnitOrder.UNIT_ORDER_CHEAPEST:
            return sorted(units, key=lambda unit: (unit.left, unit.place))
        case UnitOrder.UNIT_ORDER_DEAREST:
            return sorted(units, key=lambda unit: (-unit.left, unit.place))
        case UnitOrder.UNIT_ORDER_CART:
            return sorted(units, key=lambda unit: unit.place)
    raise AssertionError("the place says its default")
