"""Sales of generated cases, and what comes back of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.cart_pb2 import Line
from dealwright.v1.evaluation_service_pb2 import (
    EvaluateResponse,
    RefundRequest,
    RefundResponse,
    Sale,
)
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.refund_pb2 import GiftUnits, RefundAmount, ReturnedUnits, ReturnPolicy
from dealwright.v1.result_pb2 import Result
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.selector_pb2 import LineKind
from dealwright.v1.text_pb2 import Text

from tests.differential.carts import PRODUCTS
from tests.differential.cases import case
from tests.differential.chances import Chance
from tests.differential.conditions import threshold
from tests.differential.rules import set_rule

POLICIES = [
    ReturnPolicy.RETURN_POLICY_UNSPECIFIED,
    ReturnPolicy.RETURN_POLICY_CLAW_BACK,
    ReturnPolicy.RETURN_POLICY_RE_EVALUATE,
]


@dataclass(frozen=True, repr=False)
class Sold:
    """A sale that was priced by the engine."""

    ruleset: Ruleset
    compiled: dealwright_engine.Ruleset
    sale: Sale
    result: Result

    def __repr__(self) -> str:
        return f"<sale of {len(self.lines)} lines>"

    @property
    def lines(self) -> Sequence[Line]:
        return self.sale.request.cart.lines

    def request(
        self,
        returned: Sequence[ReturnedUnits],
        policy: ReturnPolicy.ValueType = ReturnPolicy.RETURN_POLICY_UNSPECIFIED,
    ) -> RefundRequest:
        return RefundRequest(sale=self.sale, returned=returned, policy=policy)

    def everything(self, policy: ReturnPolicy.ValueType) -> RefundRequest:
        """All units and gifts back, all rewards reversed."""
        units = [ReturnedUnits(line_id=line.id, quantity=line.quantity) for line in self.lines]
        request = self.request(units, policy)
        request.gifts_returned.extend(
            GiftUnits(promotion_id=gift.promotion_id, product_id=gift.product_id, quantity=gift.quantity)
            for gift in self.result.gifts
        )
        request.rewards_reversed.extend({reward.promotion_id for reward in self.result.rewards})
        return request

    def refund(self, request: RefundRequest) -> RefundResponse:
        return RefundResponse.FromString(self.compiled.refund(request.SerializeToString()))


def sold(seed: int, number: int) -> Sold:
    """A case of this number, with more to give, and priced."""
    chance = Chance(seed, number)
    of = case(seed, number)
    for place in range(chance.number(0, 2)):
        of.ruleset.promotions.append(_generous(chance, f"G{place}"))
    if chance.one_in(3):
        of.request.cart.lines.append(_gift_line(chance))
    compiled = dealwright_engine.Ruleset.compile(of.ruleset.SerializeToString())
    response = compiled.evaluate(of.request.SerializeToString(), 0)
    result = EvaluateResponse.FromString(response).result
    sale = Sale(revision=of.ruleset.revision, request=of.request)
    if chance.one_in(2):
        sale.result.CopyFrom(result)
    else:
        sale.result_hash = result.result_hash
    return Sold(of.ruleset, compiled, sale, result)


def _generous(chance: Chance, promotion_id: str) -> Promotion:
    """A promotion that likely gives a gift or a reward, and for which it likely matters what is kept."""
    promotion = Promotion(id=promotion_id, rule_language=1, name=[Text(language="en", text="Gift")])
    set_rule(chance, promotion, chance.of(["free_item", "threshold_tier", "cashback"]))
    if promotion.HasField("free_item"):
        promotion.free_item.min_purchase.CopyFrom(threshold(chance))
    if promotion.HasField("cashback"):
        promotion.cashback.min_purchase.CopyFrom(threshold(chance))
    return promotion


def _gift_line(chance: Chance) -> Line:
    return Line(
        id="gift",
        kind=LineKind.LINE_KIND_GIFT,
        product_id=chance.of(PRODUCTS),
        quantity=chance.number(1, 2),
        unit_price_minor=chance.of([0, 100, 333]),
    )


def some_units(chance: Chance, lines: Sequence[Line]) -> list[ReturnedUnits]:
    """Some units of some lines, named or not; no child line stays without its parent."""
    units: list[ReturnedUnits] = []
    gone: set[str] = set()
    for line in lines:
        count = line.quantity if line.parent_id in gone else chance.number(0, line.quantity)
        if count == line.quantity:
            gone.add(line.id)
        if count and chance.one_in(3):
            first = chance.number(0, line.quantity - count)
            named = chance.number(1, count)
            units.append(ReturnedUnits(line_id=line.id, quantity=named, first_unit=first))
            count -= named
        if count:
            units.append(ReturnedUnits(line_id=line.id, quantity=count))
    return units


def a_return(seed: int, number: int) -> tuple[Sold, RefundRequest]:
    """A sale, and some units, gifts and reversed rewards of it."""
    of = sold(seed, number)
    chance = Chance(seed, number)
    request = of.request(some_units(chance, of.lines), chance.of(POLICIES))
    granted = {(gift.promotion_id, gift.product_id): gift.quantity for gift in of.result.gifts}
    for (promotion_id, product_id), quantity in granted.items():
        if chance.one_in(3):
            request.gifts_returned.add(
                promotion_id=promotion_id, product_id=product_id, quantity=chance.number(1, quantity)
            )
    promised = sorted({reward.promotion_id for reward in of.result.rewards})
    request.rewards_reversed.extend(each for each in promised if chance.one_in(3))
    if chance.one_in(3):
        request.refunded.CopyFrom(
            RefundAmount(minor=chance.of([1, 100, 5000]), tax_minor=chance.of([0, 1, 50]))
        )
    return of, request
