"""Hearing what other processes tell through the database: a hint, which may be missed at any time."""

import asyncio
import random
from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import Engine

from server.db.engine import CONNECT_SECONDS

log = structlog.get_logger()

RETRY_SECONDS = 2.0
"""How long a lost connection stays so at least; half as long again at most, so that not all come at once."""

KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""How a connection that was cut without a word is noticed, in seconds and numbers."""


async def listen(
    engine: Engine, channel: str, heard: Callable[[], None], told: Callable[[bool], None]
) -> None:
    """Calls `heard` for everything that is notified on a channel, until cancelled.

    It has a connection of its own and makes a new one when it is lost. `heard` is called then too, since what
    was notified meanwhile is gone; `told` is called with whether there is a connection.
    """
    failing = False
    while True:
        try:
            async with await _connection(engine) as connection:
                await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
                if failing:
                    log.info("listening_recovered")
                failing = False
                told(True)
                heard()
                async for _ in connection.notifies():
                    heard()
        except psycopg.Error as error:
            told(False)
            if not failing:
                log.warning("listening_failed", error=type(error).__name__)
            failing = True
        await asyncio.sleep(RETRY_SECONDS * random.uniform(1, 1.5))


async def _connection(engine: Engine) -> psycopg.AsyncConnection[tuple[object, ...]]:
    _, named = engine.dialect.create_connect_args(engine.url)
    given = {"connect_timeout": CONNECT_SECONDS, "application_name": "dealwright listening", **KEEPALIVES}
    return await psycopg.AsyncConnection.connect(**{**named, **given}, autocommit=True)
