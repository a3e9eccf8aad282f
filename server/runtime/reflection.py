"""Reflection: callers such as grpcurl ask the server for its schema."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

SERVICE = reflection.SERVICE_NAME


class _Schema:
    """The schemas that the process has, methods too: protobuf's own pool finds no file of theirs."""

    def __init__(self) -> None:
        self._pool: Any = descriptor_pool.Default()

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - protobuf's name
        try:
            found: FileDescriptor = self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            found = self._pool.FindMethodByName(symbol).containing_service.file
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


def register(server: Any, *services: str) -> None:
    """Describes services, itself among them."""
    servicer = reflection.aio.ReflectionServicer((*services, SERVICE), _Schema())
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
