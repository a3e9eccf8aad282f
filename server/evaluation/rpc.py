"""EvaluationService over gRPC. Bytes pass through undecoded: no (de)serializers, no message objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from dealwright.v1 import evaluation_service_pb2

from server.evaluation.aftersale import AfterSale
from server.evaluation.service import Evaluation

if TYPE_CHECKING:
    from server.runtime.intake import Room
    from server.runtime.observation import ObservedServer

SERVICE = evaluation_service_pb2.DESCRIPTOR.services_by_name["EvaluationService"].full_name
EVALUATE = f"/{SERVICE}/Evaluate"


def register(server: ObservedServer, evaluation: Evaluation, after_sale: AfterSale, room: Room) -> None:
    """Adds the service to a server."""

    async def evaluate(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await evaluation.evaluate(request)

    async def explain(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await evaluation.explain(request)

    async def replay(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await after_sale.replay(request)

    async def compare(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await after_sale.compare(request)

    async def refund(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        room.take(context)
        return await after_sale.refund(request)

    handlers: dict[str, Any] = {
        "Evaluate": grpc.unary_unary_rpc_method_handler(evaluate),
        "Explain": grpc.unary_unary_rpc_method_handler(explain),
        "Replay": grpc.unary_unary_rpc_method_handler(replay),
        "Compare": grpc.unary_unary_rpc_method_handler(compare),
        "Refund": grpc.unary_unary_rpc_method_handler(refund),
    }
    server.add_registered_method_handlers(SERVICE, handlers)
