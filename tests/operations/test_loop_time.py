"""How much of a processor the event loop takes, as metrics tell it."""

import asyncio
import time

from server.runtime.app import Application
from server.runtime.loop_time import LoopTime
from server.runtime.metrics import Metrics

NAME = "dealwright_event_loop_seconds_total"
WAIT_SECONDS = 60


def told(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value(NAME) or 0.0


async def test_what_the_event_loop_takes_is_counted_from_the_first_look_on() -> None:
    metrics = Metrics()
    loop_time = LoopTime(metrics.loop_seconds)
    await loop_time.look()
    first = told(metrics)
    begin = time.thread_time()
    while time.thread_time() < begin + 0.05:
        pass
    await loop_time.look()

    assert first == 0
    assert 0.05 <= told(metrics) < 1


async def test_a_server_looks_again_and_again(application: Application) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not told(application.metrics):
            await asyncio.sleep(0.01)
