"""Promotions that are never applied: contradictory, or always beaten by one that excludes them."""

from collections.abc import Iterator

from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.result_pb2 import Reason
from dealwright.v1.ruleset_pb2 import Policy, RoundingGrain, Selection

from server.definitions.analysis.carts import Builder, instants, price_for
from server.definitions.analysis.covering import covers, excludes
from server.definitions.analysis.demands import Ways
from server.definitions.analysis.findings import Finding, finding
from server.definitions.analysis.oracle import Oracle, Priced

BEATEN = (Reason.REASON_GROUP, Reason.REASON_EXCLUSIVE)


def never_applied(oracle: Oracle, promotion: Promotion, ways: Ways) -> Iterator[Finding]:
    """A promotion that asks for what no cart has, shown by a cart that has all the rest."""
    contradictions = [wish.contradiction() for wish in ways.wishes]
    if not ways.complete or not contradictions or None in contradictions:
        return
    builder = Builder(oracle.shop, ways.currency_code, price_for([promotion], ways.currency_code))
    request = builder.request(ways.wishes[0])
    request.evaluate_time.FromDatetime(next(instants(promotion.schedule, "", oracle.shop), oracle.shop.now))
    priced = oracle.price(request)
    why = contradictions[0]
    if priced is not None and why is not None and promotion.id not in priced.applied:
        yield finding("never_applied", promotion.id, priced, {"why": why.what})


def beaten(oracle: Oracle, policy: Policy, promotion: Promotion, witness: Priced) -> Iterator[Finding]:
    """A promotion that another one excludes wherever it holds, and never gives less than."""
    verdict = witness.verdict(promotion.id)
    if verdict is None or verdict.reason not in BEATEN:
        return
    winner = next((each.text for each in verdict.parameters if each.name == "winner"), "")
    other = oracle.promotions.get(winner)
    if other is None or not excludes(other, promotion) or not _covers(other, promotion, policy):
        return
    if policy.selection != Selection.SELECTION_PRIORITY:
        yield finding("dominated", promotion.id, witness, {"other": other.id}, other.id)
    elif _rank(other) < _rank(promotion):
        yield finding("shut_out", promotion.id, witness, {"other": other.id}, other.id)


def _covers(other: Promotion, promotion: Promotion, policy: Policy) -> bool:
    # Shares of an order are rounded together, so that a floor may take one minor unit of the larger.
    if policy.rounding.grain == RoundingGrain.ROUNDING_GRAIN_ORDER:
        kind = promotion.WhichOneof("rule") or ""
        if other.WhichOneof("rule") != kind or getattr(other, kind) != getattr(promotion, kind):
            return False
    return covers(other, promotion)


def _rank(promotion: Promotion) -> tuple[int, bytes]:
    """The order inside a phase (S-4.2)."""
    return (-promotion.priority, promotion.id.encode())
