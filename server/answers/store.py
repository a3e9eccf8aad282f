"""The SQL of kept answers."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from server.actors import Actor
from server.answers.tables import kept_answer

_COLUMN = kept_answer.c


def claim(connection: Connection, actor: Actor, key: str, request_hash: bytes) -> bool:
    """Takes a key, unless somebody has. Who asks for the same one meanwhile waits until this is decided."""
    statement = insert(kept_answer).values(**_whose(actor, key), request_hash=request_hash)
    claimed = connection.execute(statement.on_conflict_do_nothing().returning(_COLUMN.key))
    return claimed.first() is not None


def locked(connection: Connection, actor: Actor, key: str) -> Any:
    """The row of a key, and how old it is; None when it is gone by now."""
    age = (func.now() - _COLUMN.create_time).label("age")
    return connection.execute(select(kept_answer, age).where(*_where(actor, key)).with_for_update()).first()


def renew(connection: Connection, actor: Actor, key: str, request_hash: bytes) -> None:
    """Takes a key over whose answer is too old, or that was never answered."""
    empty = {"status": None, "headers": None, "body": None}
    changed = {"request_hash": request_hash, "create_time": func.now(), **empty}
    connection.execute(update(kept_answer).where(*_where(actor, key)).values(**changed))


def keep(connection: Connection, actor: Actor, key: str, answer: dict[str, Any]) -> None:
    connection.execute(update(kept_answer).where(*_where(actor, key)).values(**answer))


def release(connection: Connection, actor: Actor, key: str) -> None:
    """Gives a key back that wasn't answered."""
    connection.execute(delete(kept_answer).where(*_where(actor, key), _COLUMN.status.is_(None)))


def forget(connection: Connection, age: timedelta, count: int) -> None:
    """Removes some of the answers that are older; rows that others look at wait for the next time."""
    old = (
        select(_COLUMN.company_id, _COLUMN.caller, _COLUMN.key)
        .where(_COLUMN.create_time < func.now() - age)
        .order_by(_COLUMN.create_time)
        .limit(count)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    same = (_COLUMN[name] == old.c[name] for name in ("company_id", "caller", "key"))
    connection.execute(delete(kept_answer).where(*same))


def _whose(actor: Actor, key: str) -> dict[str, str]:
    return {"company_id": actor.company_id, "caller": actor.name, "key": key}


def _where(actor: Actor, key: str) -> list[Any]:
    return [_COLUMN[name] == value for name, value in _whose(actor, key).items()]
