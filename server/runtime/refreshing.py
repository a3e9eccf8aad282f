"""Asking the database again and again for what a server holds in memory."""

import asyncio
import random
from collections.abc import Awaitable, Callable

JITTER = 0.3
"""Share by which each wait differs, so that many servers don't ask the database at the same moment."""


async def keep_fresh(refresh: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Refreshes about every so many seconds, until cancelled."""
    while True:
        await refresh()
        await asyncio.sleep(seconds * random.uniform(1 - JITTER, 1 + JITTER))
