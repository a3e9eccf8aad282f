"""The SQL of sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from server.access.tables import staff_session, staff_user

KEPT = timedelta(days=30)
"""How long an expired session can still be looked at."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as kept, with what its user may do now."""

    id: str
    company_id: str
    user_name: str
    source: str
    create_time: datetime
    use_time: datetime
    expire_time: datetime
    end_time: datetime | None
    roles: tuple[str, ...]
    store_ids: tuple[str, ...]


_COLUMNS = (
    *(staff_session.c[name] for name in Session.__dataclass_fields__ if name not in ("roles", "store_ids")),
    staff_user.c.roles,
    staff_user.c.store_ids,
)
_WITH_USER = staff_session.join(
    staff_user,
    (staff_user.c.company_id == staff_session.c.company_id)
    & (staff_user.c.name == staff_session.c.user_name),
)


def insert_session(connection: Connection, session: dict[str, Any]) -> None:
    connection.execute(insert(staff_session).values(**session))


def open_session(connection: Connection, secret_hash: bytes, idle: timedelta) -> Session | None:
    """The session of a secret, if it is neither ended nor expired nor idle for too long."""
    row = connection.execute(
        select(*_COLUMNS)
        .select_from(_WITH_USER)
        .where(staff_session.c.secret_hash == secret_hash, _open(idle), staff_user.c.disable_time.is_(None))
    ).first()
    return _session(row) if row else None


def open_sessions(connection: Connection, company_id: str, user_name: str, idle: timedelta) -> list[Session]:
    """The sessions of a user that aren't over, oldest first."""
    rows = connection.execute(
        select(*_COLUMNS)
        .select_from(_WITH_USER)
        .where(_of(company_id, user_name), _open(idle))
        .order_by(staff_session.c.create_time, staff_session.c.id)
    )
    return [_session(row) for row in rows]


def note_use(connection: Connection, session_id: str) -> None:
    connection.execute(
        update(staff_session).where(staff_session.c.id == session_id).values(use_time=func.now())
    )


def end(connection: Connection, session_id: str) -> None:
    connection.execute(
        update(staff_session)
        .where(staff_session.c.id == session_id, staff_session.c.end_time.is_(None))
        .values(end_time=func.now())
    )


def end_all(connection: Connection, company_id: str, user_name: str, idle: timedelta) -> int:
    """Ends every open session of a user, and returns how many there were."""
    ended = connection.execute(
        update(staff_session).where(_of(company_id, user_name), _open(idle)).values(end_time=func.now())
    )
    return ended.rowcount


def forget_old(connection: Connection, company_id: str, user_name: str) -> None:
    connection.execute(
        delete(staff_session).where(
            _of(company_id, user_name), staff_session.c.expire_time < func.now() - KEPT
        )
    )


def _of(company_id: str, user_name: str) -> Any:
    return (staff_session.c.company_id == company_id) & (staff_session.c.user_name == user_name)


def _open(idle: timedelta) -> Any:
    return (
        staff_session.c.end_time.is_(None)
        & (staff_session.c.expire_time > func.now())
        & (staff_session.c.use_time > func.now() - idle)
    )


def _session(row: Any) -> Session:
    return Session(**{**row._mapping, "roles": tuple(row.roles), "store_ids": tuple(row.store_ids)})
