"""Small drawing words for the generator."""

import random
from collections.abc import Sequence
from typing import TypeVar

from dealwright.v1.money_pb2 import Money

T = TypeVar("T")

CURRENCY = "IDR"
OTHER_CURRENCY = "USD"


class Chance:
    """Draws for one case: the same ones for the same seed and number, on every machine."""

    def __init__(self, seed: int, number: int) -> None:
        self._random = random.Random(f"{seed}/{number}")

    def one_in(self, times: int) -> bool:
        """Yes about once in so many times."""
        return self._random.randrange(times) == 0

    def of(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def some(self, choices: Sequence[T], most: int = 2) -> list[T]:
        """One to so many different ones."""
        return self._random.sample(choices, self.number(1, min(most, len(choices))))

    def price(self) -> int:
        return (
            self.of([100, 1000, 333, 999, 500, 250, 1, 10]) if not self.one_in(12) else self.of([0, 7, 12345])
        )

    def amounts(self, choices: Sequence[int]) -> list[Money]:
        """An amount in the cart's currency, now and then in others too, or in others alone."""
        given = [Money(currency_code=CURRENCY, minor=self.of(choices))]
        if self.one_in(20):
            given.insert(0, Money(currency_code=OTHER_CURRENCY, minor=5))
        if self.one_in(40):
            given = [Money(currency_code=OTHER_CURRENCY, minor=5)]
        return given
