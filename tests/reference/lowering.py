"""Promotions to steps (S-12.1)."""

from collections.abc import Iterator, Sequence

from dealwright.v1 import primitives_pb2, rules_pb2
from dealwright.v1.condition_pb2 import Basis
from dealwright.v1.money_pb2 import Money
from dealwright.v1.primitives_pb2 import (
    CreditKind,
    GiftSource,
    Grouping,
    PercentBase,
    Phase,
    Role,
    UnitLimit,
    UnitOrder,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import AmountPer
from dealwright.v1.selector_pb2 import LineFilter, Selector
from google.protobuf.message import Message

from tests.reference.conditions import amount_in
from tests.reference.steps import (
    Gift,
    Offer,
    Reduce,
    Reduction,
    Reward,
    Sets,
    Slot,
    Spread,
    Step,
    Tier,
    Tiers,
)

ITEM = Phase.PHASE_ITEM
MILLION = 1_000_000


def has_every_amount(promotion: Promotion, currency: str) -> bool:
    """S-2.1: each amount that a promotion has is in the cart's currency; conditions answer themselves."""
    return all(amount_in(each, currency) is not None for each in _amounts(promotion))


def _amounts(message: Message) -> Iterator[Sequence[Money]]:
    for field, value in message.ListFields():
        if field.name == "condition" or field.message_type is None:
            continue
        if field.is_repeated and field.message_type is Money.DESCRIPTOR:
            yield value
        else:
            for part in value if field.is_repeated else [value]:
                yield from _amounts(part)


def lower(promotion: Promotion, currency: str) -> Offer:
    """A promotion as its steps, in the order of their phases (S-4.6)."""
    return _Lowering(promotion, currency).offer()


class _Lowering:
    def __init__(self, promotion: Promotion, currency: str) -> None:
        self.promotion = promotion
        self.currency = currency

    def offer(self) -> Offer:
        kind = self.promotion.WhichOneof("rule")
        assert kind is not None
        rule = getattr(self.promotion, kind)
        steps = getattr(self, kind)(rule)
        fields = rule.DESCRIPTOR.fields_by_name
        return Offer(
            self.promotion,
            tuple(sorted(steps, key=lambda step: (step.phase, step.number))),
            rule.min_purchase if "min_purchase" in fields and rule.HasField("min_purchase") else None,
            rule.payment if "payment" in fields and rule.HasField("payment") else None,
        )

    def percent_discount(self, rule: rules_pb2.PercentDiscount) -> list[Step]:
        if rule.phase == ITEM:
            reduction = Reduction(percent_off_ppm=rule.percent_off_ppm, base=_base(rule.percent_base))
            return [Step(0, ITEM, self._reduce(rule.scope, reduction, rule.units, rule.max_discount))]
        return [
            Step(
                0,
                rule.phase,
                Spread(
                    rule.scope,
                    percent_off_ppm=rule.percent_off_ppm,
                    base=_base(rule.percent_base),
                    cap=self._cap(rule.max_discount),
                ),
            )
        ]

    def amount_discount(self, rule: rules_pb2.AmountDiscount) -> list[Step]:
        amount = self._amount(rule.amount_off)
        if rule.phase == ITEM and rule.per != AmountPer.AMOUNT_PER_SCOPE:
            reduction = Reduction(amount_off=amount)
            return [Step(0, ITEM, self._reduce(rule.scope, reduction, rule.units, rule.max_discount))]
        return [Step(0, rule.phase, Spread(rule.scope, amount_off=amount, cap=self._cap(rule.max_discount)))]

    def happy_hour(self, rule: rules_pb2.HappyHour) -> list[Step]:
        reduction = self._reduction(rule.reduction)
        return [Step(0, ITEM, self._reduce(rule.scope, reduction, rule.units, rule.max_discount))]

    def payment_discount(self, rule: rules_pb2.PaymentDiscount) -> list[Step]:
        """S-9.9."""
        percent = rule.percent_off_ppm if rule.WhichOneof("discount") == "percent_off_ppm" else None
        amount = None if percent is not None else self._amount(rule.amount_off.per_currency)
        cap = self._cap(rule.max_discount)
        spread = Spread(rule.scope, percent, amount, base=_base(rule.percent_base), cap=cap)
        return [Step(0, Phase.PHASE_PAYMENT, spread)]

    def buy_x_get_y(self, rule: rules_pb2.BuyXGetY) -> list[Step]:
        """S-6.3, S-6.4."""
        get = rule.get if rule.HasField("get") else rule.buy
        get_order = rule.get_order or UnitOrder.UNIT_ORDER_CHEAPEST
        if get == rule.buy and not rule.get_order and rule.grouping != Grouping.GROUPING_MERCHANT:
            get_order = UnitOrder.UNIT_ORDER_DEAREST
        buy_slot = Slot(
            rule.buy,
            rule.buy_quantity,
            rule.buy_quantity,
            Role.ROLE_QUALIFIER,
            rule.buy_order or UnitOrder.UNIT_ORDER_DEAREST,
        )
        get_slot = Slot(
            get,
            rule.get_quantity,
            rule.get_quantity,
            Role.ROLE_REWARD,
            get_order,
            reduction=self._reduction(rule.reduction),
        )
        sets = Sets(
            (buy_slot, get_slot),
            max_sets=rule.max_sets if rule.HasField("max_sets") else None,
            partial=rule.partial,
            one_product=rule.same_product,
        )
        return [Step(0, Phase.PHASE_SET, sets)]

    def combo(self, rule: rules_pb2.Combo) -> list[Step]:
        slots = [
            _plain(_product(item.product_id), item.quantity if item.HasField("quantity") else 1)
            for item in rule.items
        ]
        return [self._set_price_step(slots, rule.set_price, rule)]

    def package(self, rule: rules_pb2.Package) -> list[Step]:
        """S-12.4."""
        slots = []
        for slot in rule.slots:
            if slot.WhichOneof("content") == "pick":
                selector = Selector(include=[LineFilter(category_ids=[slot.pick.category_id])])
                minimum = slot.pick.min_picks
                maximum = slot.pick.max_picks if slot.pick.HasField("max_picks") else minimum
            else:
                selector = _product(slot.product_id)
                minimum = maximum = slot.quantity if slot.HasField("quantity") else 1
            slots.append(
                Slot(
                    selector,
                    minimum,
                    maximum,
                    Role.ROLE_UNSPECIFIED,
                    UnitOrder.UNIT_ORDER_DEAREST,
                    optional=slot.optional,
                    only_without_children=not rule.allow_modification,
                )
            )
        return [self._set_price_step(slots, rule.set_price, rule)]

    def mix_match(self, rule: rules_pb2.MixMatch) -> list[Step]:
        unit_price = None
        set_price: int | None = None
        if rule.WhichOneof("price") == "unit_price":
            unit_price = Reduction(fixed_price=self._amount(rule.unit_price.per_currency))
        else:
            set_price = self._amount(rule.set_price.per_currency)
        slot = Slot(
            rule.scope,
            rule.required_quantity,
            rule.required_quantity,
            Role.ROLE_UNSPECIFIED,
            UnitOrder.UNIT_ORDER_DEAREST,
            different_products=rule.different_products,
            reduction=unit_price,
        )
        max_sets = rule.max_sets if rule.HasField("max_sets") else None
        return [Step(0, Phase.PHASE_SET, Sets((slot,), set_price, max_sets))]

    def upsell(self, rule: rules_pb2.Upsell) -> list[Step]:
        add_on = _product(rule.upsell_product_id)
        special = Reduction(fixed_price=self._amount(rule.special_price))
        max_units = rule.max_units if rule.HasField("max_units") else None
        if not rule.HasField("required"):
            return [Step(0, ITEM, Reduce(add_on, special, max_units))]
        needed = rule.required_quantity if rule.HasField("required_quantity") else 1
        required = Slot(rule.required, needed, needed, Role.ROLE_QUALIFIER, UnitOrder.UNIT_ORDER_DEAREST)
        reward = Slot(add_on, 1, 1, Role.ROLE_REWARD, UnitOrder.UNIT_ORDER_CHEAPEST, reduction=special)
        return [Step(0, Phase.PHASE_SET, Sets((required, reward), max_sets=max_units))]

    def free_item(self, rule: rules_pb2.FreeItem) -> list[Step]:
        """Bought and free in the cart it is a set (S-9.7)."""
        quantity = rule.trigger_quantity if rule.HasField("trigger_quantity") else 1
        most = rule.max_gifts if rule.HasField("max_gifts") else 1
        trigger = rule.trigger if rule.HasField("trigger") else None
        gift = self._gift(rule.gift, trigger, quantity, most)
        if trigger is None or gift.source != GiftSource.GIFT_SOURCE_IN_CART:
            return [Step(0, Phase.PHASE_SET, gift)]
        bought = Slot(trigger, quantity, quantity, Role.ROLE_QUALIFIER, UnitOrder.UNIT_ORDER_DEAREST)
        free = Slot(
            gift.selector,
            gift.quantity,
            gift.quantity,
            Role.ROLE_REWARD,
            UnitOrder.UNIT_ORDER_CHEAPEST,
            reduction=Reduction(percent_off_ppm=MILLION),
        )
        return [Step(0, Phase.PHASE_SET, Sets((bought, free), max_sets=most, partial=True))]

    def cashback(self, rule: rules_pb2.Cashback) -> list[Step]:
        """S-9.5."""
        percent = rule.WhichOneof("cashback") == "cashback_ppm"
        reward = Reward(
            rule.scope,
            cashback_ppm=rule.cashback_ppm if percent else None,
            cashback_amount=None if percent else self._amount(rule.cashback_amount.per_currency),
            cap=self._cap(rule.max_cashback),
            credit_as=rule.credit_as or CreditKind.CREDIT_KIND_POINTS,
        )
        return [Step(0, Phase.PHASE_REWARD, reward)]

    def threshold_tier(self, rule: rules_pb2.ThresholdTier) -> list[Step]:
        """S-9.8."""
        tiers = tuple(
            Tier(
                self._amount(tier.minimum),
                self._amount(tier.below) if tier.below else None,
                self._tier_benefit(tier, rule.scope),
            )
            for tier in rule.tiers
        )
        return [Step(0, Phase.PHASE_ORDER, Tiers(rule.scope, rule.basis or Basis.BASIS_PHASE_START, tiers))]

    def _tier_benefit(self, tier: rules_pb2.Tier, scope: Selector) -> Spread | Gift | Reward:
        match tier.WhichOneof("benefit"):
            case "percent_off_ppm":
                return Spread(scope, percent_off_ppm=tier.percent_off_ppm, cap=self._cap(tier.max_discount))
            case "amount_off":
                amount = self._amount(tier.amount_off.per_currency)
                return Spread(scope, amount_off=amount, cap=self._cap(tier.max_discount))
            case "gift":
                return self._gift(tier.gift, None, 1, 1)
            case "points_multiplier_ppm":
                return Reward(scope, points_multiplier_ppm=tier.points_multiplier_ppm)
        raise AssertionError("a tier has a benefit")

    def custom(self, rule: rules_pb2.Custom) -> list[Step]:
        """S-4.6."""
        return [
            Step(
                number,
                step.phase,
                self._primitive(step),
                step.condition if step.HasField("condition") else None,
            )
            for number, step in enumerate(rule.steps)
        ]

    def _primitive(self, step: primitives_pb2.Step) -> Reduce | Spread | Sets | Gift | Reward:
        match step.WhichOneof("primitive"):
            case "reduce":
                part = step.reduce
                return self._reduce(
                    part.scope, self._reduction(part.reduction), part.units, part.max_discount
                )
            case "spread":
                return self._spread(step.spread)
            case "set_offer":
                return self._set_offer(step.set_offer)
            case "gift":
                return self._gift(step.gift, None, 1, 1)
            case "reward":
                return self._reward(step.reward)
        raise AssertionError("a step has a primitive")

    def _spread(self, part: primitives_pb2.Spread) -> Spread:
        kind = part.WhichOneof("spread")
        return Spread(
            part.scope,
            percent_off_ppm=part.percent_off_ppm if kind == "percent_off_ppm" else None,
            amount_off=self._amount(part.amount_off.per_currency) if kind == "amount_off" else None,
            fixed_total=self._amount(part.fixed_total.per_currency) if kind == "fixed_total" else None,
            base=_base(part.percent_base),
            cap=self._cap(part.max_discount),
        )

    def _set_offer(self, part: primitives_pb2.SetOffer) -> Sets:
        bought = [slot.selector for slot in part.slots if slot.role == Role.ROLE_QUALIFIER]
        slots = tuple(self._slot(slot, slot.selector in bought, part.grouping) for slot in part.slots)
        return Sets(
            slots,
            self._amount(part.set_price) if part.set_price else None,
            part.max_sets if part.HasField("max_sets") else None,
            part.partial,
            self._cap(part.max_discount),
        )

    def _slot(self, slot: primitives_pb2.Slot, same_lines: bool, grouping: Grouping.ValueType) -> Slot:
        order = UnitOrder.UNIT_ORDER_DEAREST
        per_group = same_lines and grouping != Grouping.GROUPING_MERCHANT
        if slot.role == Role.ROLE_REWARD and not per_group:
            order = UnitOrder.UNIT_ORDER_CHEAPEST
        return Slot(
            slot.selector,
            slot.minimum,
            slot.maximum if slot.HasField("maximum") else slot.minimum,
            slot.role,
            slot.order or order,
            slot.optional,
            slot.same_product,
            slot.different_products,
            self._reduction(slot.reduction) if slot.HasField("reduction") else None,
        )

    def _gift(
        self,
        gift: primitives_pb2.Gift,
        trigger: Selector | None,
        trigger_quantity: int,
        max_gifts: int,
    ) -> Gift:
        return Gift(
            gift.product_id,
            gift.selector if gift.HasField("selector") else _product(gift.product_id),
            gift.quantity if gift.HasField("quantity") else 1,
            gift.source or GiftSource.GIFT_SOURCE_ADD,
            self._amount(gift.unit_value) if gift.unit_value else 0,
            trigger,
            trigger_quantity,
            max_gifts,
        )

    def _reward(self, part: primitives_pb2.Reward) -> Reward:
        kind = part.WhichOneof("reward")
        step = (part.points_per.points, self._amount(part.points_per.step)) if kind == "points_per" else None
        return Reward(
            part.scope,
            cashback_ppm=part.cashback_ppm if kind == "cashback_ppm" else None,
            cashback_amount=(
                self._amount(part.cashback_amount.per_currency) if kind == "cashback_amount" else None
            ),
            points=part.points if kind == "points" else None,
            points_per=step,
            points_multiplier_ppm=part.points_multiplier_ppm if kind == "points_multiplier_ppm" else None,
            voucher_promotion_id=part.voucher_promotion_id if kind == "voucher_promotion_id" else None,
            cap=self._cap(part.max_reward),
            credit_as=(
                part.credit_as or CreditKind.CREDIT_KIND_POINTS
                if kind in ("cashback_ppm", "cashback_amount")
                else CreditKind.CREDIT_KIND_UNSPECIFIED
            ),
        )

    def _reduce(
        self, scope: Selector, reduction: Reduction, units: UnitLimit, cap: Sequence[Money]
    ) -> Reduce:
        return Reduce(
            scope,
            reduction,
            units.max_units if units.HasField("max_units") else None,
            units.max_units_per_line if units.HasField("max_units_per_line") else None,
            units.order or UnitOrder.UNIT_ORDER_CHEAPEST,
            self._cap(cap),
        )

    def _reduction(self, reduction: primitives_pb2.Reduction) -> Reduction:
        match reduction.WhichOneof("reduction"):
            case "percent_off_ppm":
                base = _base(reduction.percent_base)
                return Reduction(percent_off_ppm=reduction.percent_off_ppm, base=base)
            case "amount_off":
                return Reduction(amount_off=self._amount(reduction.amount_off.per_currency))
            case "fixed_price":
                return Reduction(fixed_price=self._amount(reduction.fixed_price.per_currency))
        raise AssertionError("a reduction says how")

    def _set_price_step(
        self, slots: list[Slot], set_price: Sequence[Money], rule: rules_pb2.Combo | rules_pb2.Package
    ) -> Step:
        max_sets = rule.max_sets if rule.HasField("max_sets") else None
        return Step(0, Phase.PHASE_SET, Sets(tuple(slots), self._amount(set_price), max_sets))

    def _amount(self, per_currency: Sequence[Money]) -> int:
        # Whether there is one is asked first; without it only the scope of the offer counts.
        return amount_in(per_currency, self.currency) or 0

    def _cap(self, per_currency: Sequence[Money]) -> int | None:
        return self._amount(per_currency) if per_currency else None


def _base(base: PercentBase.ValueType) -> PercentBase.ValueType:
    return base or PercentBase.PERCENT_BASE_CURRENT


def _product(product_id: str) -> Selector:
    return Selector(include=[LineFilter(product_ids=[product_id])])


def _plain(selector: Selector, quantity: int) -> Slot:
    return Slot(selector, quantity, quantity, Role.ROLE_UNSPECIFIED, UnitOrder.UNIT_ORDER_DEAREST)
