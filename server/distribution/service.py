"""Use cases of distribution: keep the log of what tills receive fresh, and give it as streams and files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from server.actors import Actor
from server.db.engine import DatabaseUnavailable, plain_errors
from server.definitions.service import Definitions, Newest
from server.distribution import store
from server.distribution.bursts import Bursts
from server.distribution.key_folder import KeyFolder
from server.distribution.log import Log, NotUnderstood, Published, Scope
from server.kills import Killed
from server.runtime.errors import Denied, NotReady, Refusal

log = structlog.get_logger()


class StreamsOff(Refusal):
    """This server has no signing keys."""

    def __init__(self) -> None:
        super().__init__(
            "KEYS_MISSING",
            "this server has no signing keys and serves no tills; make some with `dealwright keys create`"
            " and set DEALWRIGHT_KEYS_DIR",
        )


class Distribution:
    """What the tills of one company receive."""

    def __init__(self, engine: Engine, definitions: Definitions, keys: KeyFolder | None) -> None:
        """Without keys there are no tills."""
        self._engine = engine
        self._definitions = definitions
        self._keys = keys
        self._log = Log(keys.signer()) if keys else None
        self._changed: list[Callable[[], None]] = []
        self._failing = False
        self._refreshing = asyncio.Lock()
        """What was read earlier must not replace what was read later."""
        self._bursts = Bursts(self._publish_newest)
        self._newest: Published | None = None
        """What tills get when a burst of publications is over."""

    # The log.

    @property
    def log(self) -> Log:
        """What is in force for tills."""
        if self._log is None:
            raise StreamsOff
        return self._log

    def require_ready(self, actor: Actor) -> None:
        """Refuses whom this server can't serve now."""
        self._require_served(actor)
        if self.log.revision == 0 or self.log.epoch == 0:
            raise NotReady

    @property
    def enabled(self) -> bool:
        """Whether there are keys to sign with."""
        return self._log is not None

    def on_change(self, changed: Callable[[], None]) -> None:
        """Calls back whenever there is something new for tills."""
        self._changed.append(changed)

    def prepare(self, newest: Newest) -> Callable[[], None]:
        """Makes what tills need, in any thread. What it returns publishes it, on the loop.

        Of a revision that this server can't hand on tills get nothing here: they go on with the one before.
        """
        if self._log is None:
            return lambda: None
        known = self._log
        try:
            published = known.prepare(newest)
        except NotUnderstood as refused:
            log.error("revision_kept_from_tills", error=str(refused), revision=known.revision)
            return lambda: None
        begun = 0
        if newest.front.head < known.revision:
            begun = self._begin_if_restored(known.company_id, known.epoch, known.revision)

        def publish() -> None:
            if begun:
                log.error("database_restored", epoch=begun, lost_revision=known.revision)
                known.begin_epoch(begun)
            known.remember(published)
            self._newest = published
            self._bursts.happened()

        return publish

    def _publish_newest(self) -> None:
        if self._newest is not None:
            self.log.publish(self._newest)
            self._tell()

    async def refresh(self) -> None:
        """Reads the keys, the epoch and what is killed. When the database is away, what is known goes on."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        if self._log is None or self._keys is None:
            return
        if self._log.renew(await asyncio.to_thread(self._keys.signer)):
            self._tell()
        try:
            epoch, killed = await asyncio.to_thread(self._read, self._log.company_id)
        except DatabaseUnavailable as error:
            if not self._failing:
                log.error("streams_refresh_failed", error=str(error))
            self._failing = True
            return
        self._failing = False
        before = self._log.epoch
        if self._log.take(epoch, killed, time.time()):
            if 0 < before < epoch:
                log.warning("epoch_began", epoch=epoch, before=before)
            self._tell()

    def _read(self, company_id: str) -> tuple[int, Killed]:
        with plain_errors(self._engine), self._engine.begin() as connection:
            return store.epoch(connection), store.killed(connection, company_id)

    def _tell(self) -> None:
        for changed in self._changed:
            changed()

    # A database that was set back.

    async def suspect(self, scope: Scope, epoch: int, revision: int) -> None:
        """A till has proven a revision that this server doesn't have for its scope. When the database doesn't
        have it either, it was restored, and another epoch begins."""
        company_id = self.log.company_id
        try:
            begun = await asyncio.to_thread(self._begin_if_restored, company_id, epoch, revision, scope)
        except DatabaseUnavailable:
            return
        if begun:
            log.error("database_restored", epoch=begun, proven_epoch=epoch, proven_revision=revision)
            await self.refresh()

    def _begin_if_restored(
        self, company_id: str, epoch: int, revision: int, scope: Scope | None = None
    ) -> int:
        front = self._definitions.front(company_id)
        head = front.head if scope is None else front.at(scope.store_ids)
        with plain_errors(self._engine), self._engine.begin() as connection:
            known = store.epoch(connection)
            return (
                0 if (known, head) >= (epoch, revision) else store.begin_epoch(connection, max(known, epoch))
            )

    # Files.

    def etag(self, actor: Actor) -> str:
        """Another one whenever `file` gives another bundle."""
        return self.log.etag(self._own_scope(actor), time.time())

    def file(self, actor: Actor) -> bytes:
        """The bundle of the actor's stores."""
        return self.log.bundle(self._own_scope(actor), time.time()).SerializeToString()

    def _own_scope(self, actor: Actor) -> Scope:
        self.require_ready(actor)
        return Scope.of(actor.store_ids)

    def _require_served(self, actor: Actor) -> None:
        served = self.log.company_id
        if served and actor.company_id != served:
            raise Denied("OTHER_COMPANY", "the token is of another company than the one served here")
