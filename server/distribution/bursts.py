"""Many publications within a moment are two for tills: the first at once, the last when they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

QUIET_SECONDS = 0.05
"""A burst is over when nothing has happened for so long."""

LONGEST_SECONDS = 0.5
"""What happens again and again is told this often."""


class Bursts:
    """Does something when it is said to have happened: the first time at once, then once for several times.

    Belongs to an event loop.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._untold = False

    def happened(self) -> None:
        if self._timer is None:
            self._tell()
            return
        self._untold = True
        self._timer.cancel()
        loop = asyncio.get_running_loop()
        at = min(loop.time() + QUIET_SECONDS, self._told_at + LONGEST_SECONDS)
        self._timer = loop.call_at(at, self._over)

    def _tell(self) -> None:
        self._untold = False
        self._do()
        loop = asyncio.get_running_loop()
        self._told_at = loop.time()
        self._timer = loop.call_later(QUIET_SECONDS, self._over)

    def _over(self) -> None:
        self._timer = None
        if self._untold:
            self._tell()
