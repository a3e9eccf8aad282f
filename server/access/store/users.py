"""The SQL of users."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from server.access.tables import staff_user


@dataclass(frozen=True, slots=True)
class User:
    """A member of the staff as kept: everything but the secrets."""

    company_id: str
    name: str
    roles: tuple[str, ...]
    store_ids: tuple[str, ...]
    """The only stores that they may act for. Empty: all of the company."""
    create_time: datetime
    password_time: datetime | None
    """When the password was chosen. None: it wasn't yet."""
    invitation_expire_time: datetime | None
    login_time: datetime | None
    disable_time: datetime | None


_COLUMNS = tuple(staff_user.c[name] for name in User.__dataclass_fields__)


def insert_user(
    connection: Connection, company_id: str, name: str, roles: Collection[str], store_ids: Collection[str]
) -> bool:
    """Adds a user, unless there is one of that name."""
    statement = insert(staff_user).values(
        company_id=company_id, name=name, roles=sorted(roles), store_ids=sorted(store_ids)
    )
    inserted = statement.on_conflict_do_nothing().returning(staff_user.c.name)
    return connection.scalar(inserted) is not None


def users(connection: Connection, company_id: str) -> list[User]:
    """Every user of a company, disabled ones too, by name."""
    query = select(*_COLUMNS).where(staff_user.c.company_id == company_id).order_by(staff_user.c.name)
    return [_user(row) for row in connection.execute(query)]


def locked_user(connection: Connection, company_id: str, name: str) -> User | None:
    """A user, who stays as read until the transaction ends."""
    query = select(*_COLUMNS).where(_is(company_id, name)).with_for_update()
    row = connection.execute(query).first()
    return _user(row) if row else None


def password_hash(connection: Connection, company_id: str, name: str) -> str | None:
    """What is kept of the password of a user who may log in; None where nobody may under that name."""
    return connection.scalar(
        select(staff_user.c.password_hash).where(_is(company_id, name), staff_user.c.disable_time.is_(None))
    )


def locked_invited(connection: Connection, invitation_hash: bytes) -> User | None:
    """The user whom an open invitation is for."""
    row = connection.execute(
        select(*_COLUMNS)
        .where(
            staff_user.c.invitation_hash == invitation_hash,
            staff_user.c.invitation_expire_time > func.now(),
            staff_user.c.disable_time.is_(None),
        )
        .with_for_update()
    ).first()
    return _user(row) if row else None


def change(connection: Connection, company_id: str, name: str, **values: Any) -> None:
    """Sets columns of a user."""
    connection.execute(update(staff_user).where(_is(company_id, name)).values(**values))


def _is(company_id: str, name: str) -> Any:
    return (staff_user.c.company_id == company_id) & (staff_user.c.name == name)


def _user(row: Any) -> User:
    company_id, name, roles, store_ids, *times = row
    return User(company_id, name, tuple(roles), tuple(store_ids), *times)
