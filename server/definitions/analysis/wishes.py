"""What a cart has to be so that a promotion holds: facts that all have to be true."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dealwright.v1.selector_pb2 import Selector

Range = tuple[int | None, int | None]
"""The least and the most, both inclusive; None is no end."""


DAYS_SINCE = "number of days since the last order"


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a fact may have: those of `include` (None: any) without those of `exclude`, case folded."""

    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()

    def narrowed(self, other: "Names") -> "Names":
        both = [names for names in (self.include, other.include) if names is not None]
        return Names(frozenset.intersection(*both) if both else None, self.exclude | other.exclude)

    @property
    def first(self) -> str | None:
        """A name that is allowed. None: nothing is asked for, or nothing is left."""
        return min((self.include or frozenset()) - self.exclude, default=None)

    @property
    def empty(self) -> bool:
        return self.include is not None and not self.include - self.exclude


@dataclass(frozen=True, slots=True)
class Goods:
    """Units that the cart has to hold: so many of what a selector picks, worth at least an amount."""

    selector: Selector
    units: int = 1
    worth_minor: int = 0
    different: bool = False
    """All of different products."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two demands that no cart meets."""

    what: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Facts that a cart has to have. What can't be said so is left out: what is here is necessary."""

    names: Mapping[str, Names] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    attributes: Mapping[tuple[str, str], object] = field(default_factory=dict)
    """The value of an attribute by its owner and name."""
    member: bool = False
    codes: frozenset[str] = frozenset()
    vouchers: frozenset[str] = frozenset()
    spends: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What was spent before, by brand and period."""
    goods: tuple[Goods, ...] = ()

    def with_names(self, fact: str, include: Iterable[str], exclude: Iterable[str] = ()) -> "Wish":
        wanted = [name.casefold() for name in include]
        names = Names(frozenset(wanted) or None, frozenset(name.casefold() for name in exclude))
        return replace(self, names={**self.names, fact: self.names.get(fact, Names()).narrowed(names)})

    def with_range(self, fact: str, least: int | None, most: int | None) -> "Wish":
        before = self.ranges.get(fact, (None, None))
        return replace(self, ranges={**self.ranges, fact: _narrowed(before, (least, most))})

    def merged(self, other: "Wish") -> "Wish":
        """Both wishes at once."""
        names = dict(self.names)
        for fact, wanted in other.names.items():
            names[fact] = names.get(fact, Names()).narrowed(wanted)
        ranges = dict(self.ranges)
        for fact, limits in other.ranges.items():
            ranges[fact] = _narrowed(ranges.get(fact, (None, None)), limits)
        return Wish(
            names,
            ranges,
            {**self.attributes, **other.attributes},
            self.member or other.member,
            self.codes | other.codes,
            self.vouchers | other.vouchers,
            {**self.spends, **other.spends},
            _joined(self.goods, other.goods),
        )

    def contradiction(self) -> Contradiction | None:
        """What of it no cart can meet."""
        for fact, names in self.names.items():
            if names.empty:
                return Contradiction(f"no {fact} is left of those that it asks for")
        for fact, (least, most) in self.ranges.items():
            if least is not None and most is not None and least > most:
                shown = "number of units" if fact.startswith("units:") else fact
                return Contradiction(f"it asks for a {shown} of at least {least} and at most {most}")
        return None


def _narrowed(one: Range, other: Range) -> Range:
    least = [end for end in (one[0], other[0]) if end is not None]
    most = [end for end in (one[1], other[1]) if end is not None]
    return (max(least) if least else None, min(most) if most else None)


def _joined(one: tuple[Goods, ...], other: tuple[Goods, ...]) -> tuple[Goods, ...]:
    """Goods of both, those that are the same once."""
    return (*one, *(goods for goods in other if goods not in one))


def units_key(selector: Selector) -> str:
    """The name of the range that counts what a selector picks."""
    return f"units:{selector.SerializeToString(deterministic=True).hex()}"
