"""Small drawing words for the strategies. The simplest comes first: failing cases shrink towards it."""

from collections.abc import Sequence
from typing import TypeVar

from dealwright.v1.money_pb2 import Money
from hypothesis import strategies as st

T = TypeVar("T")

CURRENCY = "IDR"
OTHER_CURRENCY = "USD"


class Chance:
    """Draws for one case."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def one_in(self, times: int) -> bool:
        """Yes about once in so many times."""
        return self._draw(st.integers(0, times - 1)) == times - 1

    def of(self, choices: Sequence[T]) -> T:
        return self._draw(st.sampled_from(choices))

    def number(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))

    def some(self, choices: Sequence[T], most: int = 2) -> list[T]:
        """One to so many different ones."""
        return self._draw(st.lists(st.sampled_from(choices), min_size=1, max_size=most, unique=True))

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
