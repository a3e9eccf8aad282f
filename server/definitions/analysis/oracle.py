"""The engine as the one who says what happens on a cart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import dealwright_engine
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Reason, Result, Verdict
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.analysis.carts import Builder, Shop, instants, price_for
from server.definitions.analysis.demands import Ways
from server.definitions.analysis.wishes import Wish

COMPETING = frozenset(
    {
        Reason.REASON_APPLIED,
        Reason.REASON_GROUP,
        Reason.REASON_EXCLUSIVE,
        Reason.REASON_BETTER_PLAN,
        Reason.REASON_UNITS_TAKEN,
    }
)
"""The verdicts on what is eligible, and would give something if others left it room."""

NODES_MAX = 200
"""How long the best plan is looked for while carts are tried."""

GENEROUS = (1, 3)
"""How many times the units that are needed are tried."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A cart, and what the engine made of it."""

    request: EvaluateRequest
    result: Result

    def verdict(self, promotion_id: str) -> Verdict | None:
        return next((each for each in self.result.verdicts if each.promotion_id == promotion_id), None)

    def reason(self, promotion_id: str) -> Reason.ValueType:
        found = self.verdict(promotion_id)
        return found.reason if found else Reason.REASON_UNSPECIFIED

    @property
    def applied(self) -> frozenset[str]:
        return frozenset(each.promotion_id for each in self.result.applications)

    @property
    def share_ppm(self) -> int:
        """How much of the cart is taken off."""
        totals = self.result.totals
        return totals.discount_minor * 1_000_000 // totals.list_minor if totals.list_minor else 0


class Oracle:
    """Prices carts with a ruleset, or with some of its promotions alone."""

    def __init__(self, ruleset: Ruleset, shop: Shop) -> None:
        self.shop = shop
        self.promotions = {promotion.id: promotion for promotion in ruleset.promotions}
        self._ruleset = ruleset
        self._compiled = _compile(ruleset)
        hurried = Ruleset()
        hurried.CopyFrom(ruleset)
        hurried.policy.search_nodes_max = NODES_MAX
        self._quick = _compile(hurried)

    @cached_property
    def _empty(self) -> Ruleset:
        """The settings without the promotions."""
        empty = Ruleset()
        empty.CopyFrom(self._ruleset)
        del empty.promotions[:]
        return empty

    def price(self, request: EvaluateRequest) -> Priced | None:
        """What the whole ruleset makes of a cart; None when it is no valid one."""
        return _priced(self._compiled, request)

    def price_with(self, promotions: Sequence[Promotion], request: EvaluateRequest) -> Priced | None:
        """The same with these promotions alone."""
        some = Ruleset()
        some.CopyFrom(self._empty)
        some.promotions.extend(promotions)
        return _priced(_compile(some), request)

    def witnesses(self, wish: Wish, currency_code: str, promotions: Sequence[Promotion]) -> Iterator[Priced]:
        """What happens on carts that a wish asks for, at moments that suit one promotion or another.

        The search for the best plan is short here; what is told is priced once more, by `confirmed`.
        """
        builder = Builder(self.shop, currency_code, price_for(promotions, currency_code))
        for generous in GENEROUS:
            request = builder.request(wish, generous)
            store = self.shop.stores.get(request.cart.store_id.casefold())
            zone = store.time_zone if store else ""
            for moment in self._moments(promotions, zone):
                timed = EvaluateRequest()
                timed.CopyFrom(request)
                builder.date(timed, wish, moment, zone)
                priced = _priced(self._quick, timed)
                if priced is not None:
                    yield priced

    def confirmed(self, priced: Priced) -> Priced:
        """The same cart as the service prices it."""
        return self.price(priced.request) or priced

    def witness(self, promotion: Promotion, ways: Ways) -> Priced | None:
        """A cart on which a promotion is applied, or at least competes; None when none was found."""
        best: Priced | None = None
        for wish in ways.wishes:
            if wish.contradiction() is not None:
                continue
            for priced in self.witnesses(wish, ways.currency_code, [promotion]):
                reason = priced.reason(promotion.id)
                if reason == Reason.REASON_APPLIED:
                    return priced
                if reason in COMPETING and best is None:
                    best = priced
        return best

    def _moments(self, promotions: Sequence[Promotion], zone: str) -> list[datetime]:
        found: dict[datetime, None] = {}
        for promotion in promotions:
            for moment in instants(promotion.schedule, zone, self.shop):
                found.setdefault(moment)
        return list(found)


def _compile(ruleset: Ruleset) -> dealwright_engine.Ruleset:
    return dealwright_engine.Ruleset.compile(ruleset.SerializeToString(deterministic=True))


def _priced(ruleset: dealwright_engine.Ruleset, request: EvaluateRequest) -> Priced | None:
    try:
        answer = ruleset.evaluate(request.SerializeToString(), 0)
    except dealwright_engine.InvalidRequest:
        return None
    return Priced(request, EvaluateResponse.FromString(answer).result)
