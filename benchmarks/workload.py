"""A catalogue of promotions and carts of any size, the same at every run.

A promotion takes a share or an amount off lines of one category (70 %) or product (30 %), in ten of a
hundred stores (70 %) or in all, inside a daily window (50 %) or always, for some member tiers, from a minimum
purchase.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.condition_pb2 import EXTENT_CART
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.primitives_pb2 import PHASE_ORDER
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import AmountDiscount, PercentDiscount
from dealwright.v1.ruleset_pb2 import Ruleset

SEED = 20261121
CATEGORIES, PRODUCTS, STORES = 200, 10_000, 100
TIERS = ("none", "silver", "gold", "platinum")
CURRENCY = "USD"
DAY_HOURS = 24
# 2026-11-23 is a Monday; carts differ by the hour only.
MIDNIGHT = 1_795_392_000


@dataclass(frozen=True)
class Rule:
    """A promotion as a peer would keep it."""

    id: str
    percent: bool
    value: int
    minimum: int
    target: str
    stores: frozenset[str]
    hours: range
    tiers: frozenset[str]

    def amount(self, subtotal: int) -> int:
        return subtotal * self.value // 100 if self.percent else min(self.value, subtotal)


@dataclass(frozen=True)
class Bill:
    """A cart as a peer would keep it."""

    store: str
    hour: int
    tier: str
    lines: tuple[tuple[str, str, int, int], ...]
    """Product, category, quantity, unit price."""


def rules(count: int, *, target: str = "") -> list[Rule]:
    """The first so many rules; all for one target that no cart has, when one is given."""
    chance = random.Random(SEED)
    return [_rule(chance, number, target) for number in range(count)]


def _rule(chance: random.Random, number: int, target: str) -> Rule:
    by_category = chance.random() < 0.7
    own = f"c{chance.randrange(CATEGORIES)}" if by_category else f"p{chance.randrange(PRODUCTS)}"
    everywhere = chance.random() < 0.3
    stores = frozenset() if everywhere else frozenset(f"s{n}" for n in chance.sample(range(STORES), 10))
    start = 0 if chance.random() < 0.5 else chance.randrange(0, 18)
    hours = range(DAY_HOURS) if start == 0 else range(start, start + chance.randrange(4, 7))
    tiers = frozenset(tier for tier in TIERS if chance.random() < 0.55) or frozenset({chance.choice(TIERS)})
    percent = chance.random() < 0.5
    value = chance.randrange(5, 51) if percent else chance.randrange(100, 3001)
    minimum = chance.choice((0, 1000, 2500, 5000, 10000))
    return Rule(f"P{number}", percent, value, minimum, target or own, stores, hours, tiers)


def bills(count: int, lines: int, *, quantity: int | None = None) -> list[Bill]:
    """Carts of so many lines; of one to three units each unless a quantity is given."""
    chance = random.Random(SEED + lines)
    return [_bill(chance, lines, quantity) for _ in range(count)]


def _bill(chance: random.Random, lines: int, quantity: int | None) -> Bill:
    def line(product: int) -> tuple[str, str, int, int]:
        units = chance.randrange(1, 4)
        return f"p{product}", f"c{product % CATEGORIES}", quantity or units, chance.randrange(199, 4999)

    listed = tuple(line(product) for product in chance.sample(range(PRODUCTS), lines))
    return Bill(f"s{chance.randrange(STORES)}", chance.randrange(DAY_HOURS), chance.choice(TIERS), listed)


def ruleset(listed: list[Rule]) -> Ruleset:
    """The rules as definitions: something off the lines of the target, one of them in an order."""
    return Ruleset(company_id="bench", revision=1, promotions=[_promotion(rule) for rule in listed])


def _promotion(rule: Rule) -> Promotion:
    promotion = Promotion(id=rule.id, rule_language=1)
    promotion.name.add(language="en", text=rule.id)
    body: PercentDiscount | AmountDiscount
    if rule.percent:
        body = promotion.percent_discount
        body.percent_off_ppm = rule.value * 10_000
    else:
        body = promotion.amount_discount
        body.amount_off.add(currency_code=CURRENCY, minor=rule.value)
    body.phase = PHASE_ORDER
    filters = body.scope.include.add()
    (filters.category_ids if rule.target.startswith("c") else filters.product_ids).append(rule.target)
    if rule.minimum:
        body.min_purchase.minimum.add(currency_code=CURRENCY, minor=rule.minimum)
        body.min_purchase.extent = EXTENT_CART
    promotion.targeting.member_tiers.include.extend(sorted(rule.tiers))
    promotion.targeting.store_ids.include.extend(sorted(rule.stores))
    if len(rule.hours) < DAY_HOURS:
        end = rule.hours.stop % DAY_HOURS
        promotion.schedule.daily_windows.add(start=f"{rule.hours.start:02}:00", end=f"{end:02}:00")
    promotion.stacking.groups.add(name="one")
    return promotion


def request(bill: Bill) -> EvaluateRequest:
    """A bill as a request, with the answer's default options."""
    cart = Cart(id="bench", currency_code=CURRENCY, store_id=bill.store, time_zone="UTC")
    for number, (product, category, quantity, price) in enumerate(bill.lines):
        cart.lines.add(
            id=str(number),
            product_id=product,
            category_ids=[category],
            quantity=quantity,
            unit_price_minor=price,
        )
    cart.customer.tier = bill.tier
    result = EvaluateRequest(cart=cart)
    result.evaluate_time.seconds = MIDNIGHT + bill.hour * 3600
    return result
