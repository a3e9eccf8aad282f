"""What a server keeps on its own disk, to price carts when it starts while its database is away."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from dealwright.v1.snapshot_pb2 import Snapshot, SnapshotToken
from google.protobuf.message import DecodeError

from server.access.service import Token
from server.definitions.service import Front, Newest
from server.kills import Killed
from server.runtime.instants import timestamp

if TYPE_CHECKING:
    from server.access.grants import Grants
    from server.evaluation.service import RulesetHolder
    from server.runtime.metrics import Metrics

log = structlog.get_logger()

MAGIC = b"dealwright snapshot 1\n"
"""What such a file begins with; a SHA-256 hash of the rest follows."""

AGE_SECONDS_MAX = 3 * 86_400
"""An older one isn't used: who knows what has been published or revoked since."""

RENEWED_SECONDS = 600.0
"""How often one is written in which nothing is new but the time until which it is known to hold."""

OTHERS_WRITE = 0o022
"""The right of others than the owner to write a file."""


_Known = tuple[str, Front, Killed, frozenset[bytes]]
"""What tells one content from another: company, revisions, kills, and the hashes of tokens."""


class SnapshotRefused(Exception):
    """A snapshot that isn't used; the text says why."""


def write(file: Path, snapshot: Snapshot) -> None:
    """Replaces the file as a whole, or leaves it; only this user can read it."""
    payload = snapshot.SerializeToString(deterministic=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="snapshot-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as unfinished:
            unfinished.write(MAGIC + hashlib.sha256(payload).digest() + payload)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        Path(name).replace(file)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def read(file: Path, database: str, company: str | None, now: float) -> Snapshot:
    """The snapshot of a file, for a database and the company of the settings if they name one.

    Raises SnapshotRefused.
    """
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & OTHERS_WRITE:
                raise SnapshotRefused("others than its owner may write it")
            content = opened.read()
    except FileNotFoundError as error:
        raise SnapshotRefused("there is none") from error
    except OSError as error:
        raise SnapshotRefused(f"it can't be read: {error.strerror}") from error
    snapshot = _decoded(content)
    if snapshot.database != database:
        known = snapshot.database or "a database that it doesn't name"
        raise SnapshotRefused(f"it is of {known} instead of {database}")
    if company not in (None, snapshot.ruleset.company_id):
        raise SnapshotRefused(f"it is of {snapshot.ruleset.company_id} instead of {company}")
    hours = (now - snapshot.known_time.ToSeconds()) / 3600
    if hours * 3600 > AGE_SECONDS_MAX:
        raise SnapshotRefused(f"it is {hours:.0f} hours old")
    return snapshot


def _decoded(content: bytes) -> Snapshot:
    start = len(MAGIC) + hashlib.sha256().digest_size
    if len(content) < start or not content.startswith(MAGIC):
        raise SnapshotRefused("it is no snapshot of this version")
    payload = content[start:]
    if hashlib.sha256(payload).digest() != content[len(MAGIC) : start]:
        raise SnapshotRefused("it is damaged")
    try:
        return Snapshot.FromString(payload)
    except DecodeError as error:
        raise SnapshotRefused("it is damaged") from error


class Snapshots:
    """Keeps the file as new as what is active, and starts a server with it."""

    def __init__(
        self, file: Path, database: str, holder: RulesetHolder, grants: Grants, metrics: Metrics
    ) -> None:
        """`database` is the place of it, since only that is known while it is away."""
        self._file = file
        self._database = database
        self._holder = holder
        self._grants = grants
        self._metrics = metrics
        self._written: _Known | None = None
        self._written_at = 0.0
        self._failing = False

    def restore(self, company: str | None) -> None:
        """Takes over what the file has, or says why not."""
        try:
            snapshot = read(self._file, self._database, company, time.time())
        except SnapshotRefused as refused:
            log.error("snapshot_refused", file=str(self._file), reason=str(refused))
            return
        self._grants.restore({token.secret_hash: _token(token) for token in snapshot.tokens})
        killed = Killed(snapshot.killed_sequence, tuple(snapshot.killed_ids))
        self._holder.restore(_newest(snapshot), killed, float(snapshot.known_time.ToSeconds()))
        log.warning(
            "snapshot_restored",
            revision=snapshot.ruleset.revision,
            known_until=snapshot.known_time.ToJsonString(),
        )

    async def keep(self) -> None:
        """Writes the file when something is new. A failure changes nothing else, and is logged once."""
        holder = self._holder
        if holder.newest is None or holder.active is None or holder.last_error is not None:
            return
        newest, killed = holder.newest, holder.active.killed
        known = (newest.general.company_id, newest.front, killed, frozenset(self._grants.usable))
        if known == self._written and time.monotonic() - self._written_at < RENEWED_SECONDS:
            return
        try:
            await asyncio.to_thread(self._write, newest, killed, holder.known_at)
        except OSError as error:
            self._metrics.snapshot_failures.inc()
            if not self._failing:
                log.error("snapshot_not_written", file=str(self._file), error=error.strerror)
            self._failing = True
            return
        self._failing = False
        self._written, self._written_at = known, time.monotonic()

    def _write(self, newest: Newest, killed: Killed, known_at: float) -> None:
        tokens = self._grants.usable.items()
        write(
            self._file,
            Snapshot(
                database=self._database,
                ruleset=newest.general,
                candidate=newest.candidate,
                cohort=sorted(newest.front.cohort or ()),
                killed_sequence=killed.sequence,
                killed_ids=killed.promotion_ids,
                tokens=[_message(secret_hash, token) for secret_hash, token in tokens],
                known_time=timestamp(datetime.fromtimestamp(known_at, UTC)),
            ),
        )


def _newest(snapshot: Snapshot) -> Newest:
    """What was in force, and where."""
    if not snapshot.HasField("candidate"):
        return Newest(Front(snapshot.ruleset.revision), snapshot.ruleset)
    front = Front.of(snapshot.candidate.revision, snapshot.cohort)
    return Newest(front, snapshot.ruleset, snapshot.candidate)


def _message(secret_hash: bytes, token: Token) -> SnapshotToken:
    return SnapshotToken(
        secret_hash=secret_hash,
        id=token.id,
        company_id=token.company_id,
        name=token.name,
        roles=token.roles,
        store_ids=token.store_ids,
        create_time=timestamp(token.create_time),
        expire_time=timestamp(token.expire_time),
    )


def _token(message: SnapshotToken) -> Token:
    return Token(
        id=message.id,
        company_id=message.company_id,
        name=message.name,
        roles=tuple(message.roles),
        store_ids=tuple(message.store_ids),
        create_time=message.create_time.ToDatetime(UTC),
        expire_time=message.expire_time.ToDatetime(UTC) if message.HasField("expire_time") else None,
        revoke_time=None,
        last_use_time=None,
    )
