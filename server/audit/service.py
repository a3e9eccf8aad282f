"""Use cases of the audit log: append in the caller's transaction, read, and verify the chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from server.actors import Actor
from server.audit import store
from server.audit.chain import FIRST_HASH, chained
from server.db.engine import plain_errors

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be recorded. `before` and `after` are what changed, as far as it did."""

    action: str
    subject: str
    subject_id: str
    version: int | None = None
    revision: int | None = None
    comment: str = ""
    before: Json | None = None
    after: Json | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    company_id: str
    number: int
    time: datetime
    actor: str
    token_id: str
    source: str
    action: str
    subject: str
    subject_id: str
    version: int | None
    revision: int | None
    comment: str
    before: Json | None
    after: Json | None
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of reading a company's log from its first entry to its last."""

    company_id: str
    entries: int
    head_hash: str
    """The hash of the last entry in hexadecimal. Kept elsewhere, it shows even a log replaced whole."""
    problem: str = ""
    """The first thing that is wrong. Empty: the chain holds."""


def append(connection: Connection, actor: Actor, events: Sequence[Event]) -> list[int]:
    """Records events in the caller's transaction and returns their numbers.

    The company's chain stays locked until that transaction ends, so that its entries have one order.
    """
    if not events:
        return []
    head = store.lock_head(connection, actor.company_id)
    previous, rows = head.hash, []
    for number, event in enumerate(events, start=head.number + 1):
        row: Json = {
            "company_id": actor.company_id,
            "number": number,
            "time": head.time,
            "actor": actor.name,
            "token_id": actor.token_id,
            "source": actor.source,
            "action": event.action,
            "subject": event.subject,
            "subject_id": event.subject_id,
            "version": event.version,
            "revision": event.revision,
            "comment": event.comment,
            "before": event.before,
            "after": event.after,
            "previous_hash": previous,
        }
        row["hash"] = previous = chained(previous, row)
        rows.append(row)
    store.insert_rows(connection, rows)
    store.move_head(connection, actor.company_id, head.number + len(rows), previous)
    return [row["number"] for row in rows]


def entries_about(
    connection: Connection,
    company_id: str,
    subject: str,
    subject_id: str,
    *,
    after: int = 0,
    before: int | None = None,
    count: int | None = None,
) -> list[Entry]:
    """The entries about one thing between two numbers, both exclusive, in their order."""
    rows = store.about(connection, company_id, subject, subject_id, after=after, before=before, count=count)
    return [Entry(**row) for row in rows]


class Audit:
    """The audit logs of all companies in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def companies(self) -> list[str]:
        with plain_errors(self._engine), self._engine.connect() as connection:
            return store.companies(connection)

    def entries(self, company_id: str, count: int | None = None) -> list[Entry]:
        """The entries of a company in their order; only the newest so many when that is given."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            return [Entry(**row) for row in store.newest(connection, company_id, count)]

    def page(
        self, company_id: str, *, below: int | None, count: int, subject: str, subject_id: str, actor: str
    ) -> list[Entry]:
        """The newest entries of those that meet what is given, or the newest below a number; newest first."""
        wanted = {"subject": subject, "subject_id": subject_id, "actor": actor}
        with plain_errors(self._engine), self._engine.connect() as connection:
            return [Entry(**row) for row in store.page(connection, company_id, below, count, wanted)]

    def verify(self, company_id: str, kept: tuple[int, str] | None = None) -> Verification:
        """Reads the whole chain. `kept` is the number and hash of an entry as they were noted elsewhere."""
        with plain_errors(self._engine), self._engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            head = store.head(connection, company_id)
            return _verify(company_id, head, store.rows(connection, company_id), kept)


def _verify(
    company_id: str, head: store.Head, rows: Iterator[Json], kept: tuple[int, str] | None
) -> Verification:
    number, previous = 0, FIRST_HASH

    def stopped(problem: str) -> Verification:
        return Verification(company_id, number, previous.hex(), problem)

    for row in rows:
        if row["number"] != number + 1:
            return stopped(f"entry {number + 1} is missing")
        if row["previous_hash"] != previous:
            return stopped(f"entry {row['number']} doesn't follow entry {number} as it is now")
        if row["hash"] != chained(previous, row):
            return stopped(f"entry {row['number']} was changed after it was written")
        number, previous = row["number"], row["hash"]
        if kept is not None and kept[0] == number and kept[1] != previous.hex():
            return stopped(f"entry {number} isn't the one whose hash was kept")
    if (head.number, head.hash) != (number, previous):
        return stopped(f"the log ends at entry {number}, but {head.number} were written")
    if kept is not None and kept[0] > number:
        return stopped(f"the log ends at entry {number}, before entry {kept[0]} whose hash was kept")
    return Verification(company_id, number, previous.hex())
