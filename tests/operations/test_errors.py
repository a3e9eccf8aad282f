"""Exceptions become statuses in one place, and what they say stays inside."""

from typing import Any

import grpc
import grpc.aio
import pytest
from dealwright.v1.diagnostic_pb2 import Diagnostics
from dealwright_engine import InvalidRequest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from server.runtime.errors import DETAILS_BYTES_MAX, RETRY_SECONDS, NotReady, Stopping, status_of
from server.runtime.metrics import Metrics
from server.runtime.observation import ObservedServer
from tests.evaluation.requests import call, details


class Panic(BaseException):
    """As an engine's panic arrives: no Exception, so a plain `except Exception` misses it."""


def refusal(count: int) -> InvalidRequest:
    diagnostics = Diagnostics()
    for number in range(count):
        diagnostics.diagnostics.add(
            code="out_of_range", field=f"cart.lines[{number}].quantity", message="must be at least 1"
        )
    error = InvalidRequest("refused")
    error.diagnostics = diagnostics.SerializeToString()
    return error


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (refusal(1), grpc.StatusCode.INVALID_ARGUMENT, "OUT_OF_RANGE"),
        (NotReady(), grpc.StatusCode.UNAVAILABLE, "NO_RULESET"),
        (Stopping(), grpc.StatusCode.UNAVAILABLE, "STOPPING"),
        (KeyError("hunter2"), grpc.StatusCode.INTERNAL, "INTERNAL"),
        (Panic("hunter2"), grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
def test_each_exception_has_its_status(error: BaseException, code: grpc.StatusCode, reason: str) -> None:
    with capture_logs():
        status = status_of(error)

    assert status.code is code
    assert [detail.reason for detail in status.details if hasattr(detail, "reason")] == [reason]


@pytest.mark.parametrize("error", [NotReady(), Stopping()])
def test_who_may_try_again_is_told_when(error: BaseException) -> None:
    (retry,) = (detail for detail in status_of(error).details if isinstance(detail, RetryInfo))

    assert retry.retry_delay.seconds == RETRY_SECONDS


def test_details_stay_below_what_a_header_carries() -> None:
    status = status_of(refusal(10_000))

    assert sum(len(value) for _, value in status.trailing_metadata()) < DETAILS_BYTES_MAX + 1024
    violations = next(detail for detail in status.details if isinstance(detail, BadRequest))
    assert len(violations.field_violations) > 10


@pytest.mark.parametrize("error", [KeyError("hunter2"), Panic("hunter2")], ids=["exception", "panic"])
async def test_an_internal_error_shows_a_reference_and_nothing_else(error: BaseException) -> None:
    metrics = Metrics()

    async def fail(request: bytes, context: object) -> bytes:
        raise error

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Fail": grpc.unary_unary_rpc_method_handler(fail)}
    ObservedServer(server, metrics).add_registered_method_handlers("test.Service", handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with capture_logs() as logs:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call(channel, "/test.Service/Fail", b"")
    await server.stop(None)

    assert failed.value.code() is grpc.StatusCode.INTERNAL
    info, _ = details(failed.value)
    assert failed.value.details() == f"internal error, reference {info.metadata['reference']}"
    assert "hunter2" not in f"{failed.value!r} {failed.value.details()} {failed.value.trailing_metadata()}"
    (logged,) = logs
    assert (logged["event"], logged["reference"]) == ("call_failed", info.metadata["reference"])
    assert "hunter2" in repr(logged["exc_info"])
    labels = {
        "grpc_type": "unary",
        "grpc_service": "test.Service",
        "grpc_method": "Fail",
        "grpc_code": "INTERNAL",
    }
    assert metrics.registry.get_sample_value("grpc_server_handled_total", labels) == 1
