"""How much of a processor the event loop takes. It is one thread: calls wait when it takes all of one."""

import time

from prometheus_client import Counter

LOOP_SECONDS = 1.0


class LoopTime:
    """Looks at the clock of the thread in which the event loop runs, from within it."""

    def __init__(self, seconds: Counter) -> None:
        self._seconds = seconds
        self._before: float | None = None

    async def look(self) -> None:
        now = time.thread_time()
        if self._before is not None:
            self._seconds.inc(now - self._before)
        self._before = now
