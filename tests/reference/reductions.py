"""Reduce and spread, the primitives that lower prices (section 5, S-6.1, S-6.2)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from dealwright.v1.ruleset_pb2 import RoundingGrain

from tests.reference.arithmetic import fill, rounded, split
from tests.reference.effects import Effect, Turn
from tests.reference.steps import Reduce, Reduction, Spread
from tests.reference.units import Unit, in_order

MILLION = 1_000_000


def reduce(act: Reduce, units: list[Unit], turn: Turn) -> Effect:
    """S-5.5: each chosen unit takes at most price left minus floor; what it refuses is lost."""
    wanted, cuts = cut(act.reduction, chosen(act, units), turn)
    cap = turn.cap(act.cap)
    return Effect(
        cuts=capped(cuts, cap),
        wanted=wanted if cap is None else min(wanted, cap),
    )


def chosen(act: Reduce, units: list[Unit]) -> list[Unit]:
    """S-6.1, S-6.2."""
    taken: list[Unit] = []
    per_line = Counter[int]()
    for unit in in_order(units, act.order):
        line = unit.line.index
        if act.max_units is not None and len(taken) >= act.max_units:
            break
        if act.max_units_per_line is not None and per_line[line] >= act.max_units_per_line:
            continue
        per_line[line] += 1
        taken.append(unit)
    return sorted(taken, key=lambda unit: unit.place)


def cut(reduction: Reduction, units: list[Unit], turn: Turn) -> tuple[int, dict[Unit, int]]:
    """What is wanted altogether, and what each unit lets through."""
    if reduction.percent_off_ppm is not None:
        asked = _percent(reduction, units, turn)
    elif reduction.amount_off is not None:
        asked = dict.fromkeys(units, reduction.amount_off)
    else:
        assert reduction.fixed_price is not None
        asked = {unit: max(0, unit.left - reduction.fixed_price) for unit in units}
    return sum(asked.values()), {unit: min(amount, unit.room) for unit, amount in asked.items()}


def _percent(reduction: Reduction, units: list[Unit], turn: Turn) -> dict[Unit, int]:
    """S-2.3, S-5.5: rounded by the policy's grain, then split over lines and units by their bases."""
    assert reduction.percent_off_ppm is not None
    base = {unit: turn.prices.base(unit, reduction.base) for unit in units}
    ppm = reduction.percent_off_ppm

    def round_once(value: int) -> int:
        return discount(value, ppm, turn)

    match turn.policy.rounding.grain:
        case RoundingGrain.ROUNDING_GRAIN_UNIT:
            return {unit: round_once(base[unit]) for unit in units}
        case RoundingGrain.ROUNDING_GRAIN_ORDER:
            return split_over_lines(round_once(sum(base.values())), base)
    return {
        unit: part
        for line in by_line(units)
        for unit, part in zip(
            line,
            split(round_once(sum(base[unit] for unit in line)), [base[unit] for unit in line]),
            strict=True,
        )
    }


def discount(base: int, ppm: int, turn: Turn) -> int:
    """S-2.3: rounded once; a 100 % discount leaves exactly 0, whatever the increment."""
    return base if ppm == MILLION else rounded(Fraction(base * ppm, MILLION), turn.policy, turn.currency)


def split_over_lines(amount: int, weights: Mapping[Unit, int]) -> dict[Unit, int]:
    """S-5.1: over lines, then inside each line over its units."""
    lines = by_line(weights)
    amounts = split(amount, [sum(weights[unit] for unit in line) for line in lines])
    return {
        unit: part
        for line, of_line in zip(lines, amounts, strict=True)
        for unit, part in zip(line, split(of_line, [weights[unit] for unit in line]), strict=True)
    }


def capped(cuts: dict[Unit, int], cap: int | None) -> dict[Unit, int]:
    """S-5.4: cut down by largest remainder over the lines' discounts, then over the units'."""
    if cap is None or sum(cuts.values()) <= cap:
        return cuts
    return split_over_lines(max(0, cap), cuts)


def spread(act: Spread, units: list[Unit], turn: Turn) -> Effect:
    """S-5.3: rounded once, capped, split over lines and units; what a floor refuses flows on."""
    cap = turn.cap(act.cap)
    amount = _spread_amount(act, units, turn)
    amount = max(0, amount if cap is None else min(amount, cap))
    lines = by_line(units)
    amounts = fill(
        amount,
        [sum(unit.left for unit in line) for line in lines],
        [sum(unit.room for unit in line) for line in lines],
    )
    cuts: dict[Unit, int] = {}
    for line, of_line in zip(lines, amounts, strict=True):
        parts = fill(of_line, [unit.left for unit in line], [unit.room for unit in line])
        cuts.update(zip(line, parts, strict=True))
    return Effect(cuts=cuts, wanted=amount)


def _spread_amount(act: Spread, units: list[Unit], turn: Turn) -> int:
    if act.percent_off_ppm is not None:
        base = sum(turn.prices.base(unit, act.base) for unit in units)
        return discount(base, act.percent_off_ppm, turn)
    if act.amount_off is not None:
        return act.amount_off
    assert act.fixed_total is not None
    return max(0, sum(unit.left for unit in units) - act.fixed_total)


def by_line(units: Iterable[Unit]) -> list[Sequence[Unit]]:
    """Units by their lines, in cart order."""
    lines: dict[int, list[Unit]] = {}
    for unit in sorted(units, key=lambda unit: unit.place):
        lines.setdefault(unit.line.index, []).append(unit)
    return list(lines.values())
