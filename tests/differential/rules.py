"""Rules of the types that lower prices of units or of lines; the others are in sets."""

from collections.abc import Callable

from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import AmountDiscount, AmountPer, HappyHour, PaymentDiscount, PercentDiscount
from dealwright.v1.selector_pb2 import LineKind
from google.protobuf.message import Message

from tests.differential.chances import Chance
from tests.differential.conditions import payment_test, selector, threshold
from tests.differential.reductions import AMOUNTS, BASES, PERCENTS, reduction, unit_limit
from tests.differential.sets import SET_RULES

DELIVERY_KINDS = [LineKind.LINE_KIND_DELIVERY, LineKind.LINE_KIND_FEE]


def set_rule(chance: Chance, promotion: Promotion, kind: str) -> None:
    """Gives a promotion a rule of a type."""
    getattr(promotion, kind).CopyFrom(RULES[kind](chance))


def percent_discount(chance: Chance) -> PercentDiscount:
    phase = chance.of([Phase.PHASE_ITEM, Phase.PHASE_ORDER, Phase.PHASE_ITEM, Phase.PHASE_DELIVERY])
    rule = PercentDiscount(phase=phase, percent_off_ppm=chance.of(PERCENTS), percent_base=chance.of(BASES))
    if phase == Phase.PHASE_ITEM and chance.one_in(3):
        rule.units.CopyFrom(unit_limit(chance))
    _add_common(chance, rule)
    return rule


def amount_discount(chance: Chance) -> AmountDiscount:
    phase = chance.of([Phase.PHASE_ITEM, Phase.PHASE_ORDER, Phase.PHASE_ITEM, Phase.PHASE_DELIVERY])
    rule = AmountDiscount(phase=phase, amount_off=chance.amounts(AMOUNTS))
    if phase == Phase.PHASE_ITEM:
        rule.per = chance.of(
            [AmountPer.AMOUNT_PER_UNSPECIFIED, AmountPer.AMOUNT_PER_UNIT, AmountPer.AMOUNT_PER_SCOPE]
        )
    elif chance.one_in(2):
        rule.per = AmountPer.AMOUNT_PER_SCOPE
    if phase == Phase.PHASE_ITEM and rule.per != AmountPer.AMOUNT_PER_SCOPE and chance.one_in(3):
        rule.units.CopyFrom(unit_limit(chance))
    _add_common(chance, rule)
    return rule


def happy_hour(chance: Chance) -> HappyHour:
    rule = HappyHour(reduction=reduction(chance))
    if chance.one_in(3):
        rule.units.CopyFrom(unit_limit(chance))
    _add_common(chance, rule)
    return rule


def payment_discount(chance: Chance) -> PaymentDiscount:
    rule = PaymentDiscount(payment=payment_test(chance))
    if chance.one_in(2):
        rule.percent_off_ppm = chance.of(PERCENTS)
        rule.percent_base = chance.of(BASES)
    else:
        rule.amount_off.per_currency.extend(chance.amounts(AMOUNTS))
    _add_common(chance, rule)
    return rule


def _add_common(chance: Chance, rule: PercentDiscount | AmountDiscount | HappyHour | PaymentDiscount) -> None:
    """Scope, cap and minimum purchase, which all of these have."""
    if chance.one_in(2):
        delivery = getattr(rule, "phase", None) == Phase.PHASE_DELIVERY
        rule.scope.CopyFrom(selector(chance, DELIVERY_KINDS if delivery else ()))
    if chance.one_in(4):
        rule.max_discount.extend(chance.amounts([100, 10, 37, 500, 1]))
    if chance.one_in(4):
        rule.min_purchase.CopyFrom(threshold(chance))


RULES: dict[str, Callable[[Chance], Message]] = {
    "percent_discount": percent_discount,
    "amount_discount": amount_discount,
    "happy_hour": happy_hour,
    "payment_discount": payment_discount,
    **SET_RULES,
}
