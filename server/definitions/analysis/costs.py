"""What promotions cost: sample carts are priced with each of them and without it, beside each other.

Times depend on the machine and on what else it does, so the ruleset is also measured beside itself.
Verdicts and nodes are the same each time.
"""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import dealwright_engine
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest, EvaluateResponse
from dealwright.v1.result_pb2 import Proof, Reason, Result
from dealwright.v1.ruleset_pb2 import Ruleset

from server.definitions.analysis.oracle import COMPETING

NOISE_PERCENTILE = 95
"""Of so many of a hundred promotions the two times of the same ruleset differ by less than the noise."""

Progress = Callable[[int, int], None]
"""Is told how many promotions of how many are measured."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured at most."""

    rounds: int
    """How often each cart is priced with and without a promotion; the quickest time counts."""
    seconds: float
    """When no more rounds are begun, and then no more carts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one promotion costs in all carts of the sample together."""

    promotion_id: str
    candidate: int
    """In how many carts it was a candidate."""
    competing: int
    """In how many it was applied, or would have been if others had left it room."""
    applied: int
    nodes: int
    """How many more the search visits than without it. Below 0 where it shortens the search."""
    nanos: int
    """How much longer pricing takes than without it."""
    noise_nanos: int
    """How large a difference says nothing."""

    @property
    def told_nanos(self) -> int:
        """The time beyond the noise; 0 where the noise hides it."""
        return self.nanos if abs(self.nanos) > self.noise_nanos else 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What promotions cost in a sample of carts, the dearest first."""

    costs: tuple[Cost, ...]
    revision: int
    promotions: int
    carts: int
    unproven: int
    """In how many carts the search ended at its budget."""
    nodes: int
    """That the search visits in all carts together, with all promotions."""
    nanos: int
    """That pricing all carts takes, with all promotions."""
    noise_ppm: int
    """By how much times of the same ruleset differ."""
    idle: tuple[str, ...]
    """Promotions that are a candidate of no cart, so that they cost room in the index alone."""
    unmeasured: tuple[str, ...]
    """Promotions for which no time was left."""


def measure(
    ruleset: Ruleset,
    requests: Sequence[EvaluateRequest],
    effort: Effort,
    *,
    promotion_ids: Collection[str] = (),
    progress: Progress = lambda done, count: None,
) -> Costs:
    """Measures promotions, by default all of a ruleset, with at least one cart."""
    variants = _Variants(ruleset)
    carts = [_Cart(request, variants.complete) for request in requests]
    asked = [each.id for each in ruleset.promotions if not promotion_ids or each.id in promotion_ids]
    concerned = {key: [cart for cart in carts if key in cart.reasons] for key in asked}
    # The most frequent first: they are what is measured when there is no time for all.
    candidates = sorted((key for key in asked if concerned[key]), key=lambda key: (-len(concerned[key]), key))
    pace = _Pace(effort, sum(len(concerned[key]) for key in candidates))
    measured: dict[str, _Difference] = {}
    for done, key in enumerate(candidates):
        progress(done, len(candidates))
        difference = _difference(variants, key, concerned[key], pace)
        if difference is None:
            break
        measured[key] = difference
    noise_ppm = _percentile([difference.noise_ppm for difference in measured.values()])
    costs = [_cost(key, concerned[key], difference, noise_ppm) for key, difference in measured.items()]
    return Costs(
        tuple(sorted(costs, key=lambda cost: (-cost.told_nanos, -cost.nodes, cost.promotion_id))),
        ruleset.revision,
        len(ruleset.promotions),
        len(carts),
        sum(cart.result.selection.proof == Proof.PROOF_BOUNDED for cart in carts),
        sum(cart.result.selection.nodes for cart in carts),
        sum(cart.nanos for cart in carts),
        noise_ppm,
        tuple(sorted(key for key in asked if not concerned[key])),
        tuple(key for key in candidates if key not in measured),
    )


class _Variants:
    """A ruleset, and the same without one of its promotions."""

    def __init__(self, ruleset: Ruleset) -> None:
        settings = Ruleset()
        settings.CopyFrom(ruleset)
        del settings.promotions[:]
        self._settings = settings.SerializeToString(deterministic=True)
        # The bytes of messages one after another are those of both together.
        self._promotions = {
            each.id: Ruleset(promotions=[each]).SerializeToString(deterministic=True)
            for each in ruleset.promotions
        }
        self.complete = self.without("")
        # Compiled for itself, since where a ruleset lies in memory is part of what it takes.
        self.twin = self.without("")

    def without(self, promotion_id: str) -> dealwright_engine.Ruleset:
        others = (part for key, part in self._promotions.items() if key != promotion_id)
        return dealwright_engine.Ruleset.compile(self._settings + b"".join(others))


class _Cart:
    """A cart of the sample, and what came out of it with all promotions."""

    def __init__(self, request: EvaluateRequest, complete: dealwright_engine.Ruleset) -> None:
        # Neither texts nor advice: what they cost is no promotion's doing.
        plain = EvaluateRequest()
        plain.CopyFrom(request)
        plain.ClearField("options")
        if not plain.HasField("evaluate_time"):
            plain.evaluate_time.GetCurrentTime()
        self._body = plain.SerializeToString(deterministic=True)
        self.result = self.priced(complete)
        self.reasons = {verdict.promotion_id: verdict.reason for verdict in self.result.verdicts}
        self.nanos = self.timed(complete)

    def priced(self, ruleset: dealwright_engine.Ruleset) -> Result:
        return EvaluateResponse.FromString(ruleset.evaluate(self._body, 0)).result

    def timed(self, ruleset: dealwright_engine.Ruleset) -> int:
        begun = time.perf_counter_ns()
        ruleset.evaluate(self._body, 0)
        return time.perf_counter_ns() - begun


@dataclass(slots=True)
class _Difference:
    """What carts take with all promotions, once more so, and without one of them."""

    complete_nanos: int = 0
    twin_nanos: int = 0
    without_nanos: int = 0
    nodes: int = 0

    @property
    def noise_ppm(self) -> int:
        return abs(self.complete_nanos - self.twin_nanos) * 1_000_000 // self.complete_nanos


class _Pace:
    """Shares the time that is left among all that is still to be measured."""

    def __init__(self, effort: Effort, left: int) -> None:
        self._rounds = effort.rounds
        self._deadline = time.perf_counter() + effort.seconds
        self._left = left

    @property
    def over(self) -> bool:
        return time.perf_counter() >= self._deadline

    def rounds(self) -> Iterator[int]:
        """The rounds of the next cart: at least one, and none is begun when its share of the time is over."""
        now = time.perf_counter()
        end = now + max(0.0, self._deadline - now) / self._left
        self._left -= 1
        for number in range(self._rounds):
            if number and time.perf_counter() >= end:
                return
            yield number


def _difference(
    variants: _Variants, promotion_id: str, carts: Sequence[_Cart], pace: _Pace
) -> _Difference | None:
    """What a promotion changes on carts; None when the time is over before all of them are measured."""
    rulesets = (variants.complete, variants.twin, variants.without(promotion_id))
    found = _Difference()
    for cart in carts:
        if pace.over:
            return None
        quickest = [sys.maxsize] * len(rulesets)
        for number in pace.rounds():
            # Another one begins each time: whoever does finds less of the cart in the processor's cache.
            for turn in range(len(rulesets)):
                place = (number + turn) % len(rulesets)
                quickest[place] = min(quickest[place], cart.timed(rulesets[place]))
        complete, twin, without = quickest
        cart.nanos = min(cart.nanos, complete)
        found.complete_nanos += complete
        found.twin_nanos += twin
        found.without_nanos += without
        found.nodes += cart.result.selection.nodes - cart.priced(rulesets[-1]).selection.nodes
    return found


def _cost(promotion_id: str, carts: Sequence[_Cart], found: _Difference, noise_ppm: int) -> Cost:
    reasons = [cart.reasons[promotion_id] for cart in carts]
    return Cost(
        promotion_id,
        len(reasons),
        sum(reason in COMPETING for reason in reasons),
        reasons.count(Reason.REASON_APPLIED),
        found.nodes,
        found.complete_nanos - found.without_nanos,
        found.complete_nanos * max(noise_ppm, found.noise_ppm) // 1_000_000,
    )


def _percentile(values: Sequence[int]) -> int:
    """The noise of most of the values; 0 without any."""
    return sorted(values)[len(values) * NOISE_PERCENTILE // 100] if values else 0
