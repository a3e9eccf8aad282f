"""Before every gRPC call: who is it, and may they? Each method is wrapped once, when it is registered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from dealwright.v1.evaluation_service_pb2 import (
    CompareRequest,
    EvaluateRequest,
    ExplainRequest,
    RefundRequest,
    ReplayRequest,
)
from google.protobuf.message import DecodeError, Message

from server.access.grants import Grant, Grants
from server.access.rules import RULES, Rule, require_role
from server.actors import Actor
from server.runtime.calls import UseCase, request_type
from server.runtime.errors import Denied, Invalid, Unauthenticated
from server.runtime.handlers import wrapped
from server.runtime.origin import current
from server.runtime.throttles import Throttles, network_of_peer

if TYPE_CHECKING:
    from server.runtime.handlers import Handler
    from server.runtime.intake import Intake
    from server.runtime.observation import ObservedServer

SCHEME = "Bearer "

_STORE: dict[str, Callable[[bytes], str]] = {
    "Evaluate": lambda request: EvaluateRequest.FromString(request).cart.store_id,
    "Explain": lambda request: ExplainRequest.FromString(request).cart.store_id,
    "Replay": lambda request: ReplayRequest.FromString(request).request.cart.store_id,
    "Compare": lambda request: CompareRequest.FromString(request).request.cart.store_id,
    "Refund": lambda request: RefundRequest.FromString(request).sale.request.cart.store_id,
}
"""The store that a pricing request is about, by method."""

_grant: ContextVar[Grant] = ContextVar("grant")


def actor_of(context: grpc.aio.ServicerContext[Any, Any]) -> Actor:
    """Who makes the call that is being answered."""
    return _grant.get().actor(f"gRPC {context.peer()}")


def register(server: GuardedServer, methods: Mapping[str, UseCase], intake: Intake) -> list[str]:
    """Adds methods of the schema that ask the database to a server, and returns their services' names."""
    by_service: dict[str, dict[str, Handler]] = defaultdict(dict)
    for method, use_case in methods.items():
        if not method.startswith("/"):
            continue
        service, _, name = method.lstrip("/").partition("/")
        by_service[service][name] = _handler(method, use_case, intake)
    for service, handlers in by_service.items():
        server.add_registered_method_handlers(service, handlers)
    return list(by_service)


def _handler(method: str, use_case: UseCase, intake: Intake) -> Handler:
    """Runs a use case in a thread, since it waits for the database."""

    message_type = request_type(method)

    async def call(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        intake.take(context)
        try:
            message = message_type.FromString(request)
        except DecodeError as error:
            # gRPC itself would answer UNKNOWN, with the library's own words.
            raise Invalid("NOT_A_MESSAGE", "the bytes are no request") from error
        return await asyncio.to_thread(use_case, actor_of(context), message)

    return grpc.unary_unary_rpc_method_handler(
        call,
        response_serializer=lambda response: response.SerializeToString(),
    )


class GuardedServer:
    """A gRPC server as services see it when they register: nobody gets past who may not.

    `open_pricing` lets carts be priced without a token; `served_company` is whose promotions are priced with.
    """

    def __init__(
        self,
        server: ObservedServer,
        grants: Grants,
        *,
        open_pricing: bool,
        served_company: Callable[[], str | None],
        throttles: Throttles,
    ) -> None:
        self._server = server
        self._grants = grants
        self._open_pricing = open_pricing
        self._served_company = served_company
        self._throttles = throttles

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        guarded = {name: self._guard(handler, f"/{service}/{name}") for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, guarded)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Generated code offers every method this way too; the registered ones are enough."""

    def _guard(self, handler: Handler, method: str) -> Handler:
        rule = RULES.get(method, Rule())
        if rule.public:
            return handler
        if rule.pricing and self._open_pricing:
            return wrapped(handler, self._price_for_anybody)
        wrap = self._price if rule.pricing else self._call
        return wrapped(handler, lambda behaviour: wrap(behaviour, method))

    def _call(self, behaviour: Any, method: str) -> Any:
        def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            _grant.set(self._admit(context, method))
            return behaviour(request, context)

        return call

    def _price(self, behaviour: Any, method: str) -> Any:
        store_of = _STORE[method.rpartition("/")[2]]

        def call(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            grant = self._admit(context, method)
            served = self._served_company()
            if served is not None and grant.company_id != served:
                raise Denied("OTHER_COMPANY", "the token is of another company than the one served here")
            if grant.store_ids:
                _require_store(grant, store_of, request)
            return behaviour(request, context)

        return call

    def _price_for_anybody(self, behaviour: Any) -> Any:
        throttle = self._throttles.grpc

        def call(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            throttle.take(network_of_peer(context.peer()))
            return behaviour(request, context)

        return call

    def _admit(self, context: grpc.aio.ServicerContext[Any, Any], method: str) -> Grant:
        try:
            grant = self._grants.grant(_token())
        except Unauthenticated:
            self._throttles.strangers.take(network_of_peer(context.peer()))
            raise
        self._throttles.grpc.take(grant.token_id)
        require_role(method, grant.roles)
        return grant


def _token() -> str:
    origin = current()
    if origin is not None and origin.authorization is not None and origin.authorization.startswith(SCHEME):
        return origin.authorization[len(SCHEME) :]
    raise Unauthenticated("TOKEN_REQUIRED", "send a token as metadata `authorization: Bearer TOKEN`")


def _require_store(grant: Grant, store_of: Callable[[bytes], str], request: bytes) -> None:
    """A token for some stores prices their carts alone."""
    try:
        store_id = store_of(request)
    except DecodeError as error:
        # Not left to the engine: what only it can read would get past this check.
        raise Invalid("NOT_A_MESSAGE", "the bytes are no request") from error
    if store_id not in grant.store_ids:
        raise Denied(
            "OTHER_STORE",
            f"the token is for other stores than {store_id}"
            if store_id
            else "the cart has to name its store",
            store_id=store_id,
        )
