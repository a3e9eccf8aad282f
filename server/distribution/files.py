"""Bundles as files, straight from the database: for USB sticks, CDNs, and whoever has no stream."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from sqlalchemy import Engine

from server.db.engine import plain_errors
from server.definitions.service import Definitions, Follower
from server.distribution import store
from server.distribution.key_folder import KeyFolder
from server.distribution.log import Log, Scope
from server.runtime.errors import NotReady


@dataclass(frozen=True, slots=True)
class File:
    """A bundle as a file."""

    etag: str
    """Another one whenever the bytes are others."""
    data: bytes | None
    """None: whoever asks has it."""


class Files:
    """What is in force for the tills of each company. What was made once is kept. Any thread may ask."""

    def __init__(self, engine: Engine, definitions: Definitions, keys: KeyFolder) -> None:
        self._engine = engine
        self._definitions = definitions
        self._keys = keys
        self._lock = threading.Lock()
        self._logs: dict[str, tuple[Log, Follower]] = {}

    def get(self, company_id: str, scope: Scope, known_etag: str = "") -> File:
        """The newest revision of a company as some stores have it."""
        with self._lock:
            now = time.time()
            log = self._fresh(company_id, now)
            etag = log.etag(scope, now)
            return File(etag, None if etag == known_etag else log.bundle(scope, now).SerializeToString())

    def _fresh(self, company_id: str, now: float) -> Log:
        signer = self._keys.signer()
        if company_id not in self._logs:
            self._logs[company_id] = Log(signer), Follower()
        log, follower = self._logs[company_id]
        log.renew(signer)
        newer = self._definitions.newer(follower, company_id, log.front)
        if newer is not None:
            log.publish(log.prepare(newer))
        if log.revision == 0:
            # Of a name that is nobody's company nothing is kept.
            del self._logs[company_id]
            raise NotReady
        with plain_errors(self._engine), self._engine.begin() as connection:
            log.take(store.epoch(connection), store.killed(connection, company_id), now)
        return log
