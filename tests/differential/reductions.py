"""Reductions, unit limits and amounts, which rules of several types have."""

from dealwright.v1.money_pb2 import Amounts
from dealwright.v1.primitives_pb2 import PercentBase, Reduction, UnitLimit, UnitOrder

from tests.differential.chances import Chance

PERCENTS = [100_000, 500_000, 125_000, 333_333, 1_000_000, 50_000, 1]
AMOUNTS = [100, 10, 333, 1000, 1, 37, 5000]
BASES = [
    PercentBase.PERCENT_BASE_UNSPECIFIED,
    PercentBase.PERCENT_BASE_CURRENT,
    PercentBase.PERCENT_BASE_LIST,
    PercentBase.PERCENT_BASE_PHASE_START,
]
ORDERS = [
    UnitOrder.UNIT_ORDER_UNSPECIFIED,
    UnitOrder.UNIT_ORDER_CHEAPEST,
    UnitOrder.UNIT_ORDER_DEAREST,
    UnitOrder.UNIT_ORDER_CART,
]


def reduction(chance: Chance) -> Reduction:
    match chance.number(0, 2):
        case 0:
            return Reduction(percent_off_ppm=chance.of(PERCENTS), percent_base=chance.of(BASES))
        case 1:
            return Reduction(amount_off=Amounts(per_currency=chance.amounts(AMOUNTS)))
    return Reduction(fixed_price=Amounts(per_currency=chance.amounts([100, 50, 500, 1])))


def unit_limit(chance: Chance) -> UnitLimit:
    result = UnitLimit(max_units=chance.number(1, 4), order=chance.of(ORDERS))
    if chance.one_in(3):
        result.max_units_per_line = chance.number(1, 2)
    if chance.one_in(5):
        result.ClearField("max_units")
        result.max_units_per_line = chance.number(1, 3)
    return result
