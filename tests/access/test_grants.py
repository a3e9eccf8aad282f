"""The tokens that a server holds in memory."""

import asyncio
import threading
from typing import Any

from sqlalchemy import Engine, event

from server.access.grants import Grants
from server.access.service import Access
from server.actors import Role
from tests.access.calls import token_for

WAIT_SECONDS = 60.0


async def test_a_slow_read_does_not_forget_what_a_later_one_found(database: Engine) -> None:
    token_for(database, "first", Role.DEVICE)
    grants = Grants(Access(database))
    has_read, may_go_on = threading.Event(), threading.Event()

    def dawdle(*_: Any) -> None:
        if not has_read.is_set():
            has_read.set()
            may_go_on.wait(WAIT_SECONDS)

    event.listen(database, "after_cursor_execute", dawdle)
    slow = asyncio.create_task(grants.refresh())
    assert await asyncio.to_thread(has_read.wait, WAIT_SECONDS)
    token = token_for(database, "second", Role.DEVICE)
    quick = asyncio.create_task(grants.refresh())
    # Time enough for a read that waits for nobody.
    await asyncio.wait([quick], timeout=0.5)
    may_go_on.set()
    await asyncio.gather(slow, quick)

    assert grants.grant(token).name == "second"
