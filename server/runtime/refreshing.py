"""Asking the database again and again for what a server holds in memory."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable

CANCEL_SECONDS = 0.1
"""How long a task may take to end before it is cancelled again."""

JITTER = 0.3
"""Share by which each wait differs, so that many servers don't ask the database at the same moment."""


async def keep_fresh(
    refresh: Callable[[], Awaitable[None]], seconds: float, hint: asyncio.Event | None = None
) -> None:
    """Refreshes about every so many seconds, and at once when there is a hint, until cancelled."""
    hinted = hint or asyncio.Event()
    while True:
        # What is hinted from here on may not be seen any more, and is looked for again.
        hinted.clear()
        await refresh()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds * random.uniform(1 - JITTER, 1 + JITTER)):
                await hinted.wait()


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks until they have ended.

    Once isn't enough: Python 3.11 loses a cancellation that meets the event that `wait_for` waits for, and
    libraries use that.
    """
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_SECONDS)
