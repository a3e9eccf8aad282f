"""Around every call: where it comes from, how long it takes, and the status that an exception becomes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from server.runtime.errors import status_of
from server.runtime.handlers import kind_of, wrapped
from server.runtime.metering import CallMeter
from server.runtime.metrics import Metrics
from server.runtime.origin import REQUEST_ID, arrive, current

if TYPE_CHECKING:
    from server.runtime.handlers import Handler
    from server.runtime.spans import Spans

_OK = grpc.StatusCode.OK.name


class ObservedServer:
    """A gRPC server as services see it when they register: each of their methods is wrapped, once.

    An interceptor would do the same on every call, for a tenth of what an evaluation costs.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        metrics: Metrics,
        spans: Spans | None = None,
        *,
        apart: Collection[str] = (),
    ) -> None:
        """Calls of the methods `apart` wait in queues of their own, so that no others wait behind them."""
        self._server = server
        self._metrics = metrics
        self._spans = spans
        self._apart = apart

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        observed = {name: self._wrap(handler, service, name) for name, handler in handlers.items()}
        apart = {name: handler for name, handler in observed.items() if f"/{service}/{name}" in self._apart}
        self._server.add_registered_method_handlers(service, apart)
        # Not all as registered ones: grpc.aio waits for a call of each of those by itself, and looks at all
        # of them at each call, so that a call would cost the more the more methods there are.
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, observed),))

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Generated code offers every method this way too; the registered ones are enough."""

    def _wrap(self, handler: Handler, service: str, name: str) -> Handler:
        meter = self._metrics.calls.meter(kind_of(handler), service, name)
        wrap = _stream if handler.response_streaming else _unary
        # A stream has no span: it lasts for as long as a till is open. What it delivers has some.
        if self._spans is not None and not handler.response_streaming:
            spans, span = self._spans, f"{service}/{name}"
            return wrapped(handler, lambda behaviour: wrap(_traced(behaviour, spans, span), meter))
        return wrapped(handler, lambda behaviour: wrap(behaviour, meter))


def _traced(behaviour: Any, spans: Spans, name: str) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        with spans.call(name):
            return await behaviour(request, context)

    return call


def _arrived(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """A caller who chose an id gets it back; who didn't is told the one that was made when the call fails."""
    origin = arrive(context.invocation_metadata() or ())
    if origin.chosen:
        context.set_trailing_metadata(((REQUEST_ID, origin.request_id),))


def _exemplar() -> str:
    """The trace of this call as it is by now: a span may have begun one."""
    origin = current()
    return origin.exemplar if origin is not None else ""


def _unary(behaviour: Any, meter: CallMeter) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        meter.started += 1
        begin = time.perf_counter()
        _arrived(context)
        try:
            response = await behaviour(request, context)
        except BaseException as error:
            await _fail(error, context, meter, time.perf_counter() - begin)
            raise
        meter.finish(_OK, time.perf_counter() - begin, _exemplar())
        return response

    return call


def _stream(behaviour: Any, meter: CallMeter) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        meter.started += 1
        begin = time.perf_counter()
        _arrived(context)
        try:
            responses = behaviour(request, context)
            if isinstance(responses, AsyncIterator):
                async for response in responses:
                    await context.write(response)
            else:
                await responses
        except BaseException as error:
            await _fail(error, context, meter, time.perf_counter() - begin)
            raise
        meter.finish(_OK, time.perf_counter() - begin)

    return call


async def _fail(
    error: BaseException, context: grpc.aio.ServicerContext[Any, Any], meter: CallMeter, seconds: float
) -> None:
    """Ends a failed call with its status, unless it ended itself or was cancelled."""
    if isinstance(error, grpc.aio.AbortError):
        meter.finish(_code(context).name, seconds, _exemplar())
    elif isinstance(error, asyncio.CancelledError):
        meter.finish(grpc.StatusCode.CANCELLED.name, seconds, _exemplar())
    else:
        # An engine's panic is a BaseException; it must not take the process down with it.
        status = status_of(error)
        meter.finish(status.code.name, seconds, _exemplar())
        await context.abort(status.code, status.message, status.trailing_metadata())


def _code(context: grpc.aio.ServicerContext[Any, Any]) -> grpc.StatusCode:
    code = context.code()
    return next(
        (known for known in grpc.StatusCode if code in (known, known.value[0])), grpc.StatusCode.UNKNOWN
    )
