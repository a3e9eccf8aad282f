"""A server process in the simulation: the real log and the real streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import dealwright_engine
from dealwright.rule_stream import Keys
from dealwright.v1.bundle_pb2 import Control, KeyList, SigningKey
from dealwright.v1.rule_stream_service_pb2 import SyncRequest

from server.distribution.log import Log, Scope
from server.distribution.signer import Signer, sign
from server.distribution.stream import Now, Phase, Stream
from tests.distribution.simulation.company import COMPANY, Company
from tests.distribution.simulation.world import Pipe, World

REFRESH_SECONDS = 2.0

ROOT_SECRET = bytes(range(32))


@cache
def signer(number: int = 0) -> Signer:
    """An online key and the list that names it."""
    secret = bytes([number + 1] * 32)
    public = dealwright_engine.public_key(secret)
    listed = KeyList(version=number + 1)
    listed.keys.append(SigningKey(key_id=dealwright_engine.key_id(public), public_key=public))
    keys = Keys.none(dealwright_engine.public_key(ROOT_SECRET))
    return Signer(secret, keys.renewed(sign(ROOT_SECRET, listed)))


class Connection:
    """A till's stream at the server."""

    def __init__(
        self, server: Server, store_ids: tuple[str, ...], down: Pipe, ended: Callable[[], None]
    ) -> None:
        self.server = server
        self.scope = Scope.of(store_ids)
        self.down = down
        self.ended = ended
        self.stream: Stream | None = None
        self.open = True

    def take(self, data: bytes) -> None:
        """Something from the till has arrived."""
        request = SyncRequest.FromString(data)
        if not self.open:
            return
        if request.HasField("hello"):
            if self.server.log.revision == 0:
                self.close()
            elif self.stream is None:
                self.stream = Stream(self.server.log, self.scope, request.hello, self.server.now())
        elif self.stream is None:
            self.close()
        elif request.HasField("ack"):
            self.stream.acked(request.ack)
        else:
            self.stream.refused(request.nack)
        self.pump()

    def pump(self) -> None:
        """Writes what there is to be written; sometimes the till reads slowly, and it takes a while."""
        world = self.server.world
        while self.open and self.stream is not None:
            frame = self.stream.next(self.server.now())
            if frame is None:
                if self.stream.phase is Phase.ENDED:
                    self.close()
                return
            self.down.send(frame)
            if world.chance(0.2):
                world.after(world.draws.uniform(0.01, 2.0), self.pump)
                return

    def close(self) -> None:
        if self.open:
            self.open = False
            self.server.connections.remove(self)
            self.server.world.after(self.server.world.delay(), self.ended)


class Server:
    """One process. It forgets everything when it crashes, and finds what the database has."""

    def __init__(self, world: World, company: Company) -> None:
        self.world = world
        self.company = company
        self.connections: list[Connection] = []
        self.up = False
        self.lagging = False
        self.troubles = 0
        """Grows with everything that keeps it from its work."""
        self._process = 0
        self.start()

    @property
    def well(self) -> bool:
        return self.up and not self.lagging

    def lag(self, lagging: bool) -> None:
        """It doesn't see what is new in the database, or does again."""
        self.troubles += 1
        self.lagging = lagging

    def now(self) -> Now:
        return Now(self.world.now, self.world.unix)

    def start(self) -> None:
        """Begins, unless it runs."""
        if self.up:
            return
        self.up = True
        self._process += 1
        self.troubles += 1
        self.log = Log(signer())
        self._known: tuple[int, int] = (0, 0)
        self._look(self._process)

    def crash(self) -> None:
        self.up = False
        self.troubles += 1
        for connection in list(self.connections):
            connection.down.open = False
            connection.close()

    def refresh(self) -> None:
        """Takes what is new in the database."""
        company, log = self.company, self.log
        changed = False
        if company.epoch > log.epoch:
            log.begin_epoch(company.epoch)
            changed = True
        if log.revision != company.head or self._known[0] != company.epoch:
            log.publish(log.prepare(company.newest()))
            changed = True
        self._known = company.epoch, company.head
        if (company.epoch, company.sequence) > (log.control.epoch, log.control.sequence):
            changed = True
            log.kill(
                Control(
                    company_id=COMPANY,
                    epoch=company.epoch,
                    sequence=company.sequence,
                    killed_ids=sorted(company.killed),
                )
            )
        if changed:
            self.wake()

    def wake(self) -> None:
        for connection in list(self.connections):
            connection.pump()

    def _look(self, process: int) -> None:
        """Looks into the database, and after the streams, again and again."""
        if not self.up or process != self._process:
            return
        if not self.lagging:
            self.refresh()
        for connection in list(self.connections):
            stream = connection.stream
            if stream is None:
                continue
            if stream.proven_ahead() and not self.lagging:
                head = (self.company.epoch, self.company.revision_at(connection.scope.store_ids))
                if (stream.epoch, stream.revision) > head:
                    self.company.begin_epoch(stream.epoch)
            if self.world.now >= stream.wake_at:
                connection.pump()
        self.world.after(self.world.draws.uniform(0.5, REFRESH_SECONDS), lambda: self._look(process))
