"""From a promotion to the wishes that it needs, one for each way in which its condition can be met."""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from dealwright.v1.attribute_pb2 import AttributeTest, NumberRange
from dealwright.v1.condition_pb2 import (
    AccumulatedSpendTest,
    AttributeOwner,
    Condition,
    Extent,
    PaymentTest,
    QuantityTest,
    Threshold,
)
from dealwright.v1.money_pb2 import Money
from dealwright.v1.primitives_pb2 import Phase
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import BuyXGetY, Combo, Custom, FreeItem, MixMatch, Package, Upsell
from dealwright.v1.selector_pb2 import LineFilter, LineKind, Selector
from dealwright.v1.targeting_pb2 import CustomerType
from google.protobuf.message import Message

from server.definitions.analysis.wishes import DAYS_SINCE, Goods, Wish, units_key

WAYS_MAX = 8
"""In how many ways a condition is tried to be met."""

OWNERS = {
    AttributeOwner.ATTRIBUTE_OWNER_CART: "cart",
    AttributeOwner.ATTRIBUTE_OWNER_CUSTOMER: "customer",
    AttributeOwner.ATTRIBUTE_OWNER_PAYMENT: "payment",
}


class Ways:
    """The ways in which a promotion can hold in one currency."""

    def __init__(self, promotion: Promotion, currency_code: str) -> None:
        self.promotion = promotion
        self.currency_code = currency_code
        found = list(islice(self._of_condition(promotion.condition, self._head()), WAYS_MAX + 1))
        self.wishes = found[:WAYS_MAX]
        self.complete = len(found) <= WAYS_MAX
        """Whether these are all of them, so that none holds when all are contradictory."""

    def _head(self) -> Wish:
        """What the promotion asks for whatever its condition."""
        promotion, wish = self.promotion, Wish()
        targeting = promotion.targeting
        for fact in ("store", "brand", "channel", "region", "member_tier", "segment"):
            names = getattr(targeting, f"{fact}s" if fact in _PLURAL else f"{fact}_ids")
            if names.include or names.exclude:
                wish = wish.with_names(fact.replace("_", " "), names.include, names.exclude)
        if targeting.customer_type == CustomerType.CUSTOMER_TYPE_NEW:
            wish = wish.with_names("customer type", ["new"])
        elif targeting.customer_type == CustomerType.CUSTOMER_TYPE_RETURNING:
            wish = wish.with_names("customer type", ["returning"])
        trigger = promotion.trigger.WhichOneof("trigger")
        wish = replace(
            wish,
            member=targeting.members_only or trigger == "members",
            codes=frozenset(promotion.trigger.code.codes[:1]),
            vouchers=frozenset([promotion.id] if trigger == "voucher" else []),
        )
        return self._of_cross_brand(self._of_rule(wish))

    def _of_rule(self, wish: Wish) -> Wish:
        rule = getattr(self.promotion, self.promotion.WhichOneof("rule") or "percent_discount")
        if "payment" in rule.DESCRIPTOR.fields_by_name and rule.HasField("payment"):
            wish = _of_payment(wish, rule.payment)
        goods = tuple(goods_of(self.promotion))
        # Of a custom promotion each step may give by itself, so that no step's units are needed.
        for one in goods if self.promotion.WhichOneof("rule") != "custom" else ():
            wish = wish.with_range(units_key(one.selector), one.units, None)
        wish = replace(wish, goods=goods)
        if "min_purchase" in rule.DESCRIPTOR.fields_by_name and rule.HasField("min_purchase"):
            wish = self._of_threshold(wish, rule.min_purchase)
        if "tiers" in rule.DESCRIPTOR.fields_by_name:
            wish = self._worth(wish, scope_of(self.promotion), rule.tiers[-1].minimum)
        return wish

    def _fields(self) -> Container[str]:
        kind = self.promotion.WhichOneof("rule")
        names: Container[str] = getattr(self.promotion, kind).DESCRIPTOR.fields_by_name if kind else ()
        return names

    def _of_cross_brand(self, wish: Wish) -> Wish:
        tie = self.promotion.cross_brand
        if not tie.trigger_brand_ids:
            return wish
        spent = amount_in(tie.minimum_spend, self.currency_code) or 1
        selector = Selector(include=[LineFilter(brand_ids=tie.trigger_brand_ids[:1])])
        bought = (Goods(selector, 1, spent),)
        benefit = Selector(include=[LineFilter(brand_ids=tie.benefit_brand_ids[:1])])
        spends = {(tie.trigger_brand_ids[0], tie.period): spent} if tie.period else {}
        return replace(wish, goods=(*wish.goods, *bought, Goods(benefit)), spends={**wish.spends, **spends})

    def _of_condition(self, condition: Condition, wish: Wish) -> Iterator[Wish]:
        kind = condition.WhichOneof("condition")
        if kind == "all":
            yield from self._of_all(list(condition.all.conditions), wish)
        elif kind == "any":
            for part in condition.any.conditions:
                yield from self._of_condition(part, wish)
        elif kind == "threshold":
            yield self._of_threshold(wish, condition.threshold)
        elif kind == "quantity":
            yield self._of_quantity(wish, condition.quantity)
        elif kind in ("payment", "customer"):
            yield _of_payment(wish, condition.payment) if kind == "payment" else _of_customer(wish, condition)
        elif kind == "attribute":
            yield _of_attribute(wish, OWNERS.get(condition.attribute.owner, ""), condition.attribute.test)
        elif kind == "accumulated_spend":
            yield self._of_spend(wish, condition.accumulated_spend)
        else:
            # The opposite of something, or nothing: no demand that a wish could say.
            yield wish

    def _of_quantity(self, wish: Wish, asked: QuantityTest) -> Wish:
        named = asked.HasField("selector")
        selector = asked.selector if named else scope_of(self.promotion)
        least, most = ends(asked.units)
        # The scope of an offer on sets is more than one selector.
        if named or "scope" in self._fields():
            wish = wish.with_range(units_key(selector), least, most)
        return replace(wish, goods=(*wish.goods, Goods(selector, max(least or 0, 1))))

    def _of_spend(self, wish: Wish, asked: AccumulatedSpendTest) -> Wish:
        brand = asked.brand_ids[0] if asked.brand_ids else "any-brand"
        spent = amount_in(asked.minimum, self.currency_code) or 0
        return replace(wish, spends={**wish.spends, (brand, asked.period): spent})

    def _of_all(self, parts: list[Condition], wish: Wish) -> Iterator[Wish]:
        if not parts:
            yield wish
            return
        for found in self._of_condition(parts[0], wish):
            yield from self._of_all(parts[1:], found)

    def _of_threshold(self, wish: Wish, threshold: Threshold) -> Wish:
        selector = scope_of(self.promotion)
        if threshold.HasField("selector"):
            selector = threshold.selector
        elif threshold.extent == Extent.EXTENT_CART:
            selector = Selector()
        return self._worth(wish, selector, threshold.minimum)

    def _worth(self, wish: Wish, selector: Selector, minimum: Iterable[Money]) -> Wish:
        needed = amount_in(minimum, self.currency_code) or 0
        return replace(wish, goods=(*wish.goods, Goods(selector, 1, needed)))


_PLURAL = ("channel", "region", "member_tier")


def scope_of(promotion: Promotion) -> Selector:
    """The selector of what a promotion lowers, or of what it is about."""
    rule = getattr(promotion, promotion.WhichOneof("rule") or "percent_discount")
    fields = rule.DESCRIPTOR.fields_by_name
    of_delivery = getattr(rule, "phase", 0) == Phase.PHASE_DELIVERY
    for name in ("scope", "buy", "required", "trigger"):
        if name in fields and rule.HasField(name):
            selector = Selector.FromString(getattr(rule, name).SerializeToString())
            if of_delivery and not selector.kinds:
                selector.kinds.append(LineKind.LINE_KIND_DELIVERY)
            return selector
    if of_delivery:
        return Selector(kinds=[LineKind.LINE_KIND_DELIVERY])
    first = next(goods_of(promotion), None) if promotion.WhichOneof("rule") in _GOODS else None
    return first.selector if first is not None else Selector()


def goods_of(promotion: Promotion) -> Iterator[Goods]:
    """The units that a promotion's rule needs."""
    kind = promotion.WhichOneof("rule") or ""
    if kind in _GOODS:
        yield from _GOODS[kind](getattr(promotion, kind))
    else:
        yield Goods(scope_of(promotion))


def _of_groups(rule: BuyXGetY) -> Iterator[Goods]:
    got = 1 if rule.partial else rule.get_quantity
    if rule.HasField("get"):
        yield Goods(rule.buy, rule.buy_quantity)
        yield Goods(rule.get, got)
    else:
        yield Goods(rule.buy, rule.buy_quantity + got)


def _of_combo(rule: Combo) -> Iterator[Goods]:
    for item in rule.items:
        yield Goods(_product(item.product_id), item.quantity if item.HasField("quantity") else 1)


def _of_package(rule: Package) -> Iterator[Goods]:
    for slot in rule.slots:
        if slot.optional:
            continue
        if slot.WhichOneof("content") == "product_id":
            yield Goods(_product(slot.product_id), slot.quantity if slot.HasField("quantity") else 1)
        else:
            picked = Selector(include=[LineFilter(category_ids=[slot.pick.category_id])])
            yield Goods(picked, slot.pick.min_picks)


def _of_mix(rule: MixMatch) -> Iterator[Goods]:
    yield Goods(rule.scope, rule.required_quantity, 0, rule.different_products)


def _of_upsell(rule: Upsell) -> Iterator[Goods]:
    if rule.HasField("required"):
        yield Goods(rule.required, max(rule.required_quantity, 1))
    yield Goods(_product(rule.upsell_product_id))


def _of_gift(rule: FreeItem) -> Iterator[Goods]:
    if rule.HasField("trigger"):
        yield Goods(rule.trigger, max(rule.trigger_quantity, 1))


def _of_steps(rule: Custom) -> Iterator[Goods]:
    for step in rule.steps:
        kind = step.WhichOneof("primitive")
        if kind == "set_offer":
            yield from (Goods(slot.selector, slot.minimum) for slot in step.set_offer.slots if slot.minimum)
        elif kind in ("reduce", "spread", "reward"):
            yield Goods(getattr(step, kind).scope)


_GOODS: dict[str, Callable[[Any], Iterator[Goods]]] = {
    "buy_x_get_y": _of_groups,
    "combo": _of_combo,
    "package": _of_package,
    "mix_match": _of_mix,
    "upsell": _of_upsell,
    "free_item": _of_gift,
    "custom": _of_steps,
}


def amount_in(amounts: Iterable[Money], currency_code: str) -> int | None:
    return next((money.minor for money in amounts if money.currency_code == currency_code), None)


def ends(asked: NumberRange) -> tuple[int | None, int | None]:
    return (
        asked.minimum if asked.HasField("minimum") else None,
        asked.maximum if asked.HasField("maximum") else None,
    )


def _product(product_id: str) -> Selector:
    return Selector(include=[LineFilter(product_ids=[product_id])])


def _of_payment(wish: Wish, asked: PaymentTest) -> Wish:
    for fact, names in (
        ("payment method", asked.methods),
        ("card class", asked.card_classes),
        ("issuer", asked.issuers),
    ):
        if names:
            wish = wish.with_names(fact, names)
    return wish


def _of_customer(wish: Wish, condition: Condition) -> Wish:
    asked = condition.customer
    if asked.HasField("completed_orders"):
        wish = wish.with_range("number of completed orders", *ends(asked.completed_orders))
    if asked.HasField("days_since_last_order"):
        wish = wish.with_range(DAYS_SINCE, *ends(asked.days_since_last_order))
    if asked.HasField("birthday_within_days"):
        wish = wish.with_names("birthday", ["today"])
    return wish


def _of_attribute(wish: Wish, owner: str, test: AttributeTest) -> Wish:
    fact = f"{owner} attribute {test.name}"
    kind = test.WhichOneof("test")
    if kind == "number_range":
        return wish.with_range(fact, *ends(test.number_range))
    value: object = test.text_in.values[0] if kind == "text_in" else test.flag_is
    return replace(wish, attributes={**wish.attributes, (owner, test.name): value})


def currencies_of(promotion: Promotion) -> list[set[str]]:
    """The currencies of each list of amounts that the rule has."""
    return [{money.currency_code for money in amounts} for _, amounts in amounts_of(promotion)]


def amounts_of(promotion: Promotion) -> Iterator[tuple[str, list[Money]]]:
    """The lists of amounts that stand anywhere in the rule, by the name of their field."""
    kind = promotion.WhichOneof("rule")
    messages: list[tuple[str, Message]] = [(kind, getattr(promotion, kind))] if kind else []
    while messages:
        around, message = messages.pop()
        for field, value in message.ListFields():
            name = around if field.name == "per_currency" else field.name
            values = value if field.is_repeated else [value]
            if field.message_type is Money.DESCRIPTOR:
                yield name, list(values)
            elif field.message_type is not None:
                messages += [(name, each) for each in values]
