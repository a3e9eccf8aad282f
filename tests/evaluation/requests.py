"""Requests for tests, and what comes back over gRPC when they are refused."""

from typing import TypeAlias

import grpc.aio
from dealwright.v1.evaluation_service_pb2 import EvaluateRequest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]
    BadRequest,
    ErrorInfo,
    RequestInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.runtime.errors import STATUS_DETAILS_KEY

EVALUATE = "/dealwright.v1.EvaluationService/Evaluate"
EXPLAIN = "/dealwright.v1.EvaluationService/Explain"
REPLAY = "/dealwright.v1.EvaluationService/Replay"
COMPARE = "/dealwright.v1.EvaluationService/Compare"
REFUND = "/dealwright.v1.EvaluationService/Refund"

CALL_SECONDS = 20.0

BareMethod: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


def latte_request(quantity: int = 2, lines: int = 1) -> EvaluateRequest:
    """Some lattes at 25 000.00 rupiah, on a fixed afternoon."""
    request = EvaluateRequest()
    request.evaluate_time.FromJsonString("2026-11-21T08:00:00Z")
    request.cart.id = "bill-1"
    request.cart.currency_code = "IDR"
    for number in range(lines):
        request.cart.lines.add(
            id=f"line-{number}", product_id="latte", quantity=quantity, unit_price_minor=2_500_000
        )
    return request


async def call(channel: grpc.aio.Channel, method: str, request: bytes) -> bytes:
    """A call with bytes as they are, as any client in any language may send them."""
    bare: BareMethod = channel.unary_unary(method)
    answer: bytes = await bare(request, timeout=CALL_SECONDS)
    return answer


def details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo, BadRequest]:
    """The rich details of a refused call."""
    metadata = dict(error.trailing_metadata() or ())
    encoded = metadata[STATUS_DETAILS_KEY]
    assert isinstance(encoded, bytes)
    status = Status.FromString(encoded)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info, violations = ErrorInfo(), BadRequest()
    for detail in status.details:
        assert isinstance(detail, Any)
        known = detail.Is(RetryInfo.DESCRIPTOR) or detail.Is(RequestInfo.DESCRIPTOR)
        assert known or detail.Unpack(info) or detail.Unpack(violations)
    return info, violations
