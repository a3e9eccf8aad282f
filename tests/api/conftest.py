"""The API as its callers have it: a real server beside the gRPC one, and a client over HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from sqlalchemy import Engine

from admin.api.server import AdminServer
from server.access.grants import Grants
from server.access.service import Access
from server.answers.service import Answers
from server.methods import methods
from server.runtime.metrics import Metrics
from server.runtime.settings import Address, Settings
from tests.access.calls import token_for
from tests.api.people import PEOPLE, People

CALL_SECONDS = 20.0


@pytest_asyncio.fixture
async def api(database: Engine) -> AsyncIterator[People]:
    """A server of the API on a fresh database, and somebody with each role who calls it."""
    tokens = {name: token_for(database, name, role) for name, role in PEOPLE.items()}
    grants, metrics = Grants(Access(database)), Metrics()
    await grants.refresh()
    settings = Settings(admin_address=Address("127.0.0.1", 0), drain_seconds=5)
    server = AdminServer(settings, methods(database, settings, metrics), grants, Answers(database), metrics)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=CALL_SECONDS) as client:
            yield People(client, tokens, metrics, grants)
    finally:
        await server.stop()
