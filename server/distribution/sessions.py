"""The open streams of a process: what drives each state machine, and what happens to all of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import structlog
from dealwright.v1.rule_stream_service_pb2 import (
    GOODBYE_REASON_AUTH,
    GOODBYE_REASON_DRAIN,
    GOODBYE_REASON_MAX_AGE,
    GOODBYE_REASON_REPLACED,
    Ack,
    Hello,
    Nack,
    NackReason,
    SyncRequest,
)

from server.distribution.clients import Clients, acked, refused
from server.distribution.log import Scope
from server.distribution.stream import Now, Phase, Stream
from server.distribution.turns import Turns
from server.runtime.errors import Refusal, Stopping

if TYPE_CHECKING:
    from server.actors import Actor
    from server.distribution.service import Distribution
    from server.distribution.store import Client
    from server.runtime.metrics import Metrics
    from server.runtime.spans import Spans

log = structlog.get_logger()

STREAMS_MAX = 20_000
"""How many streams a process takes."""

AGE_SECONDS = 1800.0
"""About how long a stream lives; the next one may reach another server."""

AGE_JITTER = 0.2

TICK_SECONDS = 0.5
"""How often streams are looked after."""

LOOKS_AT_ONCE = 256
"""How many streams are looked after before anything else has its turn."""

SPREAD_SECONDS = 5.0
"""Over how long the tills of a server that stops connect elsewhere."""

DELIVERY = "dealwright.v1.RuleStreamService/Sync revision"
"""The name of the span from the first frame of a revision to the till's answer."""

SEEN_SECONDS = 20.0
"""How often it is noted that a till is connected."""


class TooManyStreams(Refusal):
    """The process has as many streams as it takes."""

    def __init__(self) -> None:
        super().__init__("TOO_MANY_STREAMS", f"this server has {STREAMS_MAX} streams; try another one")


class Session:
    """One open stream with what it needs around it."""

    __slots__ = ("actor", "client", "client_noted_at", "ends_at", "sent_at", "stream", "wake")

    def __init__(self, actor: Actor, stream: Stream, client: Client, wake: asyncio.Event, now: float) -> None:
        self.actor = actor
        self.client = client
        self.stream = stream
        self.wake = wake
        self.ends_at = now + AGE_SECONDS * random.uniform(1 - AGE_JITTER, 1 + AGE_JITTER)
        self.sent_at: float | None = None
        """Monotonic seconds at which the set that isn't answered yet began."""
        self.client_noted_at = now


class Sessions:
    """All streams of a process."""

    def __init__(
        self,
        distribution: Distribution,
        clients: Clients,
        metrics: Metrics,
        holds: Callable[[Actor], bool],
        spans: Spans | None = None,
    ) -> None:
        self._distribution = distribution
        self._clients = clients
        self._metrics = metrics
        self._holds = holds
        self._spans = spans
        self._open: dict[tuple[str, str], Session] = {}
        self._closing: set[Session] = set()
        self._turns = Turns()
        self._draining = False
        self._suspecting: asyncio.Task[None] | None = None
        self._metrics.streams.set_function(lambda: len(self._open))
        self._metrics.streams_behind.set_function(self._behind)
        self._metrics.streams_unsupporting.set_function(self._unsupporting)
        self._metrics.streams_waiting.set_function(lambda: self._turns.waiting)
        distribution.on_change(self.wake_all)

    def open(self, actor: Actor, hello: Hello, *, answers: bool) -> Session:
        """Takes a till in; an older stream of the same one ends."""
        if self._draining:
            raise Stopping
        if len(self._open) >= STREAMS_MAX:
            raise TooManyStreams
        scope = Scope.of(actor.store_ids)
        wake = asyncio.Event()
        turn = self._turns.of(wake.set)
        stream = Stream(self._distribution.log, scope, hello, now(), answers=answers, turn=turn)
        client = self._clients.put(
            self._clients.seen(actor, scope, hello.device_id, engine_version=hello.engine_version)
        )
        session = Session(actor, stream, client, wake, time.monotonic())
        older = self._open.get((scope.id, hello.device_id))
        if older is not None:
            self._closing.add(older)
            older.stream.end(GOODBYE_REASON_REPLACED)
            older.wake.set()
        self._open[scope.id, hello.device_id] = session
        return session

    def close(self, session: Session) -> None:
        """The stream has ended, for whatever reason."""
        key = session.stream.scope.id, session.stream.device_id
        session.stream.leave()
        self._closing.discard(session)
        if self._open.get(key) is session:
            del self._open[key]
            self._clients.disconnected(session.client)

    async def write(self, session: Session, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Writes frame after frame, until the stream has said goodbye. It waits for nobody but this till."""
        stream = session.stream
        while stream.phase is not Phase.ENDED:
            frame = stream.next(now())
            if frame is None:
                await session.wake.wait()
                session.wake.clear()
                continue
            if stream.waiting and session.sent_at is None:
                session.sent_at = time.monotonic()
            self._metrics.stream_bytes.labels(stream.wrote).inc(len(frame))
            await write(frame)

    async def read(self, session: Session, requests: AsyncIterator[SyncRequest]) -> None:
        """Takes the till's answers, for as long as it speaks. Once the stream has ended they don't count."""
        async for request in requests:
            if session.stream.phase is Phase.ENDED:
                return
            if request.HasField("ack"):
                self.acked(session, request.ack)
            elif request.HasField("nack"):
                self.refused(session, request.nack)
        self.left(session)

    def acked(self, session: Session, ack: Ack) -> None:
        """The till says what it has."""
        session.stream.acked(ack)
        seconds = self._answered(session, ack.revision)
        if seconds is not None:
            self._metrics.stream_ack_seconds.observe(seconds)
        session.client = self._clients.put(acked(session.client, ack))
        session.wake.set()

    def refused(self, session: Session, nack: Nack) -> None:
        """The till says what it won't have."""
        session.stream.refused(nack)
        self._answered(session, nack.revision, reason_of(nack))
        self._metrics.stream_nacks.labels(reason_of(nack)).inc()
        log.warning(
            "revision_refused",
            device=session.stream.device_id,
            scope=session.stream.scope.id,
            revision=nack.revision,
            reason=reason_of(nack),
            detail=nack.detail[:200],
        )
        session.client = self._clients.put(refused(session.client, nack))
        session.wake.set()

    def report_ack(self, actor: Actor, device_id: str, ack: Ack) -> None:
        """A till that can't answer on its stream, or has none, says what it has."""
        scope = Scope.of(actor.store_ids)
        session = self._open.get((scope.id, device_id))
        if session is not None:
            self.acked(session, ack)
        else:
            self._clients.disconnected(acked(self._clients.seen(actor, scope, device_id), ack))

    def report_nack(self, actor: Actor, device_id: str, nack: Nack) -> None:
        """The same for what it won't have."""
        scope = Scope.of(actor.store_ids)
        session = self._open.get((scope.id, device_id))
        if session is not None:
            self.refused(session, nack)
        else:
            self._metrics.stream_nacks.labels(reason_of(nack)).inc()
            self._clients.disconnected(refused(self._clients.seen(actor, scope, device_id), nack))

    def left(self, session: Session) -> None:
        """The till has nothing more to say; without its answers there is nothing more to send."""
        session.stream.leave()
        session.wake.set()

    def wake_all(self) -> None:
        """Something is new for tills."""
        for session in self._open.values():
            session.wake.set()

    async def look_after(self) -> None:
        """Bookmarks, old age, revoked tokens and databases that were set back, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            moment = time.monotonic()
            self._turns.expire(moment)
            for looked_at, session in enumerate(list(self._open.values()), start=1):
                self._look_after(session, moment)
                if looked_at % LOOKS_AT_ONCE == 0:
                    # Thousands of streams in one go would keep a call waiting.
                    await asyncio.sleep(0)

    def drain(self) -> None:
        """Says goodbye to all, so that they don't all come back in the same moment."""
        self._draining = True
        self._end(self._open.values(), GOODBYE_REASON_DRAIN)

    def _answered(self, session: Session, revision: int, refusal: str = "") -> float | None:
        """How long the till had the set that it answers, in seconds; None when it answers none."""
        if session.sent_at is None or session.stream.waiting:
            return None
        seconds, session.sent_at = time.monotonic() - session.sent_at, None
        if self._spans is not None:
            stream = session.stream
            told: dict[str, str | int] = {
                "dealwright.device_id": stream.device_id,
                "dealwright.scope_id": stream.scope.id,
                "dealwright.revision": revision,
            }
            if refusal:
                told["error.type"] = refusal
            self._spans.ended(DELIVERY, seconds, told, failed=bool(refusal))
        return seconds

    def _look_after(self, session: Session, moment: float) -> None:
        stream = session.stream
        if not self._holds(session.actor):
            stream.end(GOODBYE_REASON_AUTH)
            session.wake.set()
        elif moment >= session.ends_at:
            stream.end(GOODBYE_REASON_MAX_AGE)
            session.wake.set()
        elif moment >= stream.wake_at:
            session.wake.set()
        if moment - session.client_noted_at >= SEEN_SECONDS:
            session.client_noted_at = moment
            session.client = self._clients.put(session.client)
        if stream.ahead and not self._suspecting and stream.proven_ahead():
            suspecting = self._distribution.suspect(stream.scope, stream.epoch, stream.revision)
            self._suspecting = asyncio.create_task(suspecting)
            self._suspecting.add_done_callback(self._suspected)

    def _suspected(self, _: asyncio.Task[None]) -> None:
        self._suspecting = None

    def _end(self, sessions: Iterable[Session], reason: int) -> None:
        for session in sessions:
            session.stream.end(reason, random.uniform(0, SPREAD_SECONDS))  # type: ignore[arg-type]
            session.wake.set()

    def _behind(self) -> int:
        # Asked by the thread that answers with metrics, while tills come and go.
        return sum(not session.stream.current for session in list(self._open.values()))

    def _unsupporting(self) -> int:
        return sum(bool(session.stream.unsupported_ids) for session in self._open.values())


def now() -> Now:
    return Now(time.monotonic(), time.time())


def reason_of(nack: Nack) -> str:
    """The name of a reason; one that isn't known has one for all."""
    known = nack.reason in NackReason.values()
    return NackReason.Name(nack.reason) if known else "NACK_REASON_UNSPECIFIED"
