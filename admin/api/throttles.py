"""How often somebody may call in an hour. It is counted in this process: several of them allow several
times as much.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from server.actors import Actor
from server.runtime.errors import TooMany
from server.runtime.settings import Settings

HOUR_SECONDS = 3600.0

SYNC = "/api/v1/sync/"

FULL_AT_ONCE = 10_000
"""How many callers are remembered before those are forgotten who have all of their calls again."""


@dataclass(slots=True)
class Throttle:
    """A number of calls in an hour for each caller: all of them at once, or one after another."""

    calls_per_hour: int
    """0: no bound."""
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    """How many calls a caller had left, and when."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, caller: str) -> None:
        """Counts a call, or refuses it and says when there is room again."""
        if not self.calls_per_hour:
            return
        with self._lock:
            now = self.clock()
            left = self._left_now(caller, now)
            if left < 1:
                seconds = math.ceil((1 - left) * HOUR_SECONDS / self.calls_per_hour)
                raise TooMany(
                    "TOO_MANY_CALLS",
                    f"a caller has {self.calls_per_hour} such calls an hour; try again in {seconds} seconds",
                    retry_seconds=seconds,
                )
            if len(self._left) >= FULL_AT_ONCE:
                self._forget(now)
            self._left[caller] = (left - 1, now)

    def _left_now(self, caller: str, now: float) -> float:
        left, then = self._left.get(caller, (self.calls_per_hour, now))
        return min(self.calls_per_hour, left + (now - then) * self.calls_per_hour / HOUR_SECONDS)

    def _forget(self, now: float) -> None:
        for caller in list(self._left):
            if self._left_now(caller, now) >= self.calls_per_hour:
                del self._left[caller]


@dataclass(frozen=True, slots=True)
class Throttles:
    """The bounds of the API."""

    sync: Throttle = field(default_factory=lambda: Throttle(0))
    others: Throttle = field(default_factory=lambda: Throttle(0))

    @classmethod
    def of(cls, settings: Settings) -> "Throttles":
        return cls(Throttle(settings.sync_calls_per_hour), Throttle(settings.api_calls_per_hour))

    def take(self, path: str, actor: Actor) -> None:
        """Counts a call of somebody. Where nobody has to say who they are, nobody is counted."""
        if actor.token_id:
            (self.sync if path.startswith(SYNC) else self.others).take(actor.token_id)
