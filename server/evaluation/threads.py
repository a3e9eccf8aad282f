"""The threads in which carts are priced that take long.

They aren't those that wait for the database: when that is slow, large carts are priced as before.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="engine")


async def in_engine_thread(act: Callable[..., T], *arguments: Any) -> T:
    """Runs something of the engine beside the event loop; what is cancelled before it begins never does."""
    return await asyncio.get_running_loop().run_in_executor(_threads, act, *arguments)
