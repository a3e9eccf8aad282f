"""The catalogue and its carts as messages of `dealwright.v1`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.condition_pb2 import EXTENT_CART
from dealwright.v1.evaluation_service_pb2 import EvaluateOptions, EvaluateRequest
from dealwright.v1.primitives_pb2 import PHASE_ORDER
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.rules_pb2 import AmountDiscount, PercentDiscount
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.selector_pb2 import Selector
from dealwright_engine import Ruleset as Compiled

from benchmarks.catalogue import DAY_HOURS, Bill, Rule, bills
from benchmarks.timing import Calls

CURRENCY = "USD"
# 2026-11-23 is a Monday; carts differ by the hour only.
MIDNIGHT = 1_795_392_000

Definition = Callable[[Rule], Promotion]


def one_of_all(rule: Rule) -> Promotion:
    """Something off the lines of the target; one promotion of the catalogue in an order."""
    promotion = stacking(rule)
    promotion.stacking.groups.add(name="one")
    return promotion


def stacking(rule: Rule) -> Promotion:
    """Something off the lines of the target, beside all others."""
    promotion = _head(rule)
    body: PercentDiscount | AmountDiscount
    if rule.percent:
        body = promotion.percent_discount
        body.percent_off_ppm = rule.value * 10_000
    else:
        body = promotion.amount_discount
        body.amount_off.add(currency_code=CURRENCY, minor=rule.value)
    body.phase = PHASE_ORDER
    _pick(body.scope, rule.target)
    if rule.minimum:
        body.min_purchase.minimum.add(currency_code=CURRENCY, minor=rule.minimum)
        body.min_purchase.extent = EXTENT_CART
    return promotion


def sets(rule: Rule) -> Promotion:
    """Buy two of the target and get a third for less, or any three of it at a price each."""
    promotion = _head(rule)
    if rule.percent:
        got = promotion.buy_x_get_y
        _pick(got.buy, rule.target)
        got.buy_quantity, got.get_quantity = 2, 1
        got.reduction.percent_off_ppm = rule.value * 10_000
    else:
        mixed = promotion.mix_match
        _pick(mixed.scope, rule.target)
        mixed.required_quantity = 3
        mixed.unit_price.per_currency.add(currency_code=CURRENCY, minor=rule.value)
    return promotion


def _head(rule: Rule) -> Promotion:
    promotion = Promotion(id=rule.id, rule_language=1)
    promotion.name.add(language="en", text=rule.id)
    promotion.targeting.member_tiers.include.extend(sorted(rule.tiers))
    promotion.targeting.store_ids.include.extend(sorted(rule.stores))
    if len(rule.hours) < DAY_HOURS:
        end = rule.hours.stop % DAY_HOURS
        promotion.schedule.daily_windows.add(start=f"{rule.hours.start:02}:00", end=f"{end:02}:00")
    return promotion


def _pick(selector: Selector, target: str) -> None:
    filters = selector.include.add()
    (filters.category_ids if target.startswith("c") else filters.product_ids).append(target)


def ruleset(listed: Sequence[Rule], define: Definition = one_of_all) -> bytes:
    """The rules as definitions."""
    promotions = [define(rule) for rule in listed]
    return Ruleset(company_id="bench", revision=1, promotions=promotions).SerializeToString()


@cache
def compiled(listed: tuple[Rule, ...], define: Definition = one_of_all) -> Compiled:
    """The rules as the engine keeps them."""
    return Compiled.compile(ruleset(listed, define))


def request(bill: Bill, options: EvaluateOptions | None = None) -> EvaluateRequest:
    """A bill as a request, with the answer's default options unless others are given."""
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
    result = EvaluateRequest(cart=cart, options=options)
    result.evaluate_time.seconds = MIDNIGHT + bill.hour * 3600
    return result


def requests(
    count: int, lines: int, *, quantity: int | None = None, options: EvaluateOptions | None = None
) -> list[bytes]:
    """So many different carts of so many lines, as bytes."""
    return [request(bill, options).SerializeToString() for bill in bills(count, lines, quantity=quantity)]


def evaluating(listed: tuple[Rule, ...], carts: Sequence[bytes], define: Definition = one_of_all) -> Calls:
    """The engine as a contender: bytes in, bytes out, called from Python."""
    ruleset = compiled(listed, define)
    return Calls(lambda body: ruleset.evaluate(body, 0), carts)
