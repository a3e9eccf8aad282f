"""The amounts of a result: applications, lines, totals and their tax parts (S-3.4, S-5.6, S-6.6, S-10.1)."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

from dealwright.v1.primitives_pb2 import Role
from dealwright.v1.result_pb2 import (
    Application,
    KindTotals,
    LineResult,
    Share,
    Totals,
    UnitRun,
    UnitShare,
)
from dealwright.v1.selector_pb2 import LineKind

from tests.reference.arithmetic import half_up
from tests.reference.facts import Facts, Line
from tests.reference.pipeline import Made, Outcome
from tests.reference.reductions import MILLION, by_line
from tests.reference.units import Unit


def applications(outcome: Outcome) -> list[Application]:
    """Each step that was made, in the order in which it was."""
    return [_application(made) for made in outcome.made]


def _application(made: Made) -> Application:
    effect = made.effect
    touched = [unit for unit, amount in effect.cuts.items() if amount > 0 or unit in effect.roles]
    return Application(
        promotion_id=made.offer.id,
        step=made.step.number,
        phase=made.step.phase,
        discount_minor=effect.discount,
        wanted_minor=effect.wanted,
        shares=[_share(line, made) for line in by_line(touched)],
        sets=effect.sets,
    )


def _share(units: Sequence[Unit], made: Made) -> Share:
    """S-6.6: every unit touched, with its role; neighbours that were treated alike together."""
    cuts, roles = made.effect.cuts, made.effect.roles
    runs: list[UnitShare] = []
    for unit in units:
        part = UnitShare(
            first_unit=unit.number,
            quantity=1,
            unit_discount_minor=cuts[unit],
            role=roles.get(unit, Role.ROLE_UNSPECIFIED),
        )
        last = runs[-1] if runs else None
        if (
            last is not None
            and last.first_unit + last.quantity == part.first_unit
            and (last.unit_discount_minor, last.role) == (part.unit_discount_minor, part.role)
        ):
            last.quantity += 1
        else:
            runs.append(part)
    return Share(line_id=units[0].line.id, discount_minor=sum(cuts[unit] for unit in units), units=runs)


def line_results(facts: Facts, outcome: Outcome) -> list[LineResult]:
    """Lines in the cart's order."""
    return [
        _line_result(line, [unit for unit in outcome.units if unit.line == line], facts.tax_inclusive)
        for line in facts.lines
    ]


def _line_result(line: Line, units: Sequence[Unit], tax_inclusive: bool) -> LineResult:
    list_minor = line.quantity * line.unit_price_minor
    payable = sum(unit.left for unit in units)
    discount_tax = tax_part(list_minor - payable, line.tax_rate_ppm, tax_inclusive)
    return LineResult(
        line_id=line.id,
        list_minor=list_minor,
        discount_minor=list_minor - payable,
        payable_minor=payable,
        discount_tax_minor=discount_tax,
        payable_tax_minor=tax_part(list_minor, line.tax_rate_ppm, tax_inclusive) - discount_tax,
        runs=[
            UnitRun(quantity=len(list(run)), unit_payable_minor=left)
            for left, run in groupby(units, key=lambda unit: unit.left)
        ],
    )


def tax_part(amount: int, rate_ppm: int, tax_inclusive: bool) -> int:
    """S-3.4: rounded half up."""
    rate = Fraction(rate_ppm, MILLION)
    return half_up(amount * rate / (1 + rate) if tax_inclusive else amount * rate)


def totals(facts: Facts, outcome: Outcome) -> Totals:
    """The sums of the lines."""
    lines = line_results(facts, outcome)
    of_kinds: dict[LineKind.ValueType, list[LineResult]] = {}
    for line, result in zip(facts.lines, lines, strict=True):
        of_kinds.setdefault(line.kind, []).append(result)
    return Totals(
        list_minor=sum(line.list_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        payable_minor=sum(line.payable_minor for line in lines),
        discount_tax_minor=sum(line.discount_tax_minor for line in lines),
        payable_tax_minor=sum(line.payable_tax_minor for line in lines),
        by_kind=[_kind_totals(kind, of_kinds[kind]) for kind in sorted(of_kinds)],
    )


def _kind_totals(kind: LineKind.ValueType, lines: list[LineResult]) -> KindTotals:
    return KindTotals(
        kind=kind,
        list_minor=sum(line.list_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        payable_minor=sum(line.payable_minor for line in lines),
    )
