"""LeaseService over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from dealwright.v1 import lease_service_pb2 as schema

from server.access.rpc import actor_of

if TYPE_CHECKING:
    from server.access.rpc import GuardedServer
    from server.leases.service import Leases
    from server.runtime.intake import Intake

_SERVICE = schema.DESCRIPTOR.services_by_name["LeaseService"]
SERVICE = _SERVICE.full_name


def register(server: GuardedServer, leases: Leases, intake: Intake) -> None:
    """Adds the service to a server."""
    use_cases: dict[str, Callable[..., Any]] = {"RenewLeases": leases.renew, "ListLeases": leases.page}
    server.add_registered_method_handlers(
        SERVICE, {name: _handler(name, use_case, intake) for name, use_case in use_cases.items()}
    )


def _handler(name: str, use_case: Callable[..., Any], intake: Intake) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        intake.take(context)
        return await asyncio.to_thread(use_case, actor_of(context), request)

    method = _SERVICE.methods_by_name[name]
    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=getattr(schema, method.input_type.name).FromString,
        response_serializer=getattr(schema, method.output_type.name).SerializeToString,
    )
