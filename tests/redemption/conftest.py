"""A server with a till, and a look at the invariants after each test."""

from collections.abc import Awaitable, Callable, Iterator

import grpc.aio
import pytest
from dealwright.v1.promotion_pb2 import Promotion
from sqlalchemy import Engine

from server.actors import Role
from server.definitions.service import Definitions, Publication
from server.redemption import invariants
from server.runtime.app import Application
from tests.access.calls import token_for
from tests.redemption.shop import COMPANY, Till, settings

Publish = Callable[..., Awaitable[None]]


@pytest.fixture
def database(database: Engine) -> Iterator[Engine]:
    """The fresh database; whatever a test did to it, the invariants hold."""
    yield database
    assert list(map(str, invariants.check(database))) == []


@pytest.fixture
def token(database: Engine) -> str:
    """The token of a till, made before the server starts."""
    return token_for(database, "till", Role.DEVICE)


@pytest.fixture
def application(token: str, application: Application) -> Application:
    """The server, which knows the till."""
    return application


@pytest.fixture
def till(channel: grpc.aio.Channel, token: str) -> Till:
    """A till of the shop, which sells in all stores."""
    return Till(channel, token)


@pytest.fixture
def publish(application: Application, definitions: Definitions) -> Publish:
    """Publishes promotions in place of all others, and has the server serve them."""

    async def publish(*promotions: Promotion) -> None:
        definitions.publish(COMPANY, Publication(promotions, settings=settings()))
        await application.holder.refresh()

    return publish
