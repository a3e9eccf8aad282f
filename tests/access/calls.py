"""Calls with and without tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc.aio
from dealwright.v1.check_service_pb2_grpc import CheckServiceStub
from dealwright.v1.definition_service_pb2_grpc import DefinitionServiceStub
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from sqlalchemy import Engine

from server.access.service import Access
from server.actors import Actor, Role
from server.definitions.service import Definitions
from server.runtime.app import Application
from server.runtime.errors import STATUS_DETAILS_KEY
from server.runtime.settings import Address, Settings
from tests.evaluation.requests import BareMethod

CALL_SECONDS = 20.0

PEPPER = "5a" * 32

SETTINGS = Settings(
    grpc_address=Address("127.0.0.1", 0),
    metrics_address=Address("127.0.0.1", 0),
    refresh_seconds=0.05,
    drain_seconds=5,
    pepper=PEPPER,
)


def owner(company_id: str = "kopi") -> Actor:
    """Whoever sits at the machine that has the database."""
    return Actor("root", company_id, frozenset({Role.ADMIN}), "here")


def token_for(
    engine: Engine, name: str, *roles: Role, company_id: str = "kopi", store_ids: tuple[str, ...] = ()
) -> str:
    """A new token."""
    Definitions(engine).create_company(owner(company_id))
    return Access(engine).create(owner(company_id), name, roles, store_ids)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def serving(engine: Engine, **changes: Any) -> AsyncIterator[tuple[Application, grpc.aio.Channel]]:
    """A server on the database, and a client's channel to it."""
    application = Application(replace(SETTINGS, **changes), engine)
    await application.start()
    try:
        async with grpc.aio.insecure_channel(str(application.grpc_address)) as channel:
            yield application, channel
    finally:
        await application.stop()


async def ask(channel: grpc.aio.Channel, method: str, request: bytes, **how: Any) -> bytes:
    """A call with bytes as they are."""
    bare: BareMethod = channel.unary_unary(method)
    answer: bytes = await bare(request, timeout=CALL_SECONDS, **how)
    return answer


def reason(error: grpc.aio.AioRpcError) -> str:
    """The stable reason of a refused call."""
    encoded = dict(error.trailing_metadata() or ())[STATUS_DETAILS_KEY]
    info = ErrorInfo()
    for detail in Status.FromString(encoded).details:
        detail.Unpack(info)
    return str(info.reason)


class Caller:
    """Calls the methods of DefinitionService and CheckService with a token."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stubs: list[Any] = [DefinitionServiceStub(channel), CheckServiceStub(channel)]
        self._metadata = bearer(token)

    async def __call__(self, method: str, request: Message) -> Any:
        stub = next(stub for stub in self._stubs if hasattr(stub, method))
        return await getattr(stub, method)(request, metadata=self._metadata, timeout=CALL_SECONDS)
