"""The API as its callers have it: a real server beside the gRPC one, and a client over HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from sqlalchemy import Engine

from admin.api.callers import Callers
from admin.api.server import AdminServer
from server.access import passwords
from server.access.grants import Grants
from server.access.service import Access
from server.access.sessions import Sessions
from server.answers.service import Answers
from server.methods import methods
from server.runtime.metrics import Metrics
from server.runtime.settings import Address, Settings
from tests.access.calls import token_for
from tests.api.people import PEOPLE, People

CALL_SECONDS = 20.0


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing: what a real one is worth is asked in tests/access."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    monkeypatch.setattr(passwords, "_nobodys", lambda: hasher.hash("the password of nobody"))


@pytest_asyncio.fixture
async def api(database: Engine) -> AsyncIterator[People]:
    """A server of the API on a fresh database, and somebody with each role who calls it."""
    tokens = {name: token_for(database, name, role) for name, role in PEOPLE.items()}
    grants, metrics = Grants(Access(database)), Metrics()
    await grants.refresh()
    settings = Settings(admin_address=Address("127.0.0.1", 0), drain_seconds=5)
    server = AdminServer(
        settings,
        methods(database, settings, metrics),
        Callers(grants, Sessions(database)),
        Answers(database),
        metrics,
    )
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{server.address}", timeout=CALL_SECONDS) as client:
            yield People(client, tokens, metrics, grants)
    finally:
        await server.stop()
