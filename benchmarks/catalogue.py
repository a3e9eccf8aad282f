"""A catalogue of promotions and carts of any size, the same at every run, in plain Python.

A promotion takes a share or an amount off for one category (70 %) or product (30 %), in ten of a hundred
stores (70 %) or in all, inside a daily window (50 %) or always, for some member tiers, from a minimum
purchase.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

SEED = 20261121
CATEGORIES, PRODUCTS, STORES = 200, 10_000, 100
TIERS = ("none", "silver", "gold", "platinum")
DAY_HOURS = 24
NO_TARGET = "cat-of-no-cart"


@dataclass(frozen=True)
class Rule:
    """A promotion as a peer would keep it."""

    id: str
    percent: bool
    value: int
    minimum: int
    target: str
    stores: frozenset[str]
    hours: range
    tiers: frozenset[str]

    def amount(self, subtotal: int) -> int:
        return subtotal * self.value // 100 if self.percent else min(self.value, subtotal)

    def document(self) -> dict[str, Any]:
        """The same as JSON, for a peer in another process."""
        return {
            "id": self.id,
            "percent": self.percent,
            "value": self.value,
            "minimum": self.minimum,
            "target": self.target,
            "stores": sorted(self.stores),
            "start": self.hours.start,
            "stop": self.hours.stop,
            "tiers": sorted(self.tiers),
        }


@dataclass(frozen=True)
class Bill:
    """A cart as a peer would keep it."""

    store: str
    hour: int
    tier: str
    lines: tuple[tuple[str, str, int, int], ...]
    """Product, category, quantity, unit price."""

    def document(self) -> dict[str, Any]:
        """The same as JSON, for a peer in another process."""
        return {"store": self.store, "hour": self.hour, "tier": self.tier, "lines": self.lines}


@cache
def rules(count: int) -> tuple[Rule, ...]:
    """The first so many rules of the catalogue."""
    chance = random.Random(SEED)
    return tuple(_rule(chance, f"P{number}", "") for number in range(count))


@cache
def rules_of_no_cart(count: int) -> tuple[Rule, ...]:
    """Rules that differ from those of the catalogue in their target alone, which no cart has."""
    chance = random.Random(SEED)
    return tuple(_rule(chance, f"C{number}", NO_TARGET) for number in range(count))


def _rule(chance: random.Random, name: str, target: str) -> Rule:
    by_category = chance.random() < 0.7
    own = f"c{chance.randrange(CATEGORIES)}" if by_category else f"p{chance.randrange(PRODUCTS)}"
    everywhere = chance.random() < 0.3
    stores = frozenset() if everywhere else frozenset(f"s{n}" for n in chance.sample(range(STORES), 10))
    start = 0 if chance.random() < 0.5 else chance.randrange(0, 18)
    hours = range(DAY_HOURS) if start == 0 else range(start, start + chance.randrange(4, 7))
    tiers = frozenset(tier for tier in TIERS if chance.random() < 0.55) or frozenset({chance.choice(TIERS)})
    percent = chance.random() < 0.5
    value = chance.randrange(5, 51) if percent else chance.randrange(100, 3001)
    minimum = chance.choice((0, 1000, 2500, 5000, 10000))
    return Rule(name, percent, value, minimum, target or own, stores, hours, tiers)


def bills(count: int, lines: int, *, quantity: int | None = None) -> list[Bill]:
    """Different carts of so many lines; of one to three units each unless a quantity is given."""
    chance = random.Random(SEED + lines)
    return [_bill(chance, lines, quantity) for _ in range(count)]


def _bill(chance: random.Random, lines: int, quantity: int | None) -> Bill:
    def line(product: int) -> tuple[str, str, int, int]:
        units = chance.randrange(1, 4)
        return f"p{product}", f"c{product % CATEGORIES}", quantity or units, chance.randrange(199, 4999)

    listed = tuple(line(product) for product in chance.sample(range(PRODUCTS), lines))
    return Bill(f"s{chance.randrange(STORES)}", chance.randrange(DAY_HOURS), chance.choice(TIERS), listed)
