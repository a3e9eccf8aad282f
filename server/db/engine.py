"""Connections to PostgreSQL, and its failures in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

CONNECT_SECONDS = 5
"""How long a connection attempt may take."""

SILENT_SECONDS = 15
"""How long the network may swallow what is sent before a connection counts as lost."""


class DatabaseUnavailable(Exception):
    """The database can't be reached or used; the text names the place, never a password."""


def connect(url: str, *, application: str = "dealwright") -> Engine:
    """An engine for a URL such as postgresql://user:password@host/database. Connects when first used."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUnavailable(
            "the database URL isn't one; write it as postgresql://user@host/database"
        ) from error
    if parsed.get_backend_name() not in ("postgres", "postgresql"):
        raise DatabaseUnavailable(f"the database must be PostgreSQL, not {parsed.get_backend_name()}")
    return sqlalchemy.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": SILENT_SECONDS * 1000,
            "application_name": application,
        },
    )


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Turns a lost or refused connection into DatabaseUnavailable; other errors pass."""
    try:
        yield
    except DBAPIError as error:
        if not (isinstance(error, sqlalchemy.exc.OperationalError) or error.connection_invalidated):
            raise
        place = engine.url.render_as_string(hide_password=True).replace("+psycopg", "")
        first_line = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnavailable(f"{place}: {first_line}") from error
