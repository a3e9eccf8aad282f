"""What of RedemptionService prices carts, over gRPC; the rest is among all methods (server/methods.py).

Answers are bytes, so that one that is sent again is the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from dealwright.v1 import redemption_service_pb2 as schema

from server.access.rpc import actor_of
from server.actors import Actor
from server.redemption.service import Redemptions

if TYPE_CHECKING:
    from server.access.rpc import GuardedServer
    from server.runtime.intake import Room

_SERVICE = schema.DESCRIPTOR.services_by_name["RedemptionService"]
SERVICE = _SERVICE.full_name

UseCase = Callable[[Actor, Any], Awaitable[bytes]]


def register(server: GuardedServer, redemptions: Redemptions, room: Room) -> None:
    """Adds the service to a server."""
    use_cases: dict[str, UseCase] = {
        "Reserve": redemptions.reserve,
        "Commit": redemptions.commit,
        "Redeem": redemptions.redeem,
        "Return": redemptions.take_back,
        "GetLimitState": redemptions.limit_state,
    }
    server.add_registered_method_handlers(
        SERVICE, {name: _handler(name, use_case, room) for name, use_case in use_cases.items()}
    )


def _handler(name: str, use_case: UseCase, room: Room) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await use_case(actor_of(context), request)

    request = getattr(schema, _SERVICE.methods_by_name[name].input_type.name)
    return grpc.unary_unary_rpc_method_handler(call, request_deserializer=request.FromString)
