"""Ratios: what is promised about speed, and what the regression guard watches.

A ratio compares two costs of one run, so that it means the same on every machine. Smaller is always better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.markdown import table
from benchmarks.timing import Contender, measure

SECONDS = 4.0
"""How long the rounds of one ratio go on."""


@dataclass(frozen=True)
class Measured:
    """Two costs of one run."""

    cost: float
    beside: float

    @property
    def ratio(self) -> float:
        return self.cost / self.beside


@dataclass(frozen=True)
class Ratio:
    """A cost divided by another that it is measured beside."""

    name: str
    measure: Callable[[], Measured]
    wanted: float | None = None
    """The most that it should be; None where nothing is promised."""


def of_medians(cost: Callable[[], Contender], beside: Callable[[], Contender]) -> Callable[[], Measured]:
    """Compares the medians of two contenders."""

    def medians() -> Measured:
        first, second = measure([cost(), beside()], SECONDS)
        return Measured(first.p50, second.p50)

    return medians


def ratio_table(ratios: Iterable[Ratio]) -> str:
    """Measures the ratios and says which reach what is wanted."""
    return table(
        ("ratio", "cost", "beside", "ratio", "wanted at most", "reached"),
        [_row(ratio, ratio.measure()) for ratio in ratios],
    )


def _row(ratio: Ratio, measured: Measured) -> tuple[str | float, ...]:
    costs = (ratio.name, measured.cost, measured.beside, measured.ratio)
    if ratio.wanted is None:
        return (*costs, "", "")
    return (*costs, ratio.wanted, "yes" if measured.ratio <= ratio.wanted else "no")
