"""Pricing an order: the request that is pinned, its result, and what it needs of limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dealwright.grants import Grant
from dealwright.v1.cart_pb2 import Cart, LimitState
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import Result, Verdict

from server.evaluation.service import Active
from server.redemption.limits import Account, Uses, accounts, grants, limit_state, needs, refused


@dataclass(frozen=True, slots=True)
class Priced:
    """A cart as it is priced, with everything to price it again."""

    active: Active
    request: EvaluateRequest
    result: Result
    granted: Sequence[Grant]
    needs: Mapping[Account, int]
    limits: Mapping[Account, int]
    """The limit of each account that it needs something of."""
    uses: Uses
    """The vouchers that its promotions use if they are granted."""

    @property
    def refused(self) -> list[Verdict]:
        return refused(self.result)

    @property
    def pinned(self) -> tuple[bytes, bytes]:
        """The request and the result as they are kept."""
        return (
            self.request.SerializeToString(deterministic=True),
            self.result.SerializeToString(deterministic=True),
        )

    def bounding(self, promotion_ids: Sequence[str] | None = None) -> dict[Account, int]:
        """The limits of some promotions in this cart, by default of all that could be granted to it."""
        named = promotion_ids or [verdict.promotion_id for verdict in self.result.verdicts]
        return accounts(self.active.limits, self.request.cart, evaluated_at(self.request), named, self.uses)

    def with_used(self, used: Mapping[Account, int], limits: Mapping[Account, int]) -> "Priced":
        """The same cart at the same instant, with what is left of some limits when so much is used."""
        left = {account: max(0, limit - used.get(account, 0)) for account, limit in limits.items()}
        return self.with_state(limit_state(left, self.request.cart.currency_code))

    def with_cart(self, cart: Cart, uses: Uses) -> "Priced":
        """Another cart at the same instant and with the same limit state."""
        request = EvaluateRequest()
        request.CopyFrom(self.request)
        request.cart.CopyFrom(cart)
        return price(self.active, request, uses)

    def with_state(self, state: LimitState) -> "Priced":
        """The same cart at the same instant with another limit state."""
        request = EvaluateRequest()
        request.CopyFrom(self.request)
        request.limit_state.CopyFrom(state)
        return price(self.active, request, self.uses)


def pinned_request(cart: Cart, language: str, state: LimitState) -> EvaluateRequest:
    """The request that an order is priced with, at the server's now."""
    request = EvaluateRequest(cart=cart)
    request.evaluate_time.FromDatetime(datetime.now(UTC))
    request.options.language = language
    if state.promotions:
        request.limit_state.CopyFrom(state)
    return request


def price(active: Active, request: EvaluateRequest, uses: Uses) -> Priced:
    """Evaluates a request that says its instant."""
    response = active.ruleset.evaluate(request.SerializeToString(deterministic=True), 0)
    result = EvaluateResponse.FromString(response).result
    granted = grants(result, uses)
    named = [grant.promotion_id for grant in granted]
    limits = accounts(active.limits, request.cart, evaluated_at(request), named, uses)
    needed = needs(granted, limits)
    bounds = {account: limits[account] for account in needed}
    return Priced(active, request, result, granted, needed, bounds, uses)


def evaluated_at(request: EvaluateRequest) -> datetime:
    """The instant of a request."""
    return request.evaluate_time.ToDatetime(UTC)
