"""The SQL of the pepper's mark."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from server.keys.tables import pepper_mark


def mark(connection: Connection) -> bytes | None:
    """The mark of the pepper that this database is used with; None before the first."""
    return connection.scalar(select(pepper_mark.c.mark))


def keep_mark(connection: Connection, mark: bytes) -> None:
    """Keeps the first mark; a later one changes nothing."""
    connection.execute(insert(pepper_mark).values(id=1, mark=mark).on_conflict_do_nothing())
