"""The database is away for a while: tills don't notice, and have everything soon after it is back."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine

from server.actors import Role, local_actor
from server.definitions.service import Definitions
from server.distribution.keys import read_root_key
from server.distribution.operations import Operations
from tests.access.calls import serving, token_for
from tests.definitions.samples import percent_off
from tests.distribution.test_streams import publish
from tests.distribution.tills import WAIT_SECONDS, following
from tests.operations.proxy import database_through

ASKED_SECONDS = os.environ.get("DEALWRIGHT_AWAY_SECONDS")

AWAY_SECONDS = float(ASKED_SECONDS or "3")
"""How long it is away at least. `make soak-away SECONDS=300` takes minutes."""

CAUGHT_UP_SECONDS = 5.0 if ASKED_SECONDS else 60.0
"""How soon tills have everything; on a machine that runs other tests beside this one, it may take longer."""

LOOKS = 3
"""How often the server looks for its database in vain, at least."""

TILLS = 5


@pytest.mark.fault(
    "PostgreSQL away, with tills", "streams stay open, tills price, and have everything soon after it is back"
)
async def test_tills_do_not_notice_that_the_database_is_away(
    database_url: str, database: Engine, definitions: Definitions, keys_dir: Path
) -> None:
    publish(definitions, percent_off("ten", 10), percent_off("gone", 20))
    token, root_key = token_for(database, "till", Role.DEVICE), read_root_key(keys_dir)
    async with (
        database_through(database_url) as (engine, network),
        serving(engine, keys_dir=keys_dir) as (application, _),
        AsyncExitStack() as stack,
    ):
        address = str(application.grpc_address)
        tills = [
            await stack.enter_async_context(following(address, token, root_key, device_id=f"till-{number}"))
            for number in range(TILLS)
        ]
        for till in tills:
            await till.at(1)

        network.cut()
        await at_least(AWAY_SECONDS, lambda: network.refused >= LOOKS)
        meanwhile = [(till.follower.following, till.follower.revision) for till in tills]
        # Somebody who reaches the database goes on.
        await asyncio.to_thread(publish, definitions, percent_off("ten", 30))
        operations = Operations(database, definitions)
        await asyncio.to_thread(operations.kill, local_actor("kopi"), ["gone"], "a wrong price")

        network.mend()
        begin = time.monotonic()
        async with asyncio.timeout(CAUGHT_UP_SECONDS):
            for till in tills:
                await till.at(2)
                await till.until(lambda till: till.follower.killed == {"gone"})
        seconds = time.monotonic() - begin

    assert meanwhile == [(True, 1)] * TILLS
    assert [till.frames.count("welcome") for till in tills] == [1] * TILLS
    assert [(till.errors, till.goodbyes) for till in tills] == [([], [])] * TILLS
    print(f"{TILLS} tills had everything {seconds:.1f} s after the database was back")


async def at_least(seconds: float, holds: Callable[[], bool]) -> None:
    """Waits so long, and until something holds."""
    await asyncio.sleep(seconds)
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.05)
