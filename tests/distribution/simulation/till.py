"""A till in the simulation: the real follower, on a disk that crashes and an engine that only pretends."""

from __future__ import annotations

from dealwright.rule_stream import (
    Activate,
    Close,
    Compile,
    Compiled,
    Connect,
    Device,
    Effect,
    Follower,
    Kept,
    Now,
    Passed,
    Send,
    Trust,
    Uncompilable,
    Write,
)
from dealwright.v1.promotion_pb2 import ON_UNSUPPORTED_REFUSE_REVISION, Promotion
from dealwright.v1.rule_stream_service_pb2 import SyncResponse
from dealwright.v1.ruleset_pb2 import Ruleset

from tests.distribution.simulation.company import items_of
from tests.distribution.simulation.server import Connection, Server, signer
from tests.distribution.simulation.world import Pipe, Violation, World

OLD_ENGINE, NEW_ENGINE = 1, 2
"""The rule languages of engines: that of today, and a later one."""


class Till:
    """One till, over all its lives."""

    def __init__(self, world: World, server: Server, number: int, store_ids: tuple[str, ...]) -> None:
        self.world = world
        self.server = server
        self.device_id, self.store_ids = f"till-{number}", store_ids
        self.disk: dict[str, bytes] = {}
        self.reached = (0, 0)
        """The newest epoch and revision that was ever in force."""
        self.trusted = world.unix
        self.activations = 0
        self.failures = 0
        self.life = 0
        self.up = False
        self.boot()

    # What is in force.

    def now(self) -> Now:
        return Now(self.world.now, max(self.trusted, self.world.unix - 3600))

    def boot(self) -> None:
        """Begins a new life with what the disk has, unless it lives."""
        if self.up:
            return
        self.life += 1
        self.up = True
        engine = self.world.draws.choice((OLD_ENGINE, NEW_ENGINE, NEW_ENGINE))
        self.device = Device(self.device_id, self.store_ids, f"0.{engine}.0", engine)
        self.compiled: dict[int, bytes] = {}
        self.writes: list[Write] = []
        self.connection: Connection | None = None
        self.up_pipe: Pipe | None = None
        self.active: bytes | None = None
        self.greeted_at: float | None = None
        kept = Kept(**self.disk)
        self.follower = Follower(self.device, signer().keys.root_key, kept)
        self._do(self.follower.start(self.now()))
        self._tick(self.life)

    def upgrade(self) -> None:
        """Goes on with an engine that understands everything."""
        while not self.up or self.device.rule_language < NEW_ENGINE:
            if self.up:
                self.crash()
            self.boot()

    def crash(self) -> None:
        """Power is gone; of what was being written, some files made it."""
        self.up = False
        self.disconnect()
        for write in self.writes:
            for name, data in write.files[: self.world.draws.randint(0, len(write.files))]:
                self.disk[name] = data
            if self.world.chance(0.5):
                break
        self.life += 1

    def disconnect(self) -> None:
        """The stream breaks on both sides, at different times."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            connection.down.open = False
            if self.up_pipe is not None:
                self.up_pipe.open = False
            self.world.after(self.world.delay(), connection.close)
        self.greeted_at = None

    def disconnect_both(self) -> None:
        """The network between them is gone, and both notice."""
        if self.connection is not None:
            self._ended(self.life)

    # Effects.

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._do_one(effect, self.life)
        if self.follower.following and self.greeted_at is None:
            self.greeted_at = self.world.now

    def _do_one(self, effect: Effect, life: int) -> None:
        match effect:
            case Connect(after):
                self.world.after(after, lambda: self._connect(life))
            case Send(request) if self.up_pipe is not None:
                self.up_pipe.send(request.SerializeToString())
            case Compile(ticket, ruleset):
                seconds = self.world.draws.uniform(0.001, 0.3)
                self.world.after(seconds, lambda: self._compiled(life, ticket, ruleset))
            case Write():
                self.writes.append(effect)
                if len(self.writes) == 1:
                    self._write_next(life)
            case Activate(ticket):
                self._activate(self.compiled[ticket])
            case Trust(told) | Passed(told):
                self.trusted = max(self.trusted, told)
            case Close():
                self._ended(life)

    def _connect(self, life: int) -> None:
        if life != self.life or self.connection is not None:
            return
        if not self.server.up or self.world.chance(0.1):
            self._do(self.follower.disconnected(self.now(), self.world.draws.random()))
            return
        down = Pipe(self.world, lambda data: self._received(connection, data), lambda: self._lost(connection))
        connection = Connection(self.server, self.store_ids, down, lambda: self._lost(connection))
        self.server.connections.append(connection)
        self.connection = connection
        self.up_pipe = Pipe(self.world, connection.take, lambda: self._lost(connection))
        self._do(self.follower.connected(self.now()))

    def _received(self, connection: Connection, data: bytes) -> None:
        if connection is self.connection and self.up:
            self._do(self.follower.received(SyncResponse.FromString(data).frame, self.now()))

    def _lost(self, connection: Connection) -> None:
        if connection is self.connection:
            self._ended(self.life)

    def _ended(self, life: int) -> None:
        if life == self.life and self.connection is not None:
            self.disconnect()
            self._do(self.follower.disconnected(self.now(), self.world.draws.random()))

    def _compiled(self, life: int, ticket: int, ruleset: bytes) -> None:
        if life != self.life:
            return
        self.compiled[ticket] = ruleset
        unsupported = self._unsupported(ruleset)
        fails = self.world.chance(self.world.troubles.compile_fails) or any(map(_refuses, unsupported))
        self.failures += fails
        outcome = (
            Uncompilable("the engine is too old")
            if fails
            else Compiled(tuple(promotion.id for promotion in unsupported))
        )
        self._do(self.follower.compiled(ticket, outcome, self.now()))

    def _write_next(self, life: int) -> None:
        slow = self.world.chance(self.world.troubles.slow_disk)
        seconds = self.world.draws.uniform(1, 60) if slow else self.world.draws.uniform(0.001, 0.05)
        self.world.after(seconds, lambda: self._written(life))

    def _written(self, life: int) -> None:
        if life != self.life:
            return
        write = self.writes.pop(0)
        ok = not self.world.chance(self.world.troubles.disk_fails)
        self.failures += not ok
        if ok:
            self.disk.update(write.files)
        if self.writes:
            self._write_next(life)
        if write.ticket is not None:
            self._do(self.follower.written(write.ticket, ok, self.now()))

    def _tick(self, life: int) -> None:
        if life == self.life:
            self._do(self.follower.tick(self.now()))
            self.world.after(5.0, lambda: self._tick(life))

    def _unsupported(self, ruleset: bytes) -> list[Promotion]:
        """The promotions that the till's engine is too old for."""
        spoken = self.device.rule_language
        return [each for each in Ruleset.FromString(ruleset).promotions if each.rule_language > spoken]

    # What must always hold.

    def _activate(self, ruleset: bytes) -> None:
        self.active = ruleset
        self.activations += 1
        self.check()
        unsupported = self._unsupported(ruleset)
        if any(map(_refuses, unsupported)):
            raise Violation(f"{self.device_id} prices with what has the revision refused")
        if {each.id for each in unsupported} != set(self.follower.unsupported_ids):
            raise Violation(f"{self.device_id} doesn't say what it can't apply")
        place = self.follower.epoch, self.follower.revision
        if place < self.reached:
            raise Violation(f"{self.device_id} went back from {self.reached} to {place}")
        self.reached = place

    def check(self, *, newest: bool = False) -> None:
        """What is in force is exactly what the scope holds at its revision, without what is killed.

        Restores that nobody noticed make several of one revision; `newest` takes the last of them alone.
        """
        follower = self.follower
        expected = self.server.company.expected(follower.epoch, follower.revision, self.store_ids)
        if newest:
            expected = expected[-1:]
        for each in expected:
            for promotion_id in follower.killed:
                each.pop(("promotion", promotion_id), None)
        has = items_of(self.active or b"")
        if has not in expected:
            raise Violation(
                f"{self.device_id} at {follower.epoch}/{follower.revision} has {sorted(has)} "
                f"instead of {[sorted(each) for each in expected]}"
            )

    def require_revision(self, place: tuple[int, int]) -> None:
        """The till has a revision, or a later one."""
        if (self.follower.epoch, self.follower.revision) < place:
            raise Violation(f"{self.device_id} isn't at {place} in time")

    def require_told(self) -> None:
        """The server knows what the till can't apply."""
        stream = self.connection.stream if self.connection else None
        if stream is None or stream.unsupported_ids != self.follower.unsupported_ids:
            raise Violation(f"the server doesn't know what {self.device_id} can't apply")

    def require_control(self, place: tuple[int, int], killed: frozenset[str]) -> None:
        """The till has a control, or a later one, and nothing is in force that it has killed."""
        follower = self.follower
        if (follower.control_epoch, follower.control_sequence) < place:
            raise Violation(f"{self.device_id} lacks control {place}")
        has = items_of(self.active or b"")
        if any(("promotion", key) in has for key in killed & follower.killed):
            raise Violation(f"{self.device_id} still prices with something that is killed")


def _refuses(promotion: Promotion) -> bool:
    return promotion.on_unsupported == ON_UNSUPPORTED_REFUSE_REVISION
