"""Measuring on a machine that others use at the same time.

Everything that is compared takes turns in one run, each turn long enough to warm the caches that others left
cold. Each input is timed alone, many times, and its shortest time counts: other work can only ever add.
Medians and percentiles are then taken over different inputs, so that they tell how inputs differ and not how
busy the machine was.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

ROUNDS_MIN, ROUNDS_MAX = 5, 400
TURN_SECONDS = 0.02
"""How long a contender goes on in one round; what takes longer takes its inputs once."""
P99_INPUTS_MIN = 50
"""With fewer inputs a 99th percentile says nothing."""


class Contender(Protocol):
    """Something that is timed on a number of inputs."""

    def round(self) -> Sequence[float]:
        """Microseconds for each input, each taken once, in order."""
        ...


@dataclass(frozen=True)
class Calls:
    """A function of this process."""

    call: Callable[[Any], object]
    inputs: Sequence[object]
    repeat: int = 1
    """Calls in a row to one reading of the clock; more than one for what takes under a microsecond."""

    def round(self) -> list[float]:
        clock, call, times, spent = time.perf_counter_ns, self.call, range(self.repeat), []
        for given in self.inputs:
            begin = clock()
            for _ in times:
                call(given)
            spent.append((clock() - begin) / self.repeat / 1e3)
        return spent


@dataclass(frozen=True)
class Times:
    """The shortest time of each input, in microseconds."""

    shortest: Sequence[float]

    @property
    def p50(self) -> float:
        return self._percentile(0.5)

    @property
    def p99(self) -> float:
        return self._percentile(0.99)

    @property
    def max(self) -> float:
        return max(self.shortest)

    @property
    def has_p99(self) -> bool:
        return len(self.shortest) >= P99_INPUTS_MIN

    def _percentile(self, share: float) -> float:
        return sorted(self.shortest)[math.ceil(share * len(self.shortest)) - 1]


def measure(contenders: Sequence[Contender], seconds: float) -> list[Times]:
    """The contenders' times, in turns, for about so many seconds."""
    with _collector_paused():
        deadline = time.monotonic() + seconds
        shortest = [_turn(contender) for contender in contenders]
        done = 1
        while done < ROUNDS_MIN or (done < ROUNDS_MAX and time.monotonic() < deadline):
            shortest = [
                _shorter(before, _turn(contender))
                for before, contender in zip(shortest, contenders, strict=True)
            ]
            done += 1
    return [Times(times) for times in shortest]


def _turn(contender: Contender) -> Sequence[float]:
    end = time.monotonic() + TURN_SECONDS
    shortest = contender.round()
    while time.monotonic() < end:
        shortest = _shorter(shortest, contender.round())
    return shortest


def _shorter(before: Sequence[float], now: Sequence[float]) -> list[float]:
    return [min(pair) for pair in zip(before, now, strict=True)]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Python's garbage collector would charge one input for what all left behind."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
