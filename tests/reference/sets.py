"""What sets cost, and what becomes of their units (S-6.5, S-6.6, S-6.11, S-6.14)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dealwright.v1.primitives_pb2 import Role
from dealwright.v1.result_pb2 import Reason

from tests.reference.arithmetic import fill
from tests.reference.effects import Effect, Turn
from tests.reference.facts import Line
from tests.reference.forming import Former, Group
from tests.reference.reductions import capped, cut
from tests.reference.steps import Sets, Slot
from tests.reference.units import Unit
from tests.reference.why import Why


def make_sets(act: Sets, fills: Callable[[Slot, Line], bool], free: Sequence[Unit], turn: Turn) -> Effect:
    """Forms the sets and lowers their units."""
    formed = Former(act, fills, free).form(turn.sets_asked)
    if not formed:
        return Effect(why_nothing=_why_none(act, fills, turn.units))
    groups = [group for group in formed if _is_made(act, group)]
    cap = turn.cap(act.cap)
    wanted, cuts = _by_set_price(act, groups) if act.set_price is not None else _by_slots(groups, turn)
    treatments = _by_unit(formed, groups, capped(cuts, cap))
    return Effect(
        cuts={unit: treatment.discount for unit, treatment in treatments.items()},
        roles={unit: treatment.role for unit, treatment in treatments.items()},
        wanted=wanted if cap is None else min(wanted, max(0, cap)),
        sets=len(groups),
        formed=len(formed),
    )


def _is_made(act: Sets, group: Group) -> bool:
    """S-6.5: a set that costs no more than its price isn't made."""
    return act.set_price is None or sum(unit.left for unit in group.all_units()) > act.set_price


def _why_none(act: Sets, fills: Callable[[Slot, Line], bool], units: Sequence[Unit]) -> Why:
    """S-6.14: with all units of the cart, as if nothing had touched them."""
    whole = Former(act, fills, units)
    required = [place for place in whole.places if not place.slot.optional]
    for place in required:
        had = len(whole.available(place))
        if had < place.slot.minimum:
            return Why(Reason.REASON_QUANTITY, {"needed": place.slot.minimum, "had": had})
    needed = sum(place.slot.minimum for place in required)
    had = len({unit for place in required for unit in whole.available(place)})
    if whole.form(1):
        return Why(Reason.REASON_UNITS_TAKEN)
    return Why(Reason.REASON_QUANTITY, {"needed": needed, "had": had})


def _by_set_price(act: Sets, groups: list[Group]) -> tuple[int, dict[Unit, int]]:
    """S-6.5: inside each set by largest remainder over prices left, floors respected."""
    assert act.set_price is not None
    wanted = 0
    cuts: dict[Unit, int] = {}
    for group in groups:
        units = group.all_units()
        amount = sum(unit.left for unit in units) - act.set_price
        wanted += amount
        parts = fill(amount, [unit.left for unit in units], [unit.room for unit in units])
        cuts.update(zip(units, parts, strict=True))
    return wanted, cuts


def _by_slots(groups: list[Group], turn: Turn) -> tuple[int, dict[Unit, int]]:
    """S-6.11: each slot's units of all sets together."""
    wanted = 0
    cuts: dict[Unit, int] = {}
    for place in groups[0].units:
        if place.slot.reduction is None:
            continue
        units = [unit for group in groups for unit in group.units[place]]
        of_slot, lowered = cut(place.slot.reduction, sorted(units, key=lambda unit: unit.place), turn)
        wanted += of_slot
        cuts.update(lowered)
    return wanted, cuts


@dataclass(frozen=True)
class Treatment:
    """What a set does to one unit."""

    discount: int
    role: Role.ValueType

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """S-6.6: larger discounts first, of equals plain units before qualifiers; rewards are taken last."""
        return self.role == Role.ROLE_REWARD, -self.discount, self.role == Role.ROLE_QUALIFIER


def _by_unit(formed: list[Group], made: list[Group], cuts: Mapping[Unit, int]) -> dict[Unit, Treatment]:
    """S-6.6: among units of a line that are alike the treatments are dealt out from the first unit on."""
    units: dict[object, list[Unit]] = {}
    treatments: dict[object, list[Treatment]] = {}
    for group in formed:
        for place, taken in group.units.items():
            for unit in taken:
                alike = (unit.line.index, unit.left)
                units.setdefault(alike, []).append(unit)
                if group in made:
                    treatment = Treatment(cuts.get(unit, 0), place.slot.role)
                    treatments.setdefault(alike, []).append(treatment)
    return {
        unit: treatment
        for alike in treatments
        for unit, treatment in zip(
            sorted(units[alike], key=lambda unit: unit.place),
            sorted(treatments[alike], key=lambda treatment: treatment.rank),
            strict=False,
        )
    }
