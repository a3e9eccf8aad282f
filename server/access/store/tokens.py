"""The SQL of tokens."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from server.access.tables import api_token


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: everything but the secret."""

    id: str
    company_id: str
    name: str
    roles: tuple[str, ...]
    store_ids: tuple[str, ...]
    create_time: datetime
    expire_time: datetime | None
    revoke_time: datetime | None
    last_use_time: datetime | None


_COLUMNS = tuple(api_token.c[name] for name in Token.__dataclass_fields__)


def insert_token(connection: Connection, token: dict[str, Any]) -> None:
    connection.execute(insert(api_token).values(**token))


def tokens(connection: Connection, company_id: str) -> list[Token]:
    """Every token of a company, revoked ones too, by name."""
    query = select(*_COLUMNS).where(api_token.c.company_id == company_id)
    rows = connection.execute(query.order_by(api_token.c.name, api_token.c.create_time, api_token.c.id))
    return [_token(row) for row in rows]


def usable(connection: Connection) -> dict[bytes, Token]:
    """The tokens of all companies that are neither revoked nor expired, by the hash of their secret."""
    rows = connection.execute(select(api_token.c.secret_hash, *_COLUMNS).where(_usable()))
    return {row.secret_hash: _token(row[1:]) for row in rows}


def count_usable(connection: Connection, company_id: str, name: str | None = None) -> int:
    """How many usable tokens a company has, or one of its names."""
    query = select(func.count()).select_from(api_token).where(api_token.c.company_id == company_id, _usable())
    if name is not None:
        query = query.where(api_token.c.name == name)
    return connection.scalar(query) or 0


def revoke(connection: Connection, company_id: str, token_id: str) -> Token | None:
    """Makes a token useless; None when there is no such one that isn't already."""
    row = connection.execute(
        update(api_token)
        .where(
            api_token.c.id == token_id,
            api_token.c.company_id == company_id,
            api_token.c.revoke_time.is_(None),
        )
        .values(revoke_time=func.now())
        .returning(*_COLUMNS)
    ).first()
    return _token(row) if row else None


def note_use(connection: Connection, token_ids: Collection[str]) -> None:
    """Remembers that tokens were used, to the minute."""
    minute = func.date_trunc("minute", func.now())
    connection.execute(update(api_token).where(api_token.c.id.in_(token_ids)).values(last_use_time=minute))


def _usable() -> Any:
    expire_time = api_token.c.expire_time
    return api_token.c.revoke_time.is_(None) & or_(expire_time.is_(None), expire_time > func.now())


def _token(row: Any) -> Token:
    token_id, company_id, name, roles, store_ids, *times = row
    return Token(token_id, company_id, name, tuple(roles), tuple(store_ids), *times)
