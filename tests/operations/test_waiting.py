"""What a server that has nothing to do waits for."""

import asyncio

from server.runtime.app import Application


def waiting_for_calls() -> list[str]:
    """The tasks of grpc.aio that wait for a call, of which it looks at each one at each call."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("AioServer._request_")]


async def test_a_call_costs_the_same_however_many_methods_there_are(application: Application) -> None:
    await asyncio.sleep(0)

    assert len(waiting_for_calls()) == 1
