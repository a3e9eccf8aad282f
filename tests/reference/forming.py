"""Forming sets out of units (S-6.3, S-6.4, S-6.7 to S-6.10, S-6.12, S-6.13)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dealwright.v1.primitives_pb2 import Role

from tests.reference.facts import Line
from tests.reference.steps import Sets, Slot
from tests.reference.units import Unit, in_order


@dataclass(frozen=True, eq=False)
class Place:
    """A slot and the lines that may fill it."""

    slot: Slot
    lines: frozenset[int]

    @property
    def reward(self) -> bool:
        return self.slot.role == Role.ROLE_REWARD


@dataclass(frozen=True)
class Need:
    """So many more units of a place, beside the products that it holds."""

    place: Place
    count: int
    products: tuple[str | int, ...]


class Group:
    """One set: the units in each of its places."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.units: dict[Place, list[Unit]] = {place: [] for place in places}

    def products(self, place: Place) -> tuple[str | int, ...]:
        return tuple(unit.line.product for unit in self.units[place])

    def all_units(self) -> list[Unit]:
        return sorted((unit for units in self.units.values() for unit in units), key=lambda unit: unit.place)


class Former:
    """Forms the sets of one step out of the units that are free."""

    def __init__(self, act: Sets, fills: Callable[[Slot, Line], bool], free: Sequence[Unit]) -> None:
        lines = {unit.line.index: unit.line for unit in free}
        places = [
            Place(slot, frozenset(index for index, line in lines.items() if fills(slot, line)))
            for slot in act.slots
        ]
        # S-6.8: first all slots that are no rewards, then the rewards, each in their listed order.
        self.places = sorted(places, key=lambda place: place.reward)
        self.act = act
        self.free = list(free)
        self.product: str | int | None = None

    def form(self, asked: int | None) -> list[Group]:
        """S-6.8 to S-6.10: at most so many sets, or as many as there can be."""
        bounds = [bound for bound in (asked, self.act.max_sets) if bound is not None]
        most = min(bounds) if bounds else len(self.free)
        groups: list[Group] = []
        while len(groups) < most and (group := self._for_each_product(self._full)):
            groups.append(group)
        for group in groups:
            self._take_extras(group)
        if self.act.partial and len(groups) < most and (group := self._for_each_product(self._partial)):
            groups.append(group)
        return groups

    def available(self, place: Place) -> list[Unit]:
        """S-6.7, in the order of the slot."""
        units = [
            unit
            for unit in self.free
            if unit.line.index in place.lines and (self.product is None or unit.line.product == self.product)
        ]
        return in_order(units, place.slot.order)

    def _for_each_product(self, attempt: Callable[[], Group | None]) -> Group | None:
        """S-6.12: with one product per set, products by their dearest unit, the first that can."""
        if not self.act.one_product:
            return attempt()
        usable = {unit for place in self.places for unit in self.available(place)}
        dearest = sorted(usable, key=lambda unit: (-unit.left, unit.place))
        for product in dict.fromkeys(unit.line.product for unit in dearest):
            self.product = product
            group = attempt()
            self.product = None
            if group:
                return group
        return None

    def _full(self) -> Group | None:
        """S-6.8: each slot's minimum, unit by unit, as long as the set can still be completed."""
        group = Group(self.places)
        wanted = {place: place.slot.minimum for place in self.places if not place.slot.optional}
        if not self._completable(group, wanted):
            return None
        self._take_all(group, wanted, lambda: self._completable(group, wanted))
        return group

    def _partial(self) -> Group | None:
        """S-6.10: all that are no rewards are complete, and as many rewards as there can be."""
        group = Group(self.places)
        required = [place for place in self.places if not place.slot.optional]
        wanted = {place: place.slot.minimum for place in required if not place.reward}
        rewards = 0
        for place in required:
            if place.reward:
                most = self._most(group, wanted, place)
                wanted[place] = most
                rewards += most
        if not rewards:
            return None
        self._take_all(group, wanted, lambda: self._completable(group, wanted))
        return group

    def _most(self, group: Group, wanted: dict[Place, int], place: Place) -> int:
        """How many units a place can hold beside what the others want."""
        counts = range(place.slot.minimum, 0, -1)
        return next((count for count in counts if self._completable(group, {**wanted, place: count})), 0)

    def _take_all(self, group: Group, wanted: dict[Place, int], possible: Callable[[], bool]) -> None:
        for place, count in wanted.items():
            while len(group.units[place]) < count:
                for unit in self.available(place):
                    self._take(group, place, unit)
                    if _fits(place, group.products(place)) and possible():
                        break
                    self._give_back(group, place, unit)
                else:
                    raise AssertionError("a set that could be completed can't be any more")

    def _take_one(self, group: Group, place: Place) -> bool:
        """The first unit in the slot's order that its products allow."""
        for unit in self.available(place):
            if _fits(place, (*group.products(place), unit.line.product)):
                self._take(group, place, unit)
                return True
        return False

    def _take_extras(self, group: Group) -> None:
        """S-6.9."""
        for place in self.places:
            slot = place.slot
            if slot.role == Role.ROLE_QUALIFIER:
                continue
            if slot.optional and not group.units[place]:
                wanted = {place: slot.minimum}
                if slot.minimum and not self._completable(group, wanted):
                    continue
                self._take_all(group, wanted, lambda wanted=wanted: self._completable(group, wanted))  # type: ignore[misc]
            while len(group.units[place]) < slot.maximum and self._take_one(group, place):
                pass

    def _take(self, group: Group, place: Place, unit: Unit) -> None:
        self.free.remove(unit)
        group.units[place].append(unit)

    def _give_back(self, group: Group, place: Place, unit: Unit) -> None:
        group.units[place].remove(unit)
        self.free.append(unit)

    def _completable(self, group: Group, wanted: dict[Place, int]) -> bool:
        """Whether distinct free units exist for all places that are still required."""
        needs = [
            Need(place, count - len(group.units[place]), group.products(place))
            for place, count in wanted.items()
            if count > len(group.units[place])
        ]
        free = Counter(
            unit.line.index for unit in self.free if self.product is None or unit.line.product == self.product
        )
        products = {unit.line.index: unit.line.product for unit in self.free}
        return _assignable(needs, free, products)


def _assignable(needs: list[Need], free: Counter[int], products: dict[int, str | int]) -> bool:
    """Tries every way to fill the first need, and for each the others. Units of one line are alike here."""
    if not needs:
        return True
    need, *others = needs
    lines = sorted(line for line in need.place.lines if free[line])
    for choice in _choices(need.count, lines, free):
        taken = tuple(products[line] for line in choice)
        if _fits(need.place, (*need.products, *taken)) and _assignable(
            others, free - Counter(choice), products
        ):
            return True
    return False


def _choices(count: int, lines: list[int], free: Counter[int]) -> Iterator[list[int]]:
    """Every way to take so many units from these lines, as lines with repetition."""
    if count == 0:
        yield []
    elif lines:
        first, *others = lines
        for number in range(min(count, free[first]), -1, -1):
            for rest in _choices(count - number, others, free):
                yield [first] * number + rest


def _fits(place: Place, products: Sequence[str | int]) -> bool:
    """The slot's rule about products."""
    if place.slot.same_product and len(set(products)) > 1:
        return False
    return not place.slot.different_products or len(set(products)) == len(products)
