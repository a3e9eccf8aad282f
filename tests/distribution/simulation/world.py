"""Time, chance and what goes wrong, all from one seed."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass


class Violation(AssertionError):
    """Something happened that must never happen."""


@dataclass(frozen=True)
class Troubles:
    """How often things go wrong, as chances per occasion."""

    cut: float = 0.02
    """A frame or an answer doesn't arrive, and the stream ends with it."""
    lost: float = 0.0
    """It doesn't arrive, and the stream goes on; no transport of ours does that."""
    doubled: float = 0.0
    swapped: float = 0.0
    disk_fails: float = 0.05
    compile_fails: float = 0.02
    slow_disk: float = 0.1

    @property
    def orderly(self) -> bool:
        """Whether what arrives, arrives in order."""
        return not (self.lost or self.doubled or self.swapped)


class World:
    """A clock, and what is to happen when."""

    def __init__(self, seed: int, troubles: Troubles) -> None:
        self.draws = random.Random(seed)
        self.troubles = troubles
        self.now = 0.0
        """Simulated monotonic seconds."""
        self.offset = 1_800_000_000.0
        """What the server's clock adds to that to get Unix time; it jumps."""
        self._numbers = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []

    @property
    def unix(self) -> float:
        return self.now + self.offset

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Puts something on the agenda."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._numbers), do))

    def run(self, until: float) -> None:
        """Lets happen what happens until then."""
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, do = heapq.heappop(self._agenda)
            do()
        self.now = until

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.draws.random() < probability

    def delay(self) -> float:
        return self.draws.uniform(0.001, 0.1)


class Pipe:
    """One direction of a stream."""

    def __init__(self, world: World, deliver: Callable[[bytes], None], cut: Callable[[], None]) -> None:
        self._world = world
        self._deliver = deliver
        self._cut = cut
        self._last = 0.0
        self.open = True

    def send(self, data: bytes) -> None:
        world, troubles = self._world, self._world.troubles
        if not self.open or world.chance(troubles.lost):
            return
        if world.chance(troubles.cut):
            self.open = False
            world.after(world.delay(), self._cut)
            return
        # In order, unless the world swaps.
        at = world.now + world.delay()
        self._last = at if world.chance(troubles.swapped) else max(at, self._last)
        for _ in range(2 if world.chance(troubles.doubled) else 1):
            world.after(self._last - world.now, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        if self.open:
            self._deliver(data)
