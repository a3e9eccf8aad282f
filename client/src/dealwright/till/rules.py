"""What a till has in force: the follower's decisions carried out on the disk and in the engine."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dealwright_engine import EngineError, Ruleset

from dealwright.rule_stream import (
    Activate,
    Close,
    Compile,
    Compiled,
    Connect,
    Device,
    Effect,
    Follower,
    Holding,
    Kept,
    Now,
    Passed,
    Send,
    Trust,
    Uncompilable,
    Write,
)
from dealwright.till.clock import ClockState, Reading, TrustedClock
from dealwright.till.freshness import Freshness, Judgement, Terms, judge
from dealwright.till.limits import Limited, limited, public_codes
from dealwright.till.machine import Clocks
from dealwright.till.storage import DiskFailed, Storage, replace
from dealwright.v1.bundle_pb2 import Bundle, Manifest
from dealwright.v1.rule_stream_service_pb2 import NACK_REASON_EXPIRED, Frame, SyncRequest
from dealwright.v1.ruleset_pb2 import Ruleset as RulesetMessage

CLOCK_FILE = "clock"
CLOCK_SECONDS = 30.0
"""How often the clock is written down: after a restart at most so much of the time is lost."""


@dataclass(frozen=True, slots=True)
class Force:
    """What carts are priced with until the next change. Never changed, so that any thread may read it."""

    ruleset: Ruleset | None
    manifest: Manifest | None
    left_out: frozenset[str]
    judgement: Judgement
    limited: Mapping[str, Limited]
    """Promotions with limits, by id."""
    codes: frozenset[str]
    """Public codes, folded."""
    distrusted: bool
    """Whether nobody knows the time, so that nothing that expires is used."""


@dataclass(frozen=True, slots=True)
class Active:
    """A compiled revision and what its promotions say to a till."""

    ruleset: Ruleset
    data: bytes
    terms: Terms
    limited: Mapping[str, Limited]
    codes: frozenset[str]

    @classmethod
    def of(cls, ruleset: Ruleset, data: bytes) -> Active:
        promotions = RulesetMessage.FromString(data).promotions
        return cls(ruleset, data, Terms.of(promotions), limited(promotions), public_codes(promotions))


NOTHING = Force(
    None,
    None,
    frozenset(),
    Judgement(Freshness.EMPTY, frozenset(), float("inf")),
    {},
    frozenset(),
    distrusted=False,
)


class Rules:
    """Follows, keeps, compiles and judges. Any thread may call it."""

    def __init__(
        self,
        storage: Storage,
        device: Device,
        root_key: bytes,
        *,
        clocks: Clocks,
        floor: float,
        sure: bool = False,
    ) -> None:
        self._storage = storage
        self._clocks = clocks
        self._sure = sure
        self._lock = threading.RLock()
        reading = clocks.read()
        self._clock = TrustedClock(ClockState.read(storage.read(CLOCK_FILE)), floor, reading)
        self._clock_kept = reading.elapsed
        self._compiled: dict[int, tuple[Ruleset, bytes]] = {}
        self._active: Active | None = None
        self._reduced: tuple[bytes, frozenset[str], Ruleset] | None = None
        self._send: Callable[[SyncRequest], None] = _nowhere
        self._close: Callable[[], None] = _nowhere
        self.connect_after = 0.0
        """Seconds to wait before the next stream, as the follower has said last."""
        self.changed: Callable[[], None] = _nowhere
        """Called when another revision is in force."""
        self.force = NOTHING
        kept = Kept(**{name: storage.read(name) for name in Kept.__slots__})
        self.follower = Follower(device, root_key, kept)
        with self._lock:
            self._do(self.follower.start(self._now()))
            self._judge()

    # Time.

    def clock(self) -> tuple[ClockState, Reading]:
        """The trusted time now, and the reading that it was told from."""
        with self._lock:
            reading = self._clocks.read()
            return self._clock.state(reading), reading

    def keep_clock(self) -> None:
        """Writes the clock down, so that a restart doesn't turn it back."""
        with self._lock:
            state, reading = self.clock()
            self._clock_kept = reading.elapsed
            replace(self._storage, CLOCK_FILE, state.encoded())

    # Pricing.

    def current(self) -> tuple[Force, float]:
        """What to price with now, and the trusted time, in Unix seconds. This is on the way of every cart."""
        now = self._clocks.elapsed() + self._clock.offset
        if now >= self.force.judgement.until:
            with self._lock:
                self._judge()
        return self.force, now

    # The stream, in the thread that has it.

    def connected(self, send: Callable[[SyncRequest], None], close: Callable[[], None]) -> None:
        with self._lock:
            self._send, self._close = send, close
            self._do(self.follower.connected(self._now()))

    def received(self, frame: Frame) -> None:
        with self._lock:
            self._do(self.follower.received(frame, self._now()))
            self._judge()
            if self._clocks.elapsed() - self._clock_kept > CLOCK_SECONDS:
                self.keep_clock()

    def disconnected(self) -> None:
        with self._lock:
            self._send = self._close = _nowhere
            self._do(self.follower.disconnected(self._now(), random.random()))

    def silent_for(self) -> float | None:
        """The seconds until a silent stream is given up; None when there is no bound."""
        with self._lock:
            deadline = self.follower.deadline
            return None if deadline is None else max(0.0, deadline - self._now().monotonic)

    def tick(self) -> None:
        with self._lock:
            self._do(self.follower.tick(self._now()))

    def offered(self, bundle: bytes) -> None:
        """Takes a bundle from a file, as if it had come over the stream; raises Refused."""
        with self._lock:
            self._do(self.follower.offered(bundle, self._now()))
            self._judge()

    # Carrying out.

    def _now(self) -> Now:
        state, reading = self.clock()
        return Now(reading.elapsed, state.trusted)

    def _do(self, effects: Iterable[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            waiting.extend(self._done(waiting.popleft()))

    def _done(self, effect: Effect) -> list[Effect]:
        """Carries out an effect; what follows from that."""
        match effect:
            case Connect(after):
                self.connect_after = after
            case Send(request):
                self._send(request)
            case Close():
                self._close()
            case Trust(server_time):
                self._clock.heard(server_time, self._clocks.read())
            case Passed(signed_time):
                self._clock.passed(signed_time, self._clocks.read())
            case Compile(ticket, data):
                return self.follower.compiled(ticket, self._compile(ticket, data), self._now())
            case Write(ticket, files):
                written = self._write(files)
                return [] if ticket is None else self.follower.written(ticket, written, self._now())
            case Activate(ticket):
                ruleset, data = self._compiled.pop(ticket)
                self._active = Active.of(ruleset, data)
                self._compiled.clear()
        return []

    def _compile(self, ticket: int, data: bytes) -> Compiled | Uncompilable:
        try:
            ruleset = Ruleset.compile(data)
        except EngineError as error:
            return Uncompilable(str(error))
        self._compiled[ticket] = ruleset, data
        return Compiled(tuple(sorted(ruleset.unsupported)))

    def _write(self, files: Iterable[tuple[str, bytes]]) -> bool:
        try:
            for name, data in files:
                replace(self._storage, name, data)
        except DiskFailed:
            return False
        return True

    def _judge(self) -> None:
        state, _ = self.clock()
        manifest = self.follower.manifest
        active = self._active or self._expired()
        if active is None or manifest is None:
            self.force = NOTHING
            return
        distrusted = self._sure and state.suspect
        judgement = judge(
            active.terms,
            news_time=max(state.server_time, manifest.issue_time.ToNanoseconds() / 1e9),
            expire_time=manifest.expire_time.ToNanoseconds() / 1e9,
            now=state.trusted,
            distrusted=distrusted,
        )
        ruleset = active.ruleset
        if judgement.left_out:
            ruleset = self._without(active.data, judgement.left_out)
        left_out = judgement.left_out | self.follower.killed
        before, self.force = (
            self.force,
            Force(ruleset, manifest, left_out, judgement, active.limited, active.codes, distrusted),
        )
        if before.limited is not active.limited:
            self.changed()

    def _expired(self) -> Active | None:
        """What the disk has though it had expired at the start: some of it may go on beyond that."""
        manifest, bundle, refused = self.follower.manifest, self.follower.bundle(), self.follower.refused
        if manifest is None or not bundle or refused is None or refused.reason != NACK_REASON_EXPIRED:
            return None
        holding = Holding.of(Bundle.FromString(bundle).ruleset)
        data = holding.ruleset(manifest.company_id, manifest.revision, self.follower.killed)
        try:
            self._active = Active.of(Ruleset.compile(data), data)
        except EngineError:
            return None
        return self._active

    def _without(self, data: bytes, left_out: frozenset[str]) -> Ruleset:
        if self._reduced is None or self._reduced[:2] != (data, left_out):
            manifest = self.follower.manifest or Manifest()
            rest = Holding.of(data).ruleset(manifest.company_id, manifest.revision, left_out)
            self._reduced = data, left_out, Ruleset.compile(rest)
        return self._reduced[2]


def _nowhere(*_: object) -> None:
    """Where there is no stream, nothing is sent and nothing closed."""
