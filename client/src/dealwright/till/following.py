"""The stream to a server, in threads of its own: one reads, one decides and waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc

from dealwright.connection import Connection
from dealwright.till.rules import Rules
from dealwright.tracing import outgoing
from dealwright.v1.rule_stream_service_pb2 import SyncRequest, SyncResponse
from dealwright.v1.rule_stream_service_pb2_grpc import RuleStreamServiceStub

END_SECONDS = 10.0
"""How long the threads may take to end."""

_ENDED = object()


class Following:
    """Keeps a stream open as long as it runs, whatever happens to it."""

    def __init__(self, rules: Rules, connection: Connection) -> None:
        self._rules = rules
        self._connection = connection
        self._stopping = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name="dealwright-following", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the stream and its threads."""
        self._stopping.set()
        call = self._call
        if call is not None:
            call.cancel()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        with self._connection.channel() as channel:
            stub = RuleStreamServiceStub(channel)
            while not self._stopping.wait(self._rules.connect_after):
                self._follow(stub)

    def _follow(self, stub: RuleStreamServiceStub) -> None:
        """One stream from its beginning to its end."""
        frames: queue.SimpleQueue[SyncRequest | None] = queue.SimpleQueue()
        incoming: queue.SimpleQueue[Any] = queue.SimpleQueue()
        told = (*self._connection.metadata, *outgoing())
        call: Any = stub.Sync(_until_none(frames), metadata=told)
        self._call = call
        reader = threading.Thread(target=_read, args=(call, incoming), daemon=True)
        reader.start()
        try:
            self._rules.connected(frames.put, call.cancel)
            while not self._stopping.is_set():
                try:
                    found = incoming.get(timeout=self._rules.silent_for())
                except queue.Empty:
                    self._rules.tick()
                    continue
                if found is _ENDED:
                    break
                self._rules.received(found.frame)
        finally:
            call.cancel()
            frames.put(None)
            reader.join(END_SECONDS)
            self._rules.disconnected()


def _until_none(frames: queue.SimpleQueue[SyncRequest | None]) -> Iterator[SyncRequest]:
    while (request := frames.get()) is not None:
        yield request


def _read(call: Iterator[SyncResponse], incoming: queue.SimpleQueue[Any]) -> None:
    try:
        for response in call:
            incoming.put(response)
    except grpc.RpcError:
        # Why it ended changes nothing: the follower says when the next one begins.
        pass
    finally:
        incoming.put(_ENDED)
