"""Slowing down whoever guesses passwords, in the same way whether the name exists or not."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from server.access.store import failures as store
from server.runtime.errors import TooMany

FORGOTTEN = timedelta(hours=24)
"""After so long without another attempt nothing is held against anybody."""

WAIT_MAX = timedelta(minutes=15)
"""The longest wait: at four guesses an hour a password is safe, and who owns it isn't kept out for a day."""

NAME_FREE = 5
"""Attempts under one name before the first wait of a second; each further one doubles it."""

SOURCE_FREE = 50
"""Attempts from one place: it may be a whole office, and may also be trying one password on all names."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What attempts are counted by."""

    digest: bytes
    free: int


def of_name(company_id: str, name: str) -> Subject:
    return Subject(_digest("name", company_id, name), NAME_FREE)


def of_source(source: str) -> Subject:
    return Subject(_digest("source", source), SOURCE_FREE)


def take(connection: Connection, subjects: Sequence[Subject]) -> bool:
    """Counts an attempt before anybody looks at it, so that many at once gain nothing.

    Refuses it while one of the subjects has to wait. Returns whether it is the one with which a wait begins.
    """
    store.forget_old(connection, FORGOTTEN)
    begins = False
    # In one order, so that no two wait for each other.
    for subject in sorted(subjects, key=lambda subject: subject.digest):
        known = store.locked(connection, subject.digest)
        if known.open_time > known.now:
            seconds = math.ceil((known.open_time - known.now).total_seconds())
            raise TooMany(
                "LOGIN_LATER", f"too many attempts; try again in {seconds} seconds", retry_seconds=seconds
            )
        failures = 1 if known.now - known.failure_time > FORGOTTEN else known.failures + 1
        begins = begins or failures == subject.free
        open_time = known.now + _wait(failures - subject.free)
        store.put(connection, subject.digest, failures, known.now, open_time)
    return begins


def succeeded(connection: Connection, name: Subject, source: Subject) -> None:
    """Nothing is held against the name any more. The place has other names to guess, so it keeps its."""
    store.clear(connection, name.digest)
    store.give_back(connection, source.digest, source.free)


def _wait(beyond: int) -> timedelta:
    if beyond < 0:
        return timedelta()
    return min(timedelta(seconds=2 ** min(beyond, 20)), WAIT_MAX)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
