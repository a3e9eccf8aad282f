"""Asking the database again and again for what a server holds in memory."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

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
            await asyncio.wait_for(hinted.wait(), seconds * random.uniform(1 - JITTER, 1 + JITTER))
