"""Best-plan problems that the engine and a general solver can both state exactly.

What a promotion gives doesn't depend on the others here, so that the best plan is a choice under constraints.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from dealwright.v1.cart_pb2 import Cart
from dealwright.v1.evaluation_service_pb2 import VERDICT_SCOPE_NONE, EvaluateRequest
from dealwright.v1.primitives_pb2 import PERCENT_BASE_LIST, PHASE_ITEM
from dealwright.v1.promotion_pb2 import Promotion
from dealwright.v1.ruleset_pb2 import Ruleset
from dealwright.v1.stacking_pb2 import EXCLUSIVITY_ORDER

from benchmarks.messages import CURRENCY, MIDNIGHT

LINES = 20


@dataclass(frozen=True)
class Problem:
    """A cart with its candidates, and the same as numbers."""

    ruleset: Ruleset
    request: EvaluateRequest
    worth: list[int]
    most: list[int]
    """How often each may be chosen."""
    rows: list[tuple[list[int], int]]
    """Of these choices at most so many."""

    def document(self) -> dict[str, Any]:
        rows = [{"choices": choices, "limit": limit} for choices, limit in self.rows]
        return {"worth": self.worth, "most": self.most, "rows": rows}


def one_for_each_line(chance: random.Random, candidates: int) -> Problem:
    """A percentage off one to four lines; on each line at most one promotion, by exclusion groups."""
    prices = _prices(chance)
    offers = [_some_lines(chance, (1, 2, 2, 3, 4)) for _ in range(candidates)]
    percents = [chance.randrange(5, 51) for _ in offers]
    promotions = [
        _percent_off(f"P{place}", percent, lines, [f"line-{line}" for line in lines])
        for place, (percent, lines) in enumerate(zip(percents, offers, strict=True))
    ]
    rows = [([place for place, lines in enumerate(offers) if line in lines], 1) for line in range(LINES)]
    worth = [_worth(prices, lines, percent) for lines, percent in zip(offers, percents, strict=True)]
    return _problem(promotions, prices, [1] * LINES, worth, [1] * candidates, rows)


def exclusion_groups(chance: random.Random, candidates: int) -> Problem:
    """A small percentage of list prices off two to four lines; each promotion in two groups of about six."""
    return _grouped(chance, candidates, alone=0)


def exclusive_in_order(chance: random.Random, candidates: int) -> Problem:
    """The same, and a tenth of the promotions are larger and exclusive in the order."""
    return _grouped(chance, candidates, alone=candidates // 10)


def _grouped(chance: random.Random, candidates: int, alone: int) -> Problem:
    prices = _prices(chance)
    group_count = max(candidates // 3, 2)
    promotions: list[Promotion] = []
    worth: list[int] = []
    members: list[list[int]] = [[] for _ in range(group_count)]
    for place in range(candidates):
        if place < alone:
            lines, percent = _some_lines(chance, (10,)), chance.randrange(5, 31)
            promotions.append(_percent_off(f"P{place}", percent, lines, []))
            promotions[-1].stacking.exclusive = EXCLUSIVITY_ORDER
        else:
            # Few and small enough for every line to bear them all.
            lines, percent = _some_lines(chance, (2, 3, 4)), chance.randrange(1, 4)
            groups = chance.sample(range(group_count), 2)
            promotions.append(
                _percent_off(f"P{place}", percent, lines, [f"group-{group}" for group in groups])
            )
            for group in groups:
                members[group].append(place)
        worth.append(_worth(prices, lines, percent))
    rows = [(listed, 1) for listed in members]
    rows += [([first, second], 1) for first, second in combinations(range(candidates), 2) if first < alone]
    return _problem(promotions, prices, [1] * LINES, worth, [1] * candidates, rows)


def combos_sharing_units(chance: random.Random, candidates: int) -> Problem:
    """Two or three products for a price, one to four units of each in the cart; as many sets as are best."""
    prices = _prices(chance)
    quantities = [chance.randrange(1, 5) for _ in prices]
    promotions, worth, most, offers = [], [], [], []
    for place in range(candidates):
        lines = _some_lines(chance, (2, 3))
        saved = _worth(prices, lines, chance.randrange(5, 41))
        promotion = _promotion(f"P{place}")
        for line in lines:
            promotion.combo.items.add(product_id=f"p{line}")
        promotion.combo.set_price.add(
            currency_code=CURRENCY, minor=sum(prices[line] for line in lines) - saved
        )
        promotions.append(promotion)
        offers.append(lines)
        worth.append(saved)
        most.append(min(quantities[line] for line in lines))
    rows = [
        ([place for place, lines in enumerate(offers) if line in lines], quantity)
        for line, quantity in enumerate(quantities)
    ]
    return _problem(promotions, prices, quantities, worth, most, rows)


KINDS: dict[str, Callable[[random.Random, int], Problem]] = {
    "one for each line": one_for_each_line,
    "exclusion groups": exclusion_groups,
    "exclusive in order": exclusive_in_order,
    "combos sharing units": combos_sharing_units,
}


def _prices(chance: random.Random) -> list[int]:
    return [chance.randrange(199, 4999) for _ in range(LINES)]


def _some_lines(chance: random.Random, sizes: Sequence[int]) -> list[int]:
    return sorted(chance.sample(range(LINES), chance.choice(sizes)))


def _worth(prices: Sequence[int], lines: Sequence[int], percent: int) -> int:
    """What a percentage gives, each line rounded half up."""
    return sum((prices[line] * percent + 50) // 100 for line in lines)


def _promotion(name: str) -> Promotion:
    promotion = Promotion(id=name, rule_language=1)
    promotion.name.add(language="en", text=name)
    return promotion


def _percent_off(name: str, percent: int, lines: Sequence[int], groups: Sequence[str]) -> Promotion:
    promotion = _promotion(name)
    body = promotion.percent_discount
    body.phase, body.percent_base, body.percent_off_ppm = PHASE_ITEM, PERCENT_BASE_LIST, percent * 10_000
    body.scope.include.add(product_ids=[f"p{line}" for line in lines])
    for group in groups:
        promotion.stacking.groups.add(name=group)
    return promotion


def _problem(
    promotions: Sequence[Promotion],
    prices: Sequence[int],
    quantities: Sequence[int],
    worth: list[int],
    most: list[int],
    rows: list[tuple[list[int], int]],
) -> Problem:
    cart = Cart(id="bench", currency_code=CURRENCY, store_id="s1", time_zone="UTC")
    for line, (price, quantity) in enumerate(zip(prices, quantities, strict=True)):
        cart.lines.add(id=str(line), product_id=f"p{line}", quantity=quantity, unit_price_minor=price)
    request = EvaluateRequest(cart=cart)
    request.options.verdicts = VERDICT_SCOPE_NONE
    request.evaluate_time.seconds = MIDNIGHT
    ruleset = Ruleset(company_id="bench", revision=1, promotions=promotions)
    return Problem(ruleset, request, worth, most, [row for row in rows if len(row[0]) > 0])
