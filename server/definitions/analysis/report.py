"""The analysis as a whole: of a ruleset, or of what a change brings to it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dealwright.v1.guardrails_pb2 import Guardrails
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.analysis.carts import Json, Shop, sets_prices, ways_of
from server.definitions.analysis.demands import Ways
from server.definitions.analysis.excess import excess
from server.definitions.analysis.exclusion import beaten, never_applied
from server.definitions.analysis.findings import Finding
from server.definitions.analysis.neighbours import (
    Neighbourhood,
    given_twice,
    never_alone,
    ordered_by_id,
    twins_among,
    worst_cart,
)
from server.definitions.analysis.oracle import Oracle, Priced


@dataclass(frozen=True, slots=True)
class Report:
    """What an analysis found, and for which promotions it found no cart to look at."""

    findings: tuple[Finding, ...]
    promotions: int
    unwitnessed: tuple[str, ...]
    """Promotions that are never mentioned because no cart was found on which they hold."""


def analyse(
    ruleset: Ruleset,
    products: Mapping[str, Json] | None = None,
    guardrails: Guardrails | None = None,
    *,
    changed: Collection[str] | None = None,
    now: datetime | None = None,
) -> Report:
    """Looks at every promotion of a ruleset, or only at those that a change touched."""
    shop = Shop(ruleset, products, now)
    analysis = _Analysis(Oracle(ruleset, shop), ruleset, shop, guardrails or Guardrails())
    asked = [each.id for each in ruleset.promotions if changed is None or each.id in changed]
    findings: list[Finding] = []
    for promotion_id in sorted(asked):
        findings += analysis.of(promotion_id)
    return Report(tuple(_each_once(findings)), len(asked), tuple(analysis.unwitnessed))


class _Analysis:
    """What the analyses of single promotions share."""

    def __init__(self, oracle: Oracle, ruleset: Ruleset, shop: Shop, guardrails: Guardrails) -> None:
        self._oracle = oracle
        self._policy = ruleset.policy
        self._shop = shop
        self._guardrails = guardrails
        self._ways: dict[str, Ways] = _Lazily(oracle, shop)
        self._neighbours = Neighbourhood(ruleset.promotions)
        self._twins = twins_among(ruleset.promotions)
        self.unwitnessed: list[str] = []

    def of(self, promotion_id: str) -> Iterator[Finding]:
        oracle, promotion = self._oracle, self._oracle.promotions[promotion_id]
        ways = self._ways[promotion_id]
        contradictory = list(never_applied(oracle, promotion, ways))
        yield from contradictory
        witness = None if contradictory else oracle.witness(promotion, ways)
        if witness is None:
            if not contradictory:
                self.unwitnessed.append(promotion_id)
            return
        witness = oracle.confirmed(witness)
        yield from beaten(oracle, self._policy, promotion, witness)
        yield from given_twice(oracle, self._twins, promotion, self._ways)
        yield from never_alone(oracle, promotion, witness)
        yield from ordered_by_id(oracle, promotion, witness)
        worst = oracle.confirmed(worst_cart(oracle, promotion, witness, self._neighbours, self._ways))
        yield from excess(self._shop, self._guardrails, promotion_id, worst, self._made_up(worst))

    def _made_up(self, priced: Priced) -> bool:
        """Whether what is taken off depends on a usual price that nobody has told."""
        by_price = {key for key in priced.applied if sets_prices(self._oracle.promotions[key])}
        lowered = {
            share.line_id
            for each in priced.result.applications
            if each.promotion_id in by_price
            for share in each.shares
        }
        return any(
            line.id in lowered and not self._shop.price_of(line, priced.result.currency_code)
            for line in priced.request.cart.lines
        )


class _Lazily(dict[str, Ways]):
    """The ways of promotions, worked out when they are asked for."""

    def __init__(self, oracle: Oracle, shop: Shop) -> None:
        super().__init__()
        self._oracle, self._shop = oracle, shop

    def __missing__(self, promotion_id: str) -> Ways:
        self[promotion_id] = ways_of(self._oracle.promotions[promotion_id], self._shop)
        return self[promotion_id]


ONE_SIDED = frozenset({"never_applied", "dominated", "shut_out"})
"""What is said of one promotion, whatever others it names."""


def _each_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Without what says the same of the same promotions again, from another side."""
    seen: set[tuple[str, frozenset[str]]] = set()
    for found in findings:
        one_sided = found.diagnostic.code in ONE_SIDED
        about = frozenset([found.diagnostic.promotion_id]) if one_sided else found.promotion_ids
        key = (found.diagnostic.code, about)
        if key not in seen:
            seen.add(key)
            yield found
