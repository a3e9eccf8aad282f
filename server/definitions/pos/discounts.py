"""The section `rules` of the types that lower prices of lines or promise money: each written and read."""

from decimal import Decimal
from typing import Any

from dealwright.v1.condition_pb2 import PaymentTest, Threshold
from dealwright.v1.primitives_pb2 import (
    CREDIT_KIND_PAYMENT,
    CREDIT_KIND_POINTS,
    CREDIT_KIND_UNSPECIFIED,
    CREDIT_KIND_WALLET,
    GIFT_SOURCE_IN_CART,
    CreditKind,
    Gift,
    Reduction,
)
from dealwright.v1.rules_pb2 import (
    AmountDiscount,
    Cashback,
    HappyHour,
    PaymentDiscount,
    PercentDiscount,
    ThresholdTier,
    Tier,
)
from dealwright.v1.selector_pb2 import Selector

from server.definitions.pos.edition import Edition, number_of, percent, ppm, share, whole

Json = dict[str, Any]

CREDIT_METHODS = {
    CREDIT_KIND_UNSPECIFIED: "points",
    CREDIT_KIND_POINTS: "points",
    CREDIT_KIND_WALLET: "wallet",
    CREDIT_KIND_PAYMENT: "payment",
}


def write_percent(rule: PercentDiscount, edition: Edition) -> Json:
    return {
        "type": "percent",
        "discount_percent": percent(rule.percent_off_ppm),
        "max_discount_amount": edition.number(rule.max_discount),
        "min_purchase": _minimum(rule, edition),
    }


def read_percent(rules: Json, scope: Selector, edition: Edition) -> PercentDiscount:
    return PercentDiscount(
        scope=scope,
        percent_off_ppm=ppm(rules["discount_percent"]),
        max_discount=edition.money(rules["max_discount_amount"]),
        min_purchase=_threshold(rules, edition),
    )


def write_amount(rule: AmountDiscount, edition: Edition) -> Json:
    return {
        "type": "amount",
        "discount_amount": edition.number(rule.amount_off),
        "min_purchase": _minimum(rule, edition),
    }


def read_amount(rules: Json, scope: Selector, edition: Edition) -> AmountDiscount:
    return AmountDiscount(
        scope=scope,
        amount_off=edition.money(rules["discount_amount"]),
        min_purchase=_threshold(rules, edition),
    )


def write_happy_hour(rule: HappyHour, edition: Edition) -> Json:
    reduction = rule.reduction
    return {
        "type": "happy_hour",
        "discount_percent": percent(reduction.percent_off_ppm) if reduction.percent_off_ppm else None,
        "discount_amount": edition.number(reduction.amount_off.per_currency),
        "special_price": edition.number(reduction.fixed_price.per_currency),
    }


def read_happy_hour(rules: Json, scope: Selector, edition: Edition) -> HappyHour:
    if rules["special_price"] is not None:
        reduction = Reduction(fixed_price=edition.amounts(rules["special_price"]))
    elif rules["discount_amount"] is not None:
        reduction = Reduction(amount_off=edition.amounts(rules["discount_amount"]))
    else:
        reduction = Reduction(percent_off_ppm=ppm(rules["discount_percent"] or 0))
    return HappyHour(scope=scope, reduction=reduction)


def write_payment(rule: PaymentDiscount, edition: Edition) -> Json:
    by_percent = rule.WhichOneof("discount") == "percent_off_ppm"
    value = percent(rule.percent_off_ppm) if by_percent else edition.number(rule.amount_off.per_currency)
    return {
        "type": "payment_discount",
        "payment_methods": list(rule.payment.methods),
        "discount_type": "percent" if by_percent else "amount",
        "discount_value": value,
        "max_discount": edition.number(rule.max_discount),
        "min_purchase": _minimum(rule, edition),
    }


def read_payment(rules: Json, scope: Selector, edition: Edition) -> PaymentDiscount:
    rule = PaymentDiscount(
        payment=PaymentTest(methods=rules["payment_methods"]),
        scope=scope,
        max_discount=edition.money(rules["max_discount"]),
        min_purchase=_threshold(rules, edition),
    )
    if rules["discount_type"] == "percent":
        rule.percent_off_ppm = ppm(rules["discount_value"])
    else:
        rule.amount_off.CopyFrom(edition.amounts(rules["discount_value"]))
    return rule


def write_cashback(rule: Cashback, edition: Edition) -> Json:
    by_percent = rule.WhichOneof("cashback") == "cashback_ppm"
    value = percent(rule.cashback_ppm) if by_percent else edition.number(rule.cashback_amount.per_currency)
    return {
        "type": "cashback",
        "cashback_type": "percent" if by_percent else "amount",
        "cashback_value": value,
        "cashback_max": edition.number(rule.max_cashback),
        "min_purchase": _minimum(rule, edition),
        "payment_methods": list(rule.payment.methods),
        "cashback_method": CREDIT_METHODS[rule.credit_as],
    }


def read_cashback(rules: Json, scope: Selector, edition: Edition) -> Cashback:
    rule = Cashback(
        scope=scope,
        max_cashback=edition.money(rules["cashback_max"]),
        min_purchase=_threshold(rules, edition),
        payment=PaymentTest(methods=rules["payment_methods"]) if rules["payment_methods"] else None,
        credit_as=_credit(rules["cashback_method"]),
    )
    if rules["cashback_type"] == "percent":
        rule.cashback_ppm = ppm(rules["cashback_value"])
    else:
        rule.cashback_amount.CopyFrom(edition.amounts(rules["cashback_value"]))
    return rule


def write_tiers(rule: ThresholdTier, edition: Edition) -> Json:
    return {"type": "threshold_tier", "tiers": [_write_tier(tier, edition) for tier in rule.tiers]}


def read_tiers(rules: Json, scope: Selector, edition: Edition) -> ThresholdTier:
    return ThresholdTier(scope=scope, tiers=[_read_tier(tier, edition) for tier in rules["tiers"]])


def _write_tier(tier: Tier, edition: Edition) -> Json:
    written: Json = {
        "tier_name": tier.name,
        "min_amount": edition.number(tier.minimum),
        "max_amount": edition.number(tier.below),
    }
    match tier.WhichOneof("benefit"):
        case "percent_off_ppm":
            return {**written, "discount_type": "percent", "discount_value": percent(tier.percent_off_ppm)}
        case "amount_off":
            value = edition.number(tier.amount_off.per_currency)
            return {**written, "discount_type": "amount", "discount_value": value}
        case "gift":
            return {
                **written,
                "discount_type": "free_product",
                "discount_value": whole(tier.gift.quantity or 1),
                "free_product_id": tier.gift.product_id,
            }
        case _:
            times = share(tier.points_multiplier_ppm)
            return {
                **written,
                "discount_type": "points_multiplier",
                "discount_value": times,
                "points_multiplier": times,
            }


def _read_tier(tier: Json, edition: Edition) -> Tier:
    read = Tier(
        name=tier["tier_name"],
        minimum=edition.money(tier["min_amount"]),
        below=edition.money(tier["max_amount"]),
    )
    value = tier["discount_value"]
    match tier["discount_type"]:
        case "percent":
            read.percent_off_ppm = ppm(value)
        case "amount":
            read.amount_off.CopyFrom(edition.amounts(value))
        case "free_product":
            gift = Gift(
                product_id=tier["free_product_id"], quantity=number_of(value), source=GIFT_SOURCE_IN_CART
            )
            read.gift.CopyFrom(gift)
        case _:
            read.points_multiplier_ppm = ppm(Decimal(value) * 100)
    return read


def _minimum(rule: Any, edition: Edition) -> Decimal:
    return edition.number(rule.min_purchase.minimum) or whole(0)


def _threshold(rules: Json, edition: Edition) -> Threshold | None:
    return Threshold(minimum=edition.money(rules["min_purchase"])) if rules["min_purchase"] else None


def _credit(method: str) -> CreditKind.ValueType:
    return next(kind for kind, name in CREDIT_METHODS.items() if kind and name == method)
