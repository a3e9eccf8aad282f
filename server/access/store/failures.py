"""The SQL of failed logins."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from server.access.tables import login_failure

OLD_AT_ONCE = 100
"""How many forgotten ones are cleared away beside a new one, so that made-up names don't fill the table."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts under one name or from one place that nothing good came of yet."""

    failures: int
    failure_time: datetime
    open_time: datetime
    now: datetime


def locked(connection: Connection, subject_hash: bytes) -> Attempts:
    """What is known of a subject; others wait for it until the transaction ends."""
    statement = insert(login_failure).values(
        subject_hash=subject_hash,
        failures=0,
        failure_time=func.clock_timestamp(),
        open_time=func.clock_timestamp(),
    )
    statement = statement.on_conflict_do_update(
        index_elements=["subject_hash"], set_={"failures": login_failure.c.failures}
    )
    row = connection.execute(
        statement.returning(
            login_failure.c.failures,
            login_failure.c.failure_time,
            login_failure.c.open_time,
            func.clock_timestamp(),
        )
    ).one()
    return Attempts(*row)


def put(
    connection: Connection, subject_hash: bytes, failures: int, now: datetime, open_time: datetime
) -> None:
    connection.execute(
        update(login_failure)
        .where(login_failure.c.subject_hash == subject_hash)
        .values(failures=failures, failure_time=now, open_time=open_time)
    )


def clear(connection: Connection, subject_hash: bytes) -> None:
    connection.execute(delete(login_failure).where(login_failure.c.subject_hash == subject_hash))


def give_back(connection: Connection, subject_hash: bytes, free: int) -> None:
    """Takes an attempt away that was none of guessing."""
    fewer = login_failure.c.failures - 1
    connection.execute(
        update(login_failure)
        .where(login_failure.c.subject_hash == subject_hash, login_failure.c.failures > 0)
        .values(
            failures=fewer,
            open_time=case((fewer < free, func.clock_timestamp()), else_=login_failure.c.open_time),
        )
    )


def forget_old(connection: Connection, older_than: timedelta) -> None:
    """Clears some of what lies back for long. Those that somebody is at are left for the next time."""
    old = (
        select(login_failure.c.subject_hash)
        .where(login_failure.c.failure_time < func.now() - older_than)
        .limit(OLD_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(login_failure).where(login_failure.c.subject_hash.in_(old)))
