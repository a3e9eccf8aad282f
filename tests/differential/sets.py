"""Rules of the types that work on sets, give gifts or promise rewards, and of custom."""

from collections.abc import Callable

from dealwright.v1.money_pb2 import Amounts, Money
from dealwright.v1.primitives_pb2 import (
    CreditKind,
    Gift,
    GiftSource,
    Grouping,
    Phase,
    PointsPer,
    Reduce,
    Reward,
    Role,
    SetOffer,
    Slot,
    Spread,
    Step,
)
from dealwright.v1.rules_pb2 import (
    BuyXGetY,
    Cashback,
    CategoryPick,
    Combo,
    ComboItem,
    Custom,
    FreeItem,
    MixMatch,
    Package,
    PackageSlot,
    ThresholdTier,
    Tier,
    Upsell,
)
from dealwright.v1.selector_pb2 import LineFilter, LineKind, Selector
from dealwright.v1.text_pb2 import Text
from google.protobuf.message import Message

from tests.differential.carts import PRODUCTS
from tests.differential.chances import CURRENCY, Chance
from tests.differential.conditions import condition, payment_test, selector, threshold
from tests.differential.reductions import AMOUNTS, BASES, ORDERS, PERCENTS, reduction, unit_limit

CREDITS = [
    CreditKind.CREDIT_KIND_UNSPECIFIED,
    CreditKind.CREDIT_KIND_POINTS,
    CreditKind.CREDIT_KIND_WALLET,
    CreditKind.CREDIT_KIND_PAYMENT,
]
SET_PRICES = [100, 500, 999, 1000, 1, 2000]
GROUPINGS = [Grouping.GROUPING_UNSPECIFIED, Grouping.GROUPING_PER_GROUP, Grouping.GROUPING_MERCHANT]


def set_selector(chance: Chance) -> Selector:
    """Wide mostly, so that sets can be formed."""
    if chance.one_in(3):
        return selector(chance)
    wide = chance.of([Selector(), Selector(include=[LineFilter(product_ids=chance.some(PRODUCTS))])])
    wide.with_children = chance.one_in(8)
    return wide


def buy_x_get_y(chance: Chance) -> BuyXGetY:
    rule = BuyXGetY(
        buy=set_selector(chance),
        buy_quantity=chance.of([1, 1, 2, 2, 3]),
        get_quantity=chance.of([1, 1, 2, 2, 3]),
        reduction=reduction(chance),
        same_product=chance.one_in(4),
        partial=chance.one_in(3),
        grouping=chance.of(GROUPINGS),
    )
    if chance.one_in(3):
        rule.get.CopyFrom(set_selector(chance))
    if chance.one_in(3):
        rule.max_sets = chance.number(1, 2)
    if chance.one_in(4):
        rule.buy_order = chance.of(ORDERS)
    if rule.HasField("get") and not rule.grouping and chance.one_in(2):
        rule.get_order = chance.of(ORDERS)
    return rule


def combo(chance: Chance) -> Combo:
    products = chance.some(PRODUCTS, most=3)
    items = [ComboItem(product_id=product, quantity=chance.number(1, 2)) for product in products]
    if len(items) == 1:
        items[0].quantity = 2
    rule = Combo(items=items, set_price=chance.amounts(SET_PRICES))
    if chance.one_in(3):
        rule.max_sets = chance.number(1, 2)
    return rule


def package(chance: Chance) -> Package:
    slots = [_package_slot(chance, number) for number in range(chance.number(1, 3))]
    slots[0].optional = False
    rule = Package(slots=slots, set_price=chance.amounts(SET_PRICES), allow_modification=chance.one_in(2))
    if chance.one_in(3):
        rule.max_sets = chance.number(1, 2)
    return rule


def _package_slot(chance: Chance, number: int) -> PackageSlot:
    slot = PackageSlot(name=f"slot{number}", optional=chance.one_in(4))
    if chance.one_in(2):
        slot.product_id = chance.of(PRODUCTS)
        slot.quantity = chance.number(1, 2)
        return slot
    pick = CategoryPick(category_id=chance.of(["drinks", "hot", "cold"]), min_picks=chance.number(1, 2))
    if chance.one_in(2):
        pick.max_picks = chance.number(pick.min_picks, 3)
    slot.pick.CopyFrom(pick)
    return slot


def mix_match(chance: Chance) -> MixMatch:
    rule = MixMatch(
        scope=set_selector(chance),
        required_quantity=chance.number(2, 3),
        different_products=chance.one_in(3),
    )
    if chance.one_in(2):
        rule.set_price.per_currency.extend(chance.amounts(SET_PRICES))
    else:
        rule.unit_price.per_currency.extend(chance.amounts([100, 50, 300]))
    if chance.one_in(3):
        rule.max_sets = chance.number(1, 2)
    return rule


def upsell(chance: Chance) -> Upsell:
    rule = Upsell(
        upsell_product_id=chance.of(PRODUCTS),
        special_price=chance.amounts([100, 50, 300]),
        message=[Text(language="en", text="Add one")],
    )
    if not chance.one_in(3):
        rule.required.CopyFrom(set_selector(chance))
        rule.required_quantity = chance.number(1, 2)
    if chance.one_in(2):
        rule.max_units = chance.number(1, 2)
    return rule


def free_item(chance: Chance) -> FreeItem:
    rule = FreeItem(gift=gift(chance))
    if chance.one_in(2):
        rule.trigger.CopyFrom(set_selector(chance))
        rule.trigger_quantity = chance.number(1, 2)
        if chance.one_in(2):
            rule.max_gifts = chance.number(1, 3)
    if chance.one_in(4):
        rule.min_purchase.CopyFrom(threshold(chance))
    return rule


def gift(chance: Chance) -> Gift:
    result = Gift(
        source=chance.of(
            [
                GiftSource.GIFT_SOURCE_UNSPECIFIED,
                GiftSource.GIFT_SOURCE_IN_CART,
                GiftSource.GIFT_SOURCE_ADD_MISSING,
                GiftSource.GIFT_SOURCE_ADD,
            ]
        )
    )
    if chance.one_in(3):
        result.quantity = 2
    in_cart = result.source == GiftSource.GIFT_SOURCE_IN_CART
    if not in_cart or chance.one_in(2):
        result.product_id = chance.of(PRODUCTS)
    if not in_cart:
        result.unit_value.extend(chance.amounts([100, 250, 1000]))
    if (in_cart and not result.product_id) or (
        result.source in (GiftSource.GIFT_SOURCE_IN_CART, GiftSource.GIFT_SOURCE_ADD_MISSING)
        and chance.one_in(3)
    ):
        result.selector.CopyFrom(set_selector(chance))
    return result


def cashback(chance: Chance) -> Cashback:
    rule = Cashback(credit_as=chance.of(CREDITS))
    if chance.one_in(2):
        rule.cashback_amount.per_currency.extend(chance.amounts(AMOUNTS))
    else:
        rule.cashback_ppm = chance.of(PERCENTS)
    if chance.one_in(3):
        rule.scope.CopyFrom(selector(chance))
    if chance.one_in(3):
        rule.max_cashback.extend(chance.amounts([100, 10, 37]))
    if chance.one_in(3):
        rule.min_purchase.CopyFrom(threshold(chance))
    if chance.one_in(3):
        rule.payment.CopyFrom(payment_test(chance))
    return rule


def threshold_tier(chance: Chance) -> ThresholdTier:
    count = chance.number(1, 3)
    rule = ThresholdTier(
        tiers=[_tier(chance, number, chance.one_in(4)) for number in range(count)],
        basis=threshold(chance).basis,
    )
    if chance.one_in(3):
        rule.scope.CopyFrom(selector(chance))
    return rule


def _tier(chance: Chance, number: int, ends: bool) -> Tier:
    minimum = chance.of([[100, 300], [500, 999], [1000, 2000]][number])
    tier = Tier(name=f"tier{number}", minimum=[Money(currency_code=CURRENCY, minor=minimum)])
    if ends:
        below = chance.of([[400, 999], [1000, 1500], [3000, 4000]][number])
        tier.below.append(Money(currency_code=CURRENCY, minor=below))
    match chance.number(0, 3):
        case 0:
            tier.percent_off_ppm = chance.of(PERCENTS)
            if chance.one_in(3):
                tier.max_discount.extend(chance.amounts([100, 10]))
        case 1:
            tier.amount_off.per_currency.extend(chance.amounts(AMOUNTS))
        case 2:
            tier.gift.CopyFrom(gift(chance))
        case 3:
            tier.points_multiplier_ppm = 2_000_000
    return tier


def custom(chance: Chance) -> Custom:
    return Custom(steps=[_step(chance) for _ in range(chance.number(1, 3))])


def _step(chance: Chance) -> Step:
    step = Step(phase=chance.of([Phase.PHASE_ITEM, Phase.PHASE_SET, Phase.PHASE_ORDER, Phase.PHASE_PAYMENT]))
    match chance.number(0, 4):
        case 0:
            step.reduce.CopyFrom(_reduce(chance))
        case 1:
            step.spread.CopyFrom(_spread(chance))
        case 2:
            step.set_offer.CopyFrom(_set_offer(chance))
        case 3:
            step.gift.CopyFrom(gift(chance))
        case 4:
            step.phase = Phase.PHASE_REWARD
            step.reward.CopyFrom(_reward(chance))
    if chance.one_in(4):
        step.condition.CopyFrom(condition(chance, depth=1))
    return step


def _reduce(chance: Chance) -> Reduce:
    result = Reduce(reduction=reduction(chance))
    if chance.one_in(2):
        result.scope.CopyFrom(selector(chance))
    if chance.one_in(3):
        result.units.CopyFrom(unit_limit(chance))
    if chance.one_in(4):
        result.max_discount.extend(chance.amounts([100, 10]))
    return result


def _spread(chance: Chance) -> Spread:
    result = Spread()
    if chance.one_in(2):
        result.scope.CopyFrom(selector(chance))
    match chance.number(0, 2):
        case 0:
            result.percent_off_ppm = chance.of(PERCENTS)
            result.percent_base = chance.of(BASES)
        case 1:
            result.amount_off.per_currency.extend(chance.amounts(AMOUNTS))
        case 2:
            result.fixed_total.per_currency.extend(chance.amounts([1000, 100, 2000]))
    if chance.one_in(4):
        result.max_discount.extend(chance.amounts([100, 10]))
    return result


def _set_offer(chance: Chance) -> SetOffer:
    priced = chance.one_in(2)
    roles = [Role.ROLE_UNSPECIFIED] if priced else [Role.ROLE_QUALIFIER, Role.ROLE_REWARD]
    slots = [
        _slot(chance, number, chance.of(roles) if number < 2 else Role.ROLE_UNSPECIFIED)
        for number in range(chance.number(1, 4))
    ]
    slots[0].optional = False
    if not priced:
        slots[-1].reduction.CopyFrom(reduction(chance))
    result = SetOffer(slots=slots, partial=chance.one_in(2), grouping=chance.of(GROUPINGS))
    if priced:
        result.set_price.extend(chance.amounts(SET_PRICES))
    if chance.one_in(3):
        result.max_sets = chance.number(1, 2)
    if chance.one_in(4):
        result.max_discount.extend(chance.amounts([100, 10, 500]))
    return result


def _slot(chance: Chance, number: int, role: Role.ValueType) -> Slot:
    slot = Slot(name=f"slot{number}", selector=set_selector(chance), minimum=chance.number(1, 2), role=role)
    if role != Role.ROLE_QUALIFIER and chance.one_in(4):
        slot.maximum = slot.minimum + chance.number(0, 2)
    slot.optional = role != Role.ROLE_QUALIFIER and chance.one_in(4)
    if chance.one_in(4):
        slot.order = chance.of(ORDERS)
    match chance.number(0, 5):
        case 1:
            slot.same_product = True
        case 2:
            slot.different_products = True
    return slot


def _reward(chance: Chance) -> Reward:
    result = Reward()
    match chance.number(0, 5):
        case 0:
            result.cashback_ppm = chance.of(PERCENTS)
        case 1:
            result.cashback_amount.CopyFrom(Amounts(per_currency=chance.amounts(AMOUNTS)))
        case 2:
            result.points = chance.number(1, 10)
        case 3:
            result.points_per.CopyFrom(
                PointsPer(points=chance.number(1, 3), step=chance.amounts([100, 1000, 333]))
            )
        case 4:
            result.points_multiplier_ppm = 2_000_000
        case 5:
            result.voucher_promotion_id = "next-visit"
    if chance.one_in(3):
        result.scope.CopyFrom(selector(chance, [LineKind.LINE_KIND_ITEM, LineKind.LINE_KIND_DELIVERY]))
    if chance.one_in(2) and result.WhichOneof("reward") in ("cashback_ppm", "cashback_amount"):
        result.max_reward.extend(chance.amounts([100, 10]))
    if chance.one_in(4):
        result.credit_as = chance.of(CREDITS)
    return result


SET_RULES: dict[str, Callable[[Chance], Message]] = {
    "buy_x_get_y": buy_x_get_y,
    "combo": combo,
    "package": package,
    "mix_match": mix_match,
    "upsell": upsell,
    "free_item": free_item,
    "cashback": cashback,
    "threshold_tier": threshold_tier,
    "custom": custom,
}
