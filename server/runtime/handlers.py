"""gRPC handlers, whether they answer once or stream: what is put around one is put around all alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

_BY_STREAMS: dict[tuple[bool, bool], tuple[str, str, Callable[..., Handler]]] = {
    (False, False): ("unary", "unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("server_stream", "unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("client_stream", "stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("bidi_stream", "stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""By whether requests and responses stream: the kind as metrics name it, and where the behaviour is."""


def kind_of(handler: Handler) -> str:
    kind, _, _ = _BY_STREAMS[handler.request_streaming, handler.response_streaming]
    return kind


def wrapped(handler: Handler, wrap: Callable[[Any], Any]) -> Handler:
    """The handler with its behaviour in something that is called like it."""
    _, behaviour, make = _BY_STREAMS[handler.request_streaming, handler.response_streaming]
    return make(wrap(getattr(handler, behaviour)), handler.request_deserializer, handler.response_serializer)
