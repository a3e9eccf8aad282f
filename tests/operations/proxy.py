"""A network that can be cut and held, between a program and what it calls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import Engine, make_url

from server.db.engine import connect

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Proxy:
    """Carries bytes between its port and what lies behind, unless it is told otherwise."""

    def __init__(self, connect: Connect) -> None:
        self.port = 0
        self.refused = 0
        """How many connections were refused."""
        self._connect = connect
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connected = True
        self._refusals = 0
        self._open: set[asyncio.StreamWriter] = set()

    def hold(self) -> None:
        """Connections stay open, and nothing comes through."""
        self._flowing.clear()

    def cut(self) -> None:
        """Every connection ends, and no other is made."""
        self._connected = False
        self._end()

    def reset(self, refusals: int) -> None:
        """Every connection ends, and so many new ones too at once, as when a process was killed."""
        self._refusals = refusals
        self._end()

    def mend(self) -> None:
        """As at first; connections that were held end."""
        self._connected = True
        self._end()
        self._flowing.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if not self._connected or self._refusals:
            self._refusals = max(self._refusals - 1, 0)
            self.refused += 1
            writer.close()
            return
        await self._flowing.wait()
        there, answers = await self._connect()
        self._open |= {writer, answers}
        try:
            await asyncio.gather(self._carry(reader, answers), self._carry(there, writer))
        finally:
            self._open -= {writer, answers}

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        target.close()

    def _end(self) -> None:
        for writer in self._open:
            writer.transport.abort()


@asynccontextmanager
async def proxy_to(connect: Connect) -> AsyncIterator[Proxy]:
    """A proxy to wherever `connect` leads, for as long as it is needed."""
    proxy = Proxy(connect)
    server = await asyncio.start_server(proxy.take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.mend()


@asynccontextmanager
async def database_through(url: str) -> AsyncIterator[tuple[Engine, Proxy]]:
    """A database over a network that can be disturbed."""
    there = make_url(url)
    folder = there.query.get("host")

    async def reach() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if folder is not None:
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{there.port or 5432}")
        return await asyncio.open_connection(there.host, there.port or 5432)

    async with proxy_to(reach) as network:
        through = there.set(host="127.0.0.1", port=network.port).difference_update_query(["host"])
        engine = connect(through.render_as_string(hide_password=False))
        yield engine, network
        network.mend()
        engine.dispose()
