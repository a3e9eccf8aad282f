"""What the customer could add to get more: near misses and suggestions (S-10.5, S-10.6)."""

from collections.abc import Iterator, Sequence

from dealwright.v1.cart_pb2 import Line as CartLine
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from dealwright.v1.money_pb2 import Money
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import BuyMore, NearMiss, Reason, Suggestion
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.reference.answer import Priced, price
from tests.reference.conditions import amount_in
from tests.reference.eligibility import is_candidate
from tests.reference.facts import Line
from tests.reference.lowering import lower
from tests.reference.picking import ITEM
from tests.reference.scopes import in_scope, may_fill, scope
from tests.reference.steps import Gift, Offer, Sets
from tests.reference.why import Amount

ATTEMPTS = 5
UNIT_PRICE_MAX = 10**15
UNITS_MAX = 6


class Advisor:
    """Changes the cart of a request and prices it again."""

    def __init__(self, ruleset: Ruleset, request: EvaluateRequest) -> None:
        self.ruleset = ruleset
        self.request = request
        self.before = price(ruleset, request)

    def near_misses(self, most: int) -> list[NearMiss]:
        """The largest gain first, of equals that of the earlier verdict."""
        found = [
            near_miss
            for promotion in self.before.promotions
            if is_candidate(promotion, self.before.facts) and (near_miss := self._near_miss(promotion))
        ]
        return sorted(found, key=lambda near_miss: -near_miss.gain_minor)[:most]

    def suggestions(self, most: int) -> list[Suggestion]:
        return [
            Suggestion(
                promotion_id=promotion.id,
                product_id=promotion.upsell.upsell_product_id,
                special_price_minor=special_price,
            )
            for promotion in self.before.promotions
            if promotion.HasField("upsell")
            and (special_price := amount_in(promotion.upsell.special_price, self.before.facts.currency))
            is not None
            and self._is_suggested(promotion, special_price)
        ][:most]

    def _is_suggested(self, promotion: Promotion, special_price: int) -> bool:
        product_id = promotion.upsell.upsell_product_id
        if any(line.product_id == product_id for line in self.before.facts.lines):
            return False
        added = CartLine(
            product_id=product_id,
            brand_id=self.before.facts.brand_id,
            quantity=1,
            unit_price_minor=max(1, 2 * special_price),
        )
        return self._with(added).given_by(promotion.id) > 0

    def _near_miss(self, promotion: Promotion) -> NearMiss | None:
        match self.before.whys[promotion.id].reason:
            case Reason.REASON_THRESHOLD | Reason.REASON_CROSS_BRAND:
                return self._spend_more(lower(promotion, self.before.facts.currency))
            case Reason.REASON_QUANTITY | Reason.REASON_APPLIED:
                return self._buy_more(lower(promotion, self.before.facts.currency))
        return None

    def _spend_more(self, offer: Offer) -> NearMiss | None:
        """What is missing; when the unit is lowered too, more of it, in the proportion that didn't count."""
        missing = _missing(self.before, offer)
        counting = self._counting(offer)
        if missing is None or not counting:
            return None
        too_little, added = missing - 1, missing
        for _ in range(ATTEMPTS):
            if added > UNIT_PRICE_MAX:
                return None
            after = self._with(self._unit(counting[0], added))
            if self._gain(offer, after) is not None:
                return self._smallest(offer, counting[0], too_little, added)
            still = _missing(after, offer)
            if still is None:
                return None
            counted = max(1, missing - still)
            too_little, added = added, max(added + 1, -(-added * missing // counted))
        return None

    def _smallest(self, offer: Offer, like: Line, too_little: int, enough: int) -> NearMiss:
        """By halving."""
        while enough - too_little > 1:
            middle = (enough + too_little) // 2
            if self._gain(offer, self._with(self._unit(like, middle))) is None:
                too_little = middle
            else:
                enough = middle
        gain = self._gain(offer, self._with(self._unit(like, enough)))
        assert gain is not None
        amount = Money(currency_code=self.before.facts.currency, minor=enough)
        return NearMiss(promotion_id=offer.id, spend_more=amount, gain_minor=gain)

    def _counting(self, offer: Offer) -> Sequence[Line]:
        """Lines that count towards what is missing."""
        if offer.promotion.HasField("cross_brand"):
            brands = offer.promotion.cross_brand.trigger_brand_ids
            return [line for line in self.before.facts.lines if line.kind == ITEM and line.brand_id in brands]
        return scope(offer, self.before.facts)

    def _buy_more(self, offer: Offer) -> NearMiss | None:
        """The first line of each product that a slot or a trigger picks; as few units as gain."""
        lines = {line.product: line for line in reversed(list(self._picked(offer)))}
        for quantity in range(1, UNITS_MAX + 1):
            gains = [
                (gain, -line.index, line)
                for line in lines.values()
                if (gain := self._gain(offer, self._with(self._unit(line, None, quantity)))) is not None
            ]
            if gains:
                gain, _, line = max(gains, key=lambda each: each[:2])
                more = BuyMore(quantity=quantity, product_ids=[line.product_id] if line.product_id else [])
                return NearMiss(promotion_id=offer.id, buy_more=more, gain_minor=gain)
        return None

    def _picked(self, offer: Offer) -> Iterator[Line]:
        facts = self.before.facts
        for line in facts.lines:
            for step in offer.steps:
                match step.act:
                    case Sets(slots=slots):
                        fills = any(
                            line in in_scope(offer, slot.selector, step.phase, facts)
                            and may_fill(slot, line, facts)
                            for slot in slots
                        )
                    case Gift(trigger=trigger) if trigger is not None:
                        fills = line in in_scope(offer, trigger, step.phase, facts)
                    case _:
                        fills = False
                if fills:
                    yield line
                    break

    def _unit(self, like: Line, price_: int | None, quantity: int = 1) -> CartLine:
        added = CartLine()
        added.CopyFrom(self.request.cart.lines[like.index])
        added.quantity = quantity
        if price_ is not None:
            added.unit_price_minor = price_
            added.ClearField("floor_minor")
        return added

    def _with(self, added: CartLine) -> Priced:
        changed = EvaluateRequest()
        changed.CopyFrom(self.request)
        added.id = "added"
        changed.cart.lines.append(added)
        return price(self.ruleset, changed)

    def _gain(self, offer: Offer, after: Priced) -> int | None:
        """By how much the benefit grows, when this promotion gives more than before."""
        gain = after.choice.outcome.benefit - self.before.choice.outcome.benefit
        own = after.given_by(offer.id) > self.before.given_by(offer.id)
        return gain if own and gain > 0 else None


def _missing(priced: Priced, offer: Offer) -> int | None:
    missing = priced.whys[offer.id].parameters.get("missing")
    return missing.minor if isinstance(missing, Amount) and missing.minor > 0 else None
