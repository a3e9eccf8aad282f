"""Calls as generated stubs make them, with a token, a deadline, repetitions and plain errors put around each.

A stub asks its channel for one callable per method. These classes are such channels, one for threads and one
for asyncio; what is decided about a repetition is in `retrying`.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from dealwright.connection import DEFAULT_SECONDS, Connection
from dealwright.errors import of_call
from dealwright.retrying import has_key, keyed, repeatable, wait_seconds
from dealwright.tracing import outgoing

Metadata = tuple[tuple[str, str], ...]


class Attempts:
    """One call and its repetitions: how long each attempt may take, and whether there is another."""

    def __init__(self, path: str, request: Any, timeout: float) -> None:
        self.request = keyed(request, uuid.uuid4().hex) if isinstance(request, Message) else request
        self._safe = repeatable(path) or has_key(self.request)
        self._end = time.monotonic() + timeout
        self._made = 0

    @property
    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.001)

    def after(self, error: grpc.RpcError, *, closed: bool) -> float:
        """The seconds to wait before the next attempt; raises CallFailed when there is none."""
        self._made += 1
        failed = of_call(error)
        wait = wait_seconds(failed, self._made, random.random(), self.left, safe=self._safe)
        if wait is None or closed:
            raise failed from error
        return wait


class Calls:
    """A channel for stubs that are called from threads."""

    def __init__(self, connection: Connection, timeout: float = DEFAULT_SECONDS) -> None:
        self._channel = connection.channel()
        self._metadata = connection.metadata
        self._timeout = timeout
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._channel.close()

    def unary_unary(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Any]:
        bare = self._channel.unary_unary(path, *serializers, **how)

        def call(request: Any, timeout: float | None = None, metadata: Metadata = ()) -> Any:
            attempts = Attempts(path, request, self._timeout if timeout is None else timeout)
            told = (*self._metadata, *outgoing(), *metadata)
            while True:
                try:
                    return bare(attempts.request, timeout=attempts.left, metadata=told)
                except grpc.RpcError as error:
                    time.sleep(attempts.after(error, closed=self._closed))

        return call

    def unary_stream(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Iterator[Any]]:
        return self._streaming(self._channel.unary_stream(path, *serializers, **how))

    def stream_unary(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Any]:
        bare = self._channel.stream_unary(path, *serializers, **how)

        def call(requests: Iterator[Any], timeout: float | None = None, metadata: Metadata = ()) -> Any:
            try:
                return bare(requests, timeout=timeout, metadata=(*self._metadata, *outgoing(), *metadata))
            except grpc.RpcError as error:
                raise of_call(error) from error

        return call

    def stream_stream(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Iterator[Any]]:
        return self._streaming(self._channel.stream_stream(path, *serializers, **how))

    def _streaming(self, bare: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        """A stream lasts as long as its caller reads it, so it has a deadline only when one is given."""

        def call(given: Any, timeout: float | None = None, metadata: Metadata = ()) -> Iterator[Any]:
            responses = bare(given, timeout=timeout, metadata=(*self._metadata, *outgoing(), *metadata))
            try:
                yield from responses
            except grpc.RpcError as error:
                raise of_call(error) from error
            finally:
                responses.cancel()

        return call


class AsyncCalls:
    """A channel for stubs that are awaited."""

    def __init__(self, connection: Connection, timeout: float = DEFAULT_SECONDS) -> None:
        self._channel = connection.async_channel()
        self._metadata = connection.metadata
        self._timeout = timeout
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        await self._channel.close()

    def unary_unary(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Any]:
        bare = self._channel.unary_unary(path, *serializers, **how)

        async def call(request: Any, timeout: float | None = None, metadata: Metadata = ()) -> Any:
            attempts = Attempts(path, request, self._timeout if timeout is None else timeout)
            told = (*self._metadata, *outgoing(), *metadata)
            while True:
                try:
                    return await bare(attempts.request, timeout=attempts.left, metadata=told)
                except grpc.RpcError as error:
                    await asyncio.sleep(attempts.after(error, closed=self._closed))

        return call

    def unary_stream(self, path: str, *serializers: Any, **how: Any) -> Callable[..., AsyncIterator[Any]]:
        return self._streaming(self._channel.unary_stream(path, *serializers, **how))

    def stream_unary(self, path: str, *serializers: Any, **how: Any) -> Callable[..., Any]:
        bare = self._channel.stream_unary(path, *serializers, **how)

        async def call(requests: Any, timeout: float | None = None, metadata: Metadata = ()) -> Any:
            try:
                return await bare(
                    requests, timeout=timeout, metadata=(*self._metadata, *outgoing(), *metadata)
                )
            except grpc.RpcError as error:
                raise of_call(error) from error

        return call

    def stream_stream(self, path: str, *serializers: Any, **how: Any) -> Callable[..., AsyncIterator[Any]]:
        return self._streaming(self._channel.stream_stream(path, *serializers, **how))

    def _streaming(self, bare: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
        async def call(
            given: Any, timeout: float | None = None, metadata: Metadata = ()
        ) -> AsyncIterator[Any]:
            responses = bare(given, timeout=timeout, metadata=(*self._metadata, *outgoing(), *metadata))
            try:
                async for response in responses:
                    yield response
            except grpc.RpcError as error:
                raise of_call(error) from error
            finally:
                responses.cancel()

        return call
